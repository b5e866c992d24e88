/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/publish.h"

#include "app/publish/repeats.h"
#include "smtpscope/correlate.h"

#include <stdlib.h>

struct publisher {
    struct publisher_config config;
    struct smtpscope_correlate *correlate;
    struct outputs *outputs;
    void (*watch)(void *ctx, const struct smtpscope_finding *finding);
    void *watch_ctx;
    struct store *store; /* NULL: no history is kept */
    struct evidence_writer *evidence;
    struct annotations *annotations; /* NULL: none are wanted */
    struct repeats *repeats;
    smtpscope_time now, window; /* of --aggregate: as last told; the length of the windows that are open */
    struct summary summary;
    enum smtpscope_severity worst;
};

static void publish_repeat(void *ctx, const struct smtpscope_finding *finding, const struct repeats_clients *clients)
{
    struct publisher *publisher = ctx;
    struct smtpscope_finding one = *finding;
    struct output_clients shown;

    if (!clients) {
        outputs_finding(publisher->outputs, finding);
        return;
    }
    shown = (struct output_clients){.sample = clients->sample,
                                    .sample_count = clients->sample_count,
                                    .count = clients->count,
                                    .more = clients->count == REPEATS_CLIENTS_MAX};

    if (publisher->evidence)
        evidence_writer_one_file(publisher->evidence, &one);
    outputs_repeat(publisher->outputs, &one, &shown);
}

/* Without --aggregate, or with another time, what was put together so far is told first. */
static void publish_window(struct publisher *publisher)
{
    if (publisher->window == publisher->config.aggregate)
        return;
    repeats_flush(publisher->repeats);
    publisher->window = publisher->config.aggregate;
}

static void publish_shown(struct publisher *publisher, const struct smtpscope_finding *finding)
{
    struct smtpscope_finding numbered = *finding;

    /* What a run says of itself has no flow. */
    bool alone = !publisher->config.aggregate || !finding->flow;

    if (publisher->annotations)
        annotations_finding(publisher->annotations, finding);
    if (publisher->evidence && finding->flow)
        evidence_writer_finding(publisher->evidence, &numbered);
    publish_window(publisher);
    if (!alone)
        repeats_finding(publisher->repeats, &numbered, publisher->now, publisher->window);
    else
        outputs_finding(publisher->outputs, &numbered);
}

static bool is_ignored(const struct publisher_config *config, const struct smtpscope_finding *finding)
{
    for (size_t i = 0; i < config->ignored_count; i++)
        if (selection_is_ignored(&config->ignored[i], finding))
            return true;
    return false;
}

/*
 * --rule chooses what is looked at, and so what --fail-on sees; --min-severity only what is shown. What was shown goes to the
 * outputs again when it has changed, also when that makes it less than what is shown: of two lines of a finding the last one
 * holds. It counts once. What was told and not shown is new to them.
 */
static void publish_finding(void *ctx, const struct smtpscope_finding *finding)
{
    struct publisher *publisher = ctx;
    enum smtpscope_severity least = publisher->config.min_severity;
    bool was_shown = finding->told && finding->told_severity <= least;
    struct smtpscope_finding shown = *finding;

    if (publisher->store)
        store_finding(publisher->store, finding);
    if (!publisher->config.rules[finding->rule] || !selection_finding(&publisher->config.selection, finding))
        return;
    if (is_ignored(&publisher->config, finding)) {
        publisher->summary.findings_hidden += !finding->told;
        return;
    }
    if (finding->severity < publisher->worst)
        publisher->worst = finding->severity;
    if (finding->severity > least && !was_shown) {
        publisher->summary.findings_hidden += !finding->told;
        return;
    }
    shown.told = was_shown;
    if (!was_shown) {
        publisher->summary.findings_hidden -= finding->told;
        summary_finding(&publisher->summary, &shown);
        if (publisher->watch)
            publisher->watch(publisher->watch_ctx, &shown);
    }
    publish_shown(publisher, &shown);
}

static void publish_trace(void *ctx, const struct smtpscope_trace *trace)
{
    const struct publisher *publisher = ctx;

    if (publisher->store)
        store_trace(publisher->store, trace);
    smtpscope_correlate_trace(publisher->correlate, trace);
}

/* Its traces came right before it. */
static void publish_session(void *ctx, const struct smtpscope_flow *flow, struct transcript *transcript)
{
    const struct publisher *publisher = ctx;

    for (size_t i = 0; i < transcript->inferred_count; i++) {
        struct transcript_inferred *inferred = &transcript->inferred[i];
        struct smtpscope_inferred_retry retry =
            smtpscope_correlate_retry(publisher->correlate, flow->first_packet, inferred->told.index);

        inferred->retry_of = retry.of;
        if (retry.doubtful)
            inferred->told.outcome = SMTPSCOPE_INFERRED_UNKNOWN;
    }
    if (selection_transcript(&publisher->config.selection, flow, transcript))
        outputs_session(publisher->outputs, flow, transcript);
}

static void publish_message(void *ctx, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    const struct publisher *publisher = ctx;

    if (publisher->store)
        store_message(publisher->store, flow, delivery->message);
    outputs_message(publisher->outputs, flow, delivery);
}

struct publisher *publisher_new(const struct publisher_config *config)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);

    if (!publisher)
        return NULL;
    publisher->config = *config;
    publisher->worst = SMTPSCOPE_SEVERITIES;
    publisher->correlate = smtpscope_correlate_new(
        &(struct smtpscope_correlate_config){.finding = publish_finding, .ctx = publisher, .hash_seed = config->hash_seed});
    publisher->repeats =
        repeats_new(&(struct repeats_config){.finding = publish_repeat, .ctx = publisher, .hash_seed = config->hash_seed});
    if (publisher->correlate && publisher->repeats)
        return publisher;
    publisher_free(publisher);
    return NULL;
}

void publisher_free(struct publisher *publisher)
{
    if (!publisher)
        return;
    smtpscope_correlate_free(publisher->correlate);
    repeats_free(publisher->repeats);
    free(publisher);
}

void publisher_configure(struct publisher *publisher, const struct publisher_config *config)
{
    publisher->config = *config;
}

void publisher_outputs(struct publisher *publisher, struct outputs *outputs)
{
    publisher->outputs = outputs;
}

void publisher_watch(struct publisher *publisher, void (*finding)(void *ctx, const struct smtpscope_finding *finding),
                     void *ctx)
{
    publisher->watch = finding;
    publisher->watch_ctx = ctx;
    smtpscope_correlate_settle(publisher->correlate);
}

void publisher_annotations(struct publisher *publisher, struct annotations *annotations)
{
    publisher->annotations = annotations;
}

void publisher_store(struct publisher *publisher, struct store *store)
{
    publisher->store = store;
}

void publisher_evidence(struct publisher *publisher, struct evidence_writer *evidence)
{
    publisher->evidence = evidence;
}

void publisher_tick(struct publisher *publisher, smtpscope_time now)
{
    publisher->now = now;
    publish_window(publisher);
    repeats_tick(publisher->repeats, now);
}

struct report_taker publisher_taker(struct publisher *publisher)
{
    return (struct report_taker){.finding = publish_finding,
                                 .trace = publish_trace,
                                 .session = publish_session,
                                 .message = publish_message,
                                 .ctx = publisher};
}

void publisher_finish(struct publisher *publisher, smtpscope_time now)
{
    smtpscope_correlate_finish(publisher->correlate, now);
    repeats_flush(publisher->repeats);
}

const struct summary *publisher_summary(struct publisher *publisher)
{
    publisher->summary.forgotten = smtpscope_correlate_forgotten(publisher->correlate);
    return &publisher->summary;
}

enum smtpscope_severity publisher_worst(const struct publisher *publisher)
{
    return publisher->worst;
}
