/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/outputs.h"

#include "app/process/warn_user.h"
#include "base/clock.h"
#include "base/gettext.h"
#include "detect/community_id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An output that comes and goes is told of so often at most. */
#define TROUBLE_AGAIN_MS 60000

struct outputs {
    struct outputs_item {
        struct sink *sink; /* NULL: it is the stream */
        struct output *output;
        /* What outputs_look() has seen and told. */
        uint64_t failures, lines;
        int64_t told_at;
        bool troubled, away;
    } items[OUTPUTS_MAX];
    size_t count;
    FILE *stream; /* NULL: none of them waits */
};

static void flow_community_id(const struct smtpscope_flow *flow, char id[OUTPUT_COMMUNITY_ID_SIZE])
{
    community_id(flow, id, OUTPUT_COMMUNITY_ID_SIZE);
}

/* Without `write`. */
static struct output_config output_config_of(const struct outputs_config *config, const struct format_row *format)
{
    return (struct output_config){
        .format = config->stream && !config->brief ? format->whole : format->live,
        .numbering = config->numbering,
        .evidence = config->evidence,
        .community_id = flow_community_id,
        .columns = terminal_columns(stdout),
        .colour = terminal_colour(config->colour, stdout),
        .sensor = config->sensor,
        .interface = config->interface,
        .remediation = config->remediation,
        .messages = config->messages,
        .brief = terminal_is(stdout) && !config->detail,
        .summary = config->summary,
    };
}

/* What a full queue loses is counted by the sink: it is no reason to end the output. */
static int write_to_sink(void *sink, const struct output_line *line)
{
    sink_put(sink, line->severity, line->kind, line->at, line->len);
    return 0;
}

/* A failure is the sink's to count as well: others go on. */
static int write_to_sink_patiently(void *sink, const struct output_line *line)
{
    sink_put_wait(sink, line->severity, line->kind, line->at, line->len);
    return 0;
}

static bool is_standard_output(const char *spec)
{
    return !strcmp(spec, "-");
}

/* Takes the place of one more output, which is made by `config`; takes the sink. false: told. */
static bool outputs_take(struct outputs *outputs, struct sink *sink, const struct output_config *config)
{
    struct outputs_item *item = &outputs->items[outputs->count++];

    item->sink = sink;
    item->output = output_new(config);
    if (!item->output)
        warn_user(_("out of memory"));
    return item->output;
}

static bool outputs_add_stream(struct outputs *outputs, const struct outputs_config *wanted)
{
    struct output_config config = output_config_of(wanted, wanted->format);

    config.write = output_to_stream;
    config.ctx = outputs->stream;
    return outputs_take(outputs, NULL, &config);
}

static bool outputs_add_sink(struct outputs *outputs, const struct outputs_config *wanted, const char *spec)
{
    const struct format_row *format = is_standard_output(spec) ? wanted->format : format_for_programs(wanted->format);
    struct output_config config = output_config_of(wanted, format);
    char error[SINK_ERROR_SIZE];
    struct sink *sink = sink_open(
        &(struct sink_config){.spec = spec, .rotate_octets = wanted->rotate_octets, .rotate_count = wanted->rotate_count},
        error, sizeof error);

    if (!sink) {
        warn_user("--output %s", error);
        return false;
    }
    config.write = outputs->stream ? write_to_sink_patiently : write_to_sink;
    config.ctx = sink;
    return outputs_take(outputs, sink, &config);
}

static bool outputs_add(struct outputs *outputs, const struct outputs_config *wanted, const char *spec)
{
    if (outputs->count == OUTPUTS_MAX) {
        warn_user(_("--output %s: %d outputs are the most"), spec, OUTPUTS_MAX);
        return false;
    }
    if (outputs->stream && is_standard_output(spec))
        return outputs_add_stream(outputs, wanted);
    return outputs_add_sink(outputs, wanted, spec);
}

struct outputs *outputs_open(const struct outputs_config *config)
{
    struct outputs *outputs = calloc(1, sizeof *outputs);
    bool opened = outputs != NULL;

    if (opened)
        outputs->stream = config->stream;
    else
        warn_user(_("out of memory"));
    for (size_t i = 0; opened && i < config->count; i++)
        opened = outputs_add(outputs, config, config->specs[i]);
    if (opened && !config->count)
        opened = outputs_add(outputs, config, "-");
    if (opened)
        return outputs;
    outputs_close(outputs, 0);
    return NULL;
}

/* What is lost of one output, by its last counts. */
static bool say_lost(const char *name, const struct sink_stats *last, bool patient)
{
    uint64_t lines = last->dropped + last->queued_lines;

    if (lines && !last->broken)
        warn_user(
            ngettext("--output %s: %llu line was lost: %s", "--output %s: %llu lines were lost: %s", (unsigned long)lines),
            name, (unsigned long long)lines, *last->error ? last->error : _("its reader was too slow"));
    else if (patient && last->unread)
        warn_user(ngettext("--output %s: its reader went and left up to %llu octet unread",
                           "--output %s: its reader went and left up to %llu octets unread", (unsigned long)last->unread),
                  name, (unsigned long long)last->unread);
    return lines || last->unread;
}

/* false: something could not be written; told. A reader that has seen enough, as head(1), is no failure. */
static bool stream_finish(FILE *stream, int error)
{
    errno = 0;
    if (!error && (fflush(stream) || ferror(stream)))
        error = errno ? errno : EIO;
    if (!error || error == EPIPE)
        return true;
    warn_user(_("standard output: %s"), strerror(error));
    return false;
}

/* Over files the readers have all the time that they need. */
static bool sink_finish(struct sink *sink, bool patient, unsigned deadline_ms)
{
    struct sink_stats last;
    char name[METRICS_NAME_SIZE];

    snprintf(name, sizeof name, "%s", sink_name(sink));
    if (patient)
        sink_drain(sink);
    sink_close(sink, deadline_ms, &last);
    return !say_lost(name, &last, patient);
}

bool outputs_close(struct outputs *outputs, unsigned deadline_ms)
{
    int64_t until = clock_monotonic_ms() + deadline_ms;
    bool whole = true;

    if (!outputs)
        return true;
    for (size_t i = 0; i < outputs->count; i++) {
        int64_t left = until - clock_monotonic_ms();
        struct outputs_item *item = &outputs->items[i];

        if (item->sink)
            whole &= sink_finish(item->sink, outputs->stream, left > 0 ? (unsigned)left : 0);
        else
            whole &= stream_finish(outputs->stream, item->output ? output_error(item->output) : 0);
        output_free(item->output);
    }
    free(outputs);
    return whole;
}

void outputs_finding(struct outputs *outputs, const struct smtpscope_finding *finding)
{
    for (size_t i = 0; i < outputs->count; i++)
        output_finding(outputs->items[i].output, finding);
}

void outputs_repeat(struct outputs *outputs, const struct smtpscope_finding *finding, const struct output_clients *clients)
{
    for (size_t i = 0; i < outputs->count; i++)
        output_repeat(outputs->items[i].output, finding, clients);
}

void outputs_session(struct outputs *outputs, const struct smtpscope_flow *flow, const struct transcript *transcript)
{
    for (size_t i = 0; i < outputs->count; i++)
        output_session(outputs->items[i].output, flow, transcript);
}

void outputs_message(struct outputs *outputs, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    for (size_t i = 0; i < outputs->count; i++)
        output_message(outputs->items[i].output, flow, delivery);
}

void outputs_flush(struct outputs *outputs)
{
    if (outputs->stream)
        fflush(outputs->stream);
}

void outputs_totals(struct outputs *outputs, const struct summary *summary)
{
    for (size_t i = 0; i < outputs->count; i++)
        output_finish(outputs->items[i].output, summary);
}

void outputs_reopen(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->items[i].sink)
            sink_reopen(outputs->items[i].sink);
}

_Static_assert(OWN_LOSSES_OUTPUTS_MAX >= OUTPUTS_MAX, "the losses of every output are told");

void outputs_lost(struct outputs *outputs, struct loss_counts *counts)
{
    for (size_t i = 0; i < outputs->count; i++) {
        struct sink_stats stats;

        sink_stats(outputs->items[i].sink, &stats);
        counts->outputs[i] = (struct loss_output){
            .name = sink_name(outputs->items[i].sink),
            .lines = stats.dropped,
            .unread = stats.unread,
            .full = stats.broken || stats.queued >= stats.queue_size / 2,
        };
    }
    counts->output_count = outputs->count;
}

static void item_look(struct outputs_item *item, const struct sink_stats *stats, int64_t now)
{
    bool failing = stats->failures > item->failures;

    item->failures = stats->failures;
    if (item->troubled && !failing && (stats->lines > item->lines || (item->away && stats->connected))) {
        if (!sink_loses(item->sink))
            warn_user(_("--output %s: lines are taken again"), sink_name(item->sink));
        item->troubled = false;
    } else if (!item->troubled && failing && !stats->broken && (!item->told_at || now >= item->told_at + TROUBLE_AGAIN_MS)) {
        warn_user(_("--output %s: %s; it is tried again"), sink_name(item->sink), stats->error);
        item->troubled = true;
        item->away = !stats->connected;
        item->lines = stats->lines;
        item->told_at = now;
    }
}

void outputs_look(struct outputs *outputs)
{
    struct sink_stats stats;

    for (size_t i = 0; i < outputs->count; i++) {
        sink_stats(outputs->items[i].sink, &stats);
        item_look(&outputs->items[i], &stats, clock_monotonic_ms());
    }
}

static bool item_broken(const struct outputs_item *item)
{
    struct sink_stats stats;

    if (!item->sink)
        return output_error(item->output);
    sink_stats(item->sink, &stats);
    return stats.broken;
}

bool outputs_broken(struct outputs *outputs)
{
    bool broken = outputs->count > 0;

    for (size_t i = 0; i < outputs->count; i++)
        broken &= item_broken(&outputs->items[i]);
    return broken;
}

void outputs_metrics(struct outputs *outputs, struct metrics_snapshot *snapshot)
{
    for (size_t i = 0; i < outputs->count; i++)
        metrics_output(snapshot, outputs->items[i].sink);
}

static int write_to_stderr(void *ctx, const struct output_line *line)
{
    (void)ctx;
    return write(STDERR_FILENO, line->at, line->len) < 0 ? errno : 0;
}

void outputs_totals_to_stderr(const struct outputs_config *config, const struct summary *summary)
{
    struct output_config text = output_config_of(config, &format_table[0]);
    struct output *output;

    text.write = write_to_stderr;
    output = output_new(&text);
    if (output)
        output_finish(output, summary);
    output_free(output);
}
