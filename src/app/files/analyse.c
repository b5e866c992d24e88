/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/files/analyse.h"

#include "app/files/file_reader.h"
#include "app/files/file_workers.h"
#include "app/keys/key_store.h"
#include "app/options/configs.h"
#include "app/process/privileges.h"
#include "app/process/processors.h"
#include "app/process/random_seed.h"
#include "app/process/warn_user.h"
#include "app/publish/publication.h"
#include "app/sessions/batch_follower.h"
#include "base/gettext.h"
#include "capture/handover.h"
#include "capture/savefile.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

/* The secrets of a pipe come with its packets, or behind them. */
#define KEY_PATIENCE (2 * SMTPSCOPE_SECOND)
/* Outputs, evidence, threads' own. */
#define DESCRIPTORS_OWN 256

struct analysis {
    const struct options *options;
    bool waits; /* for its input, which may be written while it is read */
    struct publication publication;
    struct key_store *keys;
    struct totals totals;
    struct file_reader *reader;
    struct frame_filter *filter;     /* NULL: none was asked for */
    struct annotations *annotations; /* NULL: none are wanted */
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

static bool analysis_stopped(void *ctx)
{
    return outputs_broken(((const struct analysis *)ctx)->publication.outputs);
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

static void analysis_published(void *ctx)
{
    const struct analysis *analysis = ctx;

    if (analysis->waits)
        outputs_flush(analysis->publication.outputs);
}

static bool analysis_init_publication(struct analysis *analysis, FILE *out, uint64_t seed)
{
    struct publication_config config = options_publication(analysis->options);

    config.outputs.stream = out;
    config.evidence.stores = 1;
    config.evidence.hash_seed = seed;
    config.publisher.hash_seed = seed;
    return publication_new(&analysis->publication, &config) && publication_open(&analysis->publication);
}

/* Before the sandbox, where names of hosts cannot be looked up. */
static bool analysis_init_filter(struct analysis *analysis)
{
    const char *expression = analysis->options->expression;

    if (!expression)
        return true;
    analysis->filter = frame_filter_new(expression);
    if (!analysis->filter)
        warn_user(_("out of memory"));
    return analysis->filter;
}

static bool analysis_init_annotations(struct analysis *analysis)
{
    const struct options *options = analysis->options;

    if (!options->annotate)
        return true;
    analysis->annotations = annotations_open(options->annotate, options->files, options->file_count);
    publisher_annotations(analysis->publication.publisher, analysis->annotations);
    return analysis->annotations;
}

static bool analysis_init_keys(struct analysis *analysis, uint64_t seed)
{
    const struct options *options = analysis->options;

    analysis->keys = key_store_new(&(struct key_store_config){.logs = options->keylogs,
                                                              .log_count = options->keylog_count,
                                                              .captures = options->files,
                                                              .capture_count = options->file_count,
                                                              .hash_seed = seed});
    return analysis->keys;
}

/*
 * Each capture is read once, and may be looked through for secrets; of many, those behind the first are opened again; and for
 * --annotate twice more, to be told apart and to be read.
 */
#define CAPTURE_OPENINGS 5

/* Descriptors for all captures, and those that the program needs itself. */
static void descriptors_allow(size_t captures)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)captures * CAPTURE_OPENINGS + DESCRIPTORS_OWN;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * What captures say was written by strangers, so root looks at none of it: all that has to be opened is open before, and then it
 * becomes somebody else.
 */
static bool analysis_confine(const struct options *options)
{
    struct privileges privileges;
    bool files_to_come = options->rotate_octets || options->evidence_octets;

    if (geteuid() && !options->user)
        return true;
    if (!privileges_lookup_reader(&privileges, options->user, files_to_come))
        return false;
    if (geteuid())
        return true;
    descriptors_allow(options->file_count);
    for (size_t i = 0; i < options->file_count; i++)
        handover_open(options->files[i], CAPTURE_OPENINGS);
    (void)_("out of memory"); /* the translations may lie where the other user does not come */
    return privileges_drop(&privileges, options->sandbox);
}

static bool analysis_init(struct analysis *analysis, FILE *out)
{
    const struct options *options = analysis->options;
    struct evidence *evidence;
    uint64_t seed = random_seed();

    if (!analysis_init_filter(analysis) || !analysis_init_keys(analysis, seed) ||
        !analysis_init_publication(analysis, out, seed) || !analysis_init_annotations(analysis) || !analysis_confine(options))
        return false;
    evidence = evidence_writer_store(analysis->publication.evidence, 0);
    analysis->workers = options_workers(options);
    analysis->sessions = options_sessions(options);
    analysis->sessions.hash_seed = seed;
    analysis->sessions.keys = key_store_keys(analysis->keys);
    analysis->sessions.key_patience = analysis->waits ? KEY_PATIENCE : 0;
    analysis->sessions.evidence = evidence;
    analysis->reader = file_reader_new(&(struct file_reader_config){
        .files = options->files,
        .file_count = options->file_count,
        .decoder = options_decoder(options),
        .filter = analysis->filter,
        .numbering = &analysis->publication.numbering,
        .summary = &analysis->totals.summary,
        .workers = analysis->workers,
        .hash_seed = seed,
        .evidence = evidence,
        .secrets = key_store_taker(analysis->keys),
        .stopped = reading_stopped,
    });
    return analysis->reader != NULL;
}

static void analysis_print_end(struct analysis *analysis)
{
    struct summary summary;

    file_reader_stats(analysis->reader, &analysis->totals.decoder);
    summary_add(&analysis->totals.summary, publisher_summary(analysis->publication.publisher));
    publication_summary(&analysis->publication, &analysis->totals, &summary);
    outputs_totals(analysis->publication.outputs, &summary);
    if (analysis->annotations && !annotations_write(analysis->annotations, &analysis->publication.numbering, &summary))
        analysis->failed = true;
}

/* What is still queued goes out before the program ends. */
static enum status analysis_fini(struct analysis *analysis)
{
    enum status status = analysis->failed || file_reader_failed(analysis->reader) ? STATUS_FAILED
                         : analysis->totals.summary.damaged_files                 ? STATUS_DAMAGED
                                                                                  : publication_status(&analysis->publication);

    file_reader_free(analysis->reader);
    frame_filter_free(analysis->filter);
    handover_close();
    annotations_free(analysis->annotations);
    key_store_free(analysis->keys);
    return publication_close(&analysis->publication, 0) ? status : STATUS_FAILED;
}

/* One worker on one processor needs no threads: it reads, follows and publishes in turn. */
static bool analysis_run_alone(struct analysis *analysis)
{
    struct report_taker taker = publisher_taker(analysis->publication.publisher);
    struct sessions_config config = analysis->sessions;
    struct report_key now = {0};
    struct batch_follower follower = {.now = &now};
    struct batch_decoded batch;
    bool ready = batch_decoded_init(&batch);

    config.taker = &taker;
    config.totals = &analysis->totals;
    config.workers = 1;
    if (ready)
        follower.sessions = sessions_new(&config);
    if (follower.sessions) {
        while (!analysis_stopped(analysis) && file_reader_fill(analysis->reader, &batch)) {
            batch_follower_run(&follower, &batch);
            analysis_published(analysis);
        }
        sessions_finish(follower.sessions);
        sessions_count(follower.sessions);
    } else {
        warn_user(_("out of memory"));
    }
    ready = follower.sessions;
    sessions_free(follower.sessions);
    batch_decoded_fini(&batch);
    return ready;
}

static bool analysis_run_together(struct analysis *analysis)
{
    struct report_taker taker = publisher_taker(analysis->publication.publisher);
    struct totals counted = {0};
    bool done = file_workers_run(&(struct file_workers_config){
        .reader = analysis->reader,
        .sessions = analysis->sessions,
        .workers = analysis->workers,
        .taker = &taker,
        .published = analysis_published,
        .at_once = analysis->waits,
        .stopped = analysis_stopped,
        .ctx = analysis,
        .totals = &counted,
    });

    totals_add(&analysis->totals, &counted);
    return done;
}

static void analysis_run(struct analysis *analysis)
{
    bool alone = analysis->workers == 1 && processors() == 1;

    watch_signals();
    analysis->failed = !(alone ? analysis_run_alone(analysis) : analysis_run_together(analysis));
    analysis->totals.summary.interrupted = interrupted;
    publication_seen(&analysis->publication, analysis->totals.summary.first_time, analysis->totals.summary.last_time);
    if (!publication_finish(&analysis->publication, analysis->totals.summary.last_time))
        analysis->failed = true;
    analysis_print_end(analysis);
}

enum status analyse(const struct options *options, FILE *out)
{
    struct analysis analysis = {.options = options, .waits = analysis_waits(options)};

    if (analysis_init(&analysis, out))
        analysis_run(&analysis);
    else
        analysis.failed = true;
    return analysis_fini(&analysis);
}
