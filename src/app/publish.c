/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish.h"

#include "correlate/correlate.h"

#include <stdlib.h>

struct publisher {
    const struct options *options;
    struct correlate *correlate;
    struct {
        struct output *output;
        size_t format;
    } outputs[PUBLISHER_OUTPUTS_MAX];
    size_t output_count;
    void (*watch)(void *ctx, const struct smtpscope_finding *finding);
    void *watch_ctx;
    struct evidence_run *evidence;
    struct summary summary;
    enum smtpscope_severity worst;
};

/*
 * --rule chooses what is looked at, and so what --fail-on sees; --min-severity only what is shown. A finding that was told before
 * and has changed goes to the outputs again, which call it an update; it counts once.
 */
static void publish_finding(void *ctx, const struct smtpscope_finding *finding)
{
    struct publisher *publisher = ctx;
    struct smtpscope_finding numbered;

    if (!options_select(publisher->options, finding->rule))
        return;
    if (finding->severity < publisher->worst)
        publisher->worst = finding->severity;
    if (finding->severity > publisher->options->min_severity) {
        publisher->summary.hidden += !finding->told;
        return;
    }
    if (!finding->told) {
        summary_finding(&publisher->summary, finding);
        if (publisher->watch)
            publisher->watch(publisher->watch_ctx, finding);
    }
    numbered = *finding;
    if (publisher->evidence && finding->flow)
        evidence_run_finding(publisher->evidence, &numbered);
    for (size_t i = 0; i < publisher->output_count; i++)
        output_finding(publisher->outputs[i].output, &numbered);
}

static void publish_trace(void *ctx, const struct trace *trace)
{
    correlate_trace(((struct publisher *)ctx)->correlate, trace);
}

static void publish_line(void *ctx, const struct smtpscope_flow *flow, size_t format, const struct output_line *line)
{
    struct publisher *publisher = ctx;

    (void)flow;
    for (size_t i = 0; i < publisher->output_count; i++)
        if (publisher->outputs[i].format == format)
            output_pass(publisher->outputs[i].output, line);
}

struct publisher *publisher_new(const struct options *options)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);

    if (!publisher)
        return NULL;
    publisher->options = options;
    publisher->worst = SMTPSCOPE_SEVERITIES;
    publisher->correlate = correlate_new(&(struct correlate_config){.finding = publish_finding, .ctx = publisher});
    if (publisher->correlate)
        return publisher;
    free(publisher);
    return NULL;
}

void publisher_free(struct publisher *publisher)
{
    if (!publisher)
        return;
    correlate_free(publisher->correlate);
    free(publisher);
}

bool publisher_add(struct publisher *publisher, struct output *output, size_t format)
{
    if (publisher->output_count == PUBLISHER_OUTPUTS_MAX)
        return false;
    publisher->outputs[publisher->output_count].output = output;
    publisher->outputs[publisher->output_count++].format = format;
    return true;
}

void publisher_reset(struct publisher *publisher)
{
    publisher->output_count = 0;
}

void publisher_watch(struct publisher *publisher, void (*finding)(void *ctx, const struct smtpscope_finding *finding), void *ctx)
{
    publisher->watch = finding;
    publisher->watch_ctx = ctx;
}

void publisher_evidence(struct publisher *publisher, struct evidence_run *run)
{
    publisher->evidence = run;
}

struct report publisher_report(struct publisher *publisher)
{
    return (struct report){.finding = publish_finding, .trace = publish_trace, .line = publish_line, .ctx = publisher};
}

void publisher_finish(struct publisher *publisher, smtpscope_time now)
{
    correlate_finish(publisher->correlate, now);
}

const struct summary *publisher_summary(struct publisher *publisher)
{
    publisher->summary.forgotten = correlate_forgotten(publisher->correlate);
    return &publisher->summary;
}

enum smtpscope_severity publisher_worst(const struct publisher *publisher)
{
    return publisher->worst;
}
