/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/files/analyse.h"

#include "app/files/capture_files.h"
#include "app/files/file_reader.h"
#include "app/files/file_workers.h"
#include "app/process/processors.h"
#include "app/process/warn_user.h"
#include "app/publish/outputs.h"
#include "app/publish/stage_counters.h"
#include "app/sessions/batch_follower.h"
#include "base/gettext.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct analysis {
    const struct options *options;
    FILE *out;
    bool waits; /* for its input, which may be written while it is read */
    struct packet_numbering numbering;
    struct summary summary;
    struct smtpscope_stream_stats stream_stats;
    struct candidates_stats detect_stats;
    struct output_config formats[SESSIONS_FORMATS];
    size_t format_count;
    struct output *output;   /* standard output; NULL: not wanted */
    struct outputs *outputs; /* all others; maybe none */
    struct publisher *publisher;
    struct evidence_writer *evidence; /* NULL: not wanted */
    struct file_reader *reader;
    struct sessions_config sessions;
    unsigned workers;
    bool failed;
};

static atomic_bool interrupted; /* lock-free: a handler may */

static void interrupt(int number)
{
    (void)number;
    interrupted = true;
}

/*
 * The first SIGINT ends the reading, and what was found is printed, which it does not cut short; a second one ends the
 * program.
 */
static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool reading_stopped(void *ctx)
{
    (void)ctx;
    return interrupted;
}

/* Nobody takes the output any more. Other outputs say at the end what they could not take. */
static bool analysis_stopped(void *ctx)
{
    const struct analysis *analysis = ctx;

    return !outputs_count(analysis->outputs) && output_error(analysis->output);
}

/* A pipe may bring a packet a minute: what is found is to be seen while it waits for the next. */
static bool analysis_waits(const struct options *options)
{
    struct stat status;

    for (size_t i = 0; i < options->file_count; i++)
        if (savefile_stat(options->files[i], &status) || !S_ISREG(status.st_mode))
            return true;
    return false;
}

/* A failure stays with the stream, and the next write meets it. */
static void analysis_published(void *ctx)
{
    const struct analysis *analysis = ctx;

    if (analysis->waits)
        fflush(analysis->out);
}

/* What nobody can know beforehand; without it, collisions could be prepared, but nothing else breaks. */
static uint64_t random_seed(void)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return 0;
    return seed;
}

static bool wants_standard_output(const struct options *options)
{
    for (size_t i = 0; i < options->output_count; i++)
        if (!strcmp(options->outputs[i], "-"))
            return true;
    return !options->output_count;
}

/* Standard output is written to as it is: whoever stands behind it may hold us up, and a queue would only cost time. */
static bool analysis_init_standard_output(struct analysis *analysis, FILE *out)
{
    const struct options *options = analysis->options;
    size_t format = outputs_count(analysis->outputs) && !options->json ? FORMAT_TEXT : 0;
    struct output_config config = outputs_config(options, &analysis->numbering, options->json ? FORMAT_JSON : FORMAT_TEXT);

    if (!wants_standard_output(options))
        return true;
    if (!options->json)
        config.format = &output_text;
    config.write = output_to_stream;
    config.ctx = out;
    analysis->formats[format] = config;
    analysis->format_count = format + 1;
    analysis->output = output_new(&config);
    return analysis->output && publisher_add(analysis->publisher, analysis->output, format);
}

/* false: told. */
static bool analysis_init_output(struct analysis *analysis, FILE *out)
{
    const struct options *options = analysis->options;

    analysis->publisher = publisher_new(options);
    analysis->outputs = outputs_open_patient(options, &analysis->numbering);
    if (!analysis->outputs)
        return false;
    analysis->formats[FORMAT_JSON] = outputs_config(options, &analysis->numbering, FORMAT_JSON);
    analysis->format_count = outputs_count(analysis->outputs) > 0;
    if (analysis->publisher && outputs_add_to(analysis->outputs, analysis->publisher) &&
        analysis_init_standard_output(analysis, out))
        return true;
    warn_user(_("out of memory"));
    return false;
}

static bool analysis_init_evidence(struct analysis *analysis, uint64_t seed)
{
    if (!analysis->options->evidence)
        return true;
    analysis->evidence =
        evidence_writer_new(&(struct evidence_writer_config){.options = analysis->options, .stores = 1, .hash_seed = seed});
    publisher_evidence(analysis->publisher, analysis->evidence);
    return analysis->evidence && evidence_writer_open(analysis->evidence);
}

static bool analysis_init(struct analysis *analysis, FILE *out)
{
    const struct options *options = analysis->options;
    uint64_t seed = random_seed();

    if (!analysis_init_output(analysis, out) || !analysis_init_evidence(analysis, seed))
        return false;
    analysis->workers = options_workers(options);
    analysis->sessions = (struct sessions_config){
        .options = options,
        .hash_seed = seed,
        .evidence = evidence_writer_store(analysis->evidence, 0),
        .formats = analysis->formats,
        .format_count = options->sessions || options->messages ? analysis->format_count : 0,
    };
    analysis->reader = file_reader_new(&(struct file_reader_config){
        .options = options,
        .numbering = &analysis->numbering,
        .summary = &analysis->summary,
        .workers = analysis->workers,
        .hash_seed = seed,
        .evidence = evidence_writer_store(analysis->evidence, 0),
        .stopped = reading_stopped,
    });
    return analysis->reader != NULL;
}

static void analysis_fini(struct analysis *analysis)
{
    file_reader_free(analysis->reader);
    publisher_free(analysis->publisher);
    evidence_writer_free(analysis->evidence);
    output_free(analysis->output);
    outputs_close(analysis->outputs, 0);
    packet_numbering_fini(&analysis->numbering);
}

static void analysis_print_end(struct analysis *analysis)
{
    struct decoder_stats decode;
    struct stage_counters stages = {0};

    file_reader_stats(analysis->reader, &decode);
    stage_counters_decode(&stages, &decode);
    stage_counters_stream(&stages, &analysis->stream_stats);
    if (analysis->options->detect)
        stage_counters_detect(&stages, &analysis->detect_stats);
    stage_counters_evidence(&stages, analysis->evidence);
    analysis->summary.unknown_links = decode.unknown_links;
    analysis->summary.damaged_segments = decode.damaged;
    summary_add(&analysis->summary, publisher_summary(analysis->publisher));
    stage_counters_show(&stages, &analysis->summary);
    if (analysis->output)
        output_finish(analysis->output, &analysis->summary);
    outputs_stats(analysis->outputs, &analysis->summary);
}

/* false: told. */
static bool analysis_flush(struct analysis *analysis, FILE *out)
{
    int error = analysis->output ? output_error(analysis->output) : 0;
    bool right;

    errno = 0;
    if (!error && (fflush(out) || ferror(out)))
        error = errno ? errno : EIO;
    /* A reader that has seen enough, as head(1), is no failure. */
    right = !error || error == EPIPE;
    if (!right)
        warn_user(_("standard output: %s"), strerror(error));
    outputs_drain(analysis->outputs);
    right &= outputs_close(analysis->outputs, 0);
    analysis->outputs = NULL;
    return right;
}

static enum status analysis_status(struct analysis *analysis, FILE *out)
{
    if (!analysis_flush(analysis, out))
        return STATUS_FAILED;
    if (analysis->failed || file_reader_failed(analysis->reader))
        return STATUS_FAILED;
    if (analysis->summary.damaged_files)
        return STATUS_DAMAGED;
    if (analysis->options->fail_on >= 0 && (int)publisher_worst(analysis->publisher) <= analysis->options->fail_on)
        return STATUS_FOUND;
    return STATUS_DONE;
}

/* One worker on one processor needs no threads: it reads, follows and publishes in turn. */
static bool analysis_run_alone(struct analysis *analysis)
{
    struct report_taker taker = publisher_taker(analysis->publisher);
    struct sessions_config config = analysis->sessions;
    struct report_key now = {0};
    struct batch_follower follower = {.now = &now};
    struct batch_decoded batch;
    bool right = batch_decoded_init(&batch);

    config.taker = &taker;
    config.summary = &analysis->summary;
    config.workers = 1;
    if (right)
        follower.sessions = sessions_new(&config);
    if (follower.sessions) {
        while (!analysis_stopped(analysis) && file_reader_fill(analysis->reader, &batch)) {
            batch_follower_run(&follower, &batch);
            analysis_published(analysis);
        }
        sessions_finish(follower.sessions);
        sessions_stats(follower.sessions, &analysis->stream_stats);
        sessions_detect_stats(follower.sessions, &analysis->detect_stats);
    } else {
        warn_user(_("out of memory"));
    }
    right = follower.sessions;
    sessions_free(follower.sessions);
    batch_decoded_fini(&batch);
    return right;
}

static bool analysis_run_together(struct analysis *analysis)
{
    struct report_taker taker = publisher_taker(analysis->publisher);
    struct summary counted = {0};
    bool right = file_workers_run(&(struct file_workers_config){
        .reader = analysis->reader,
        .sessions = analysis->sessions,
        .workers = analysis->workers,
        .taker = &taker,
        .published = analysis_published,
        .at_once = analysis->waits,
        .stopped = analysis_stopped,
        .ctx = analysis,
        .summary = &counted,
        .stats = &analysis->stream_stats,
        .detect = &analysis->detect_stats,
    });

    summary_add(&analysis->summary, &counted);
    return right;
}

static void analysis_run(struct analysis *analysis)
{
    bool alone = analysis->workers == 1 && processors() == 1;

    watch_signals();
    analysis->failed = !(alone ? analysis_run_alone(analysis) : analysis_run_together(analysis));
    analysis->summary.interrupted = interrupted;
    publisher_finish(analysis->publisher, analysis->summary.last_time);
    if (analysis->evidence && !evidence_writer_finish(analysis->evidence))
        analysis->failed = true;
    analysis_print_end(analysis);
}

enum status analyse(const struct options *options, FILE *out)
{
    struct analysis analysis = {.options = options, .out = out, .waits = analysis_waits(options)};
    enum status status = STATUS_FAILED;

    if (analysis_init(&analysis, out)) {
        analysis_run(&analysis);
        status = analysis_status(&analysis, out);
    }
    analysis_fini(&analysis);
    return status;
}
