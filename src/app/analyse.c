/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/analyse.h"

#include "app/complain.h"
#include "app/progress.h"
#include "app/sessions.h"
#include "app/sources.h"
#include "app/words.h"
#include "decode/decode.h"
#include "detect/community_id.h"
#include "output/output.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Lines longer than a hand are hard to read; shorter than this there is no room for the labels. */
#define COLUMNS_MAX 120
#define COLUMNS_MIN 60
#define COLUMNS_DEFAULT 80

struct analysis {
    const struct options *options;
    struct sources sources;
    struct packets packets;
    struct summary summary;
    struct output *output;
    struct sessions *sessions;
    struct decoder *decoder;
    struct batch *batch;
    struct progress progress;
    uint64_t octets_before, octets_total; /* of the files already read; of all files, 0 when one is unknown */
    bool failed;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* The first SIGINT ends the reading, and what was found is printed; a second one ends the program. */
static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void flow_community_id(const struct smtpscope_flow *flow, char id[OUTPUT_COMMUNITY_ID_SIZE])
{
    community_id(flow, id, OUTPUT_COMMUNITY_ID_SIZE);
}

static unsigned terminal_columns(FILE *out)
{
    struct winsize size = {0};
    const char *environment = getenv("COLUMNS");
    long columns = COLUMNS_DEFAULT;

    if (environment)
        columns = strtol(environment, NULL, 10);
    else if (!ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col)
        columns = size.ws_col;
    return columns < COLUMNS_MIN ? COLUMNS_MIN : columns > COLUMNS_MAX ? COLUMNS_MAX : (unsigned)columns;
}

/* NO_COLOR: https://no-color.org */
static bool wants_colour(const struct options *options, FILE *out)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    if (options->colour != COLOUR_AUTO)
        return options->colour == COLOUR_ALWAYS;
    return isatty(fileno(out)) && !(no_colour && *no_colour) && !(terminal && !strcmp(terminal, "dumb"));
}

static bool analysis_init(struct analysis *analysis, FILE *out)
{
    const struct options *options = analysis->options;

    analysis->output = output_new(&(struct output_config){
        .format = options->json ? &output_json : &output_text,
        .stream = out,
        .packets = &analysis->packets,
        .community_id = flow_community_id,
        .columns = terminal_columns(out),
        .colour = wants_colour(options, out),
        .summary = options->summary,
    });
    if (analysis->output)
        analysis->sessions = sessions_new(options, analysis->output, &analysis->summary);
    analysis->decoder = decoder_new(&(struct decoder_config){.ports = options->ports});
    analysis->batch = batch_new();
    if (analysis->sessions && analysis->decoder && analysis->batch)
        return true;
    complain(_("out of memory"));
    return false;
}

static void analysis_fini(struct analysis *analysis)
{
    sessions_free(analysis->sessions);
    decoder_free(analysis->decoder);
    batch_free(analysis->batch);
    output_free(analysis->output);
    packets_fini(&analysis->packets);
    sources_fini(&analysis->sources);
}

/* false: nobody takes the output any more, or the user wants an end. */
static bool analysis_tick(struct analysis *analysis, const struct source *source)
{
    progress_tick(&analysis->progress, analysis->summary.packets, analysis->octets_before + savefile_octets_read(source->file),
                  analysis->octets_total);
    return !output_error(analysis->output);
}

static void analysis_frame(struct analysis *analysis, const struct frame *frame)
{
    struct summary *summary = &analysis->summary;
    struct smtpscope_segment segment;

    if (!summary->packets++)
        summary->first_time = summary->last_time = frame->time;
    if (frame->time > summary->last_time)
        summary->last_time = frame->time;
    summary->octets += frame->len;
    sessions_expire(analysis->sessions, frame->time);
    if (decoder_frame(analysis->decoder, frame->link_type, frame->data, frame->caplen, frame->len, frame->time,
                      summary->packets, &segment))
        sessions_segment(analysis->sessions, &segment);
}

/* Reads one file to its end, or to where it is damaged. */
static void analysis_read(struct analysis *analysis, struct source *source)
{
    struct batch *batch = analysis->batch;
    int more = 0;

    if (!sources_reopen(source) || !packets_add(&analysis->packets, source->name, analysis->summary.packets)) {
        analysis->failed = true;
        return;
    }
    analysis->summary.files++;
    while (!interrupted && (more = savefile_batch(source->file, batch)) > 0) {
        for (size_t i = 0; i < batch->count; i++)
            analysis_frame(analysis, &batch->frames[i]);
        if (!analysis_tick(analysis, source))
            break;
    }
    if (more < 0 && !interrupted) {
        progress_clear(&analysis->progress);
        complain(_("%s: damaged: %s; what comes before it was analysed"), source->name, savefile_error(source->file));
        analysis->summary.damaged_files++;
    }
    analysis->octets_before += source->octets;
    sources_close(source);
}

#define COUNTER(stats, name) #name, (stats).name
#define COUNTERS(array) (array), sizeof(array) / sizeof(array)[0]

static void analysis_print_end(struct analysis *analysis)
{
    struct decoder_stats d;
    struct smtpscope_stream_stats s;

    decoder_stats(analysis->decoder, &d);
    sessions_stats(analysis->sessions, &s);

    const struct summary_counter decode[] = {
        {COUNTER(d, frames)},        {COUNTER(d, segments)},       {COUNTER(d, dismissed)},         {COUNTER(d, malformed)},
        {COUNTER(d, headers_cut)},   {COUNTER(d, held)},           {COUNTER(d, dropped)},           {COUNTER(d, too_deep)},
        {COUNTER(d, unknown_links)}, {COUNTER(d, snapped)},        {COUNTER(d, bad_checksums)},     {COUNTER(d, fragments)},
        {COUNTER(d, reassembled)},   {COUNTER(d, fragments_lost)}, {COUNTER(d, datagrams_evicted)},
    };
    const struct summary_counter stream[] = {
        {COUNTER(s, segments)},      {COUNTER(s, octets)},   {COUNTER(s, flows)},      {COUNTER(s, out_of_order)},
        {COUNTER(s, retransmitted)}, {COUNTER(s, gaps)},     {COUNTER(s, gap_octets)}, {COUNTER(s, conflicts)},
        {COUNTER(s, evicted)},       {COUNTER(s, held_max)}, {COUNTER(s, ignored)},
    };
    const struct summary_stage stages[] = {{"decode", COUNTERS(decode)}, {"stream", COUNTERS(stream)}};

    analysis->summary.unknown_links = d.unknown_links;
    analysis->summary.forgotten = sessions_forgotten(analysis->sessions);
    analysis->summary.stages = stages;
    analysis->summary.stage_count = sizeof stages / sizeof stages[0];
    output_finish(analysis->output, &analysis->summary);
}

static enum status analysis_status(const struct analysis *analysis)
{
    int error = output_error(analysis->output);

    /* A reader that has seen enough, as head(1), is no failure. */
    if (error && error != EPIPE) {
        complain(_("standard output: %s"), strerror(error));
        return STATUS_FAILED;
    }
    if (analysis->failed)
        return STATUS_FAILED;
    if (analysis->summary.damaged_files)
        return STATUS_DAMAGED;
    if (analysis->options->fail_on >= 0 && (int)sessions_worst(analysis->sessions) <= analysis->options->fail_on)
        return STATUS_FOUND;
    return STATUS_DONE;
}

static void analysis_run(struct analysis *analysis)
{
    for (size_t i = 0; i < analysis->sources.count; i++)
        analysis->octets_total += analysis->sources.items[i].octets;
    watch_signals();
    progress_init(&analysis->progress);
    for (size_t i = 0; i < analysis->sources.count && !interrupted && !analysis->failed && !output_error(analysis->output); i++)
        analysis_read(analysis, &analysis->sources.items[i]);
    progress_clear(&analysis->progress);
    analysis->summary.interrupted = interrupted;
    sessions_finish(analysis->sessions, analysis->summary.last_time);
    analysis_print_end(analysis);
}

enum status analyse(const struct options *options, FILE *out)
{
    struct analysis analysis = {.options = options};
    enum status status = STATUS_FAILED;

    if (sources_open(&analysis.sources, options->files, options->file_count) && analysis_init(&analysis, out)) {
        analysis_run(&analysis);
        status = analysis_status(&analysis);
    }
    analysis_fini(&analysis);
    return status;
}
