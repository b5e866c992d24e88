/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/publish/outputs.h"

#include "app/process/terminal.h"
#include "app/process/warn_user.h"
#include "base/clock.h"
#include "base/gettext.h"
#include "detect/community_id.h"

#include <stdlib.h>
#include <string.h>

/* An output that comes and goes is told of so often at most. */
#define TROUBLE_AGAIN_MS 60000

struct outputs {
    struct outputs_item {
        struct sink *sink;
        struct output *output;
        size_t format;
        /* What outputs_look() has seen and told. */
        uint64_t failures, lines;
        int64_t told_at;
        bool troubled, away;
    } items[PUBLISHER_OUTPUTS_MAX];
    size_t count;
    bool patient;
};

static void flow_community_id(const struct smtpscope_flow *flow, char id[OUTPUT_COMMUNITY_ID_SIZE])
{
    community_id(flow, id, OUTPUT_COMMUNITY_ID_SIZE);
}

struct output_config outputs_config(const struct options *options, const struct packet_numbering *numbering, size_t format)
{
    return (struct output_config){
        .format = format == FORMAT_JSON ? &output_json : &output_live,
        .numbering = numbering,
        .community_id = flow_community_id,
        .columns = terminal_columns(stdout),
        .colour = terminal_colour(options->colour, stdout),
        .summary = options->summary || options->task == TASK_WATCH,
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

static bool outputs_add(struct outputs *outputs, const struct options *options, const struct packet_numbering *numbering,
                        const char *spec)
{
    size_t format = !strcmp(spec, "-") && !options->json ? FORMAT_TEXT : FORMAT_JSON;
    struct output_config config = outputs_config(options, numbering, format);
    char error[SINK_ERROR_SIZE];
    struct sink *sink;

    if (outputs->count == PUBLISHER_OUTPUTS_MAX) {
        warn_user(_("--output %s: %d outputs are the most"), spec, PUBLISHER_OUTPUTS_MAX);
        return false;
    }
    sink = sink_open(
        &(struct sink_config){.spec = spec, .rotate_octets = options->rotate_octets, .rotate_count = options->rotate_count},
        error, sizeof error);
    if (!sink) {
        warn_user("--output %s", error);
        return false;
    }
    config.write = outputs->patient ? write_to_sink_patiently : write_to_sink;
    config.ctx = sink;
    outputs->items[outputs->count].sink = sink;
    outputs->items[outputs->count].format = format;
    outputs->items[outputs->count++].output = output_new(&config);
    if (outputs->items[outputs->count - 1].output)
        return true;
    warn_user(_("out of memory"));
    return false;
}

static bool is_standard_output(const char *spec)
{
    return !strcmp(spec, "-");
}

static struct outputs *outputs_new(const struct options *options, const struct packet_numbering *numbering, bool patient)
{
    struct outputs *outputs = calloc(1, sizeof *outputs);
    bool right = outputs != NULL;

    if (right)
        outputs->patient = patient;
    else
        warn_user(_("out of memory"));
    for (size_t i = 0; right && i < options->output_count; i++)
        if (!patient || !is_standard_output(options->outputs[i]))
            right = outputs_add(outputs, options, numbering, options->outputs[i]);
    if (right && !patient && !options->output_count)
        right = outputs_add(outputs, options, numbering, "-");
    if (right)
        return outputs;
    outputs_close(outputs, 0);
    return NULL;
}

struct outputs *outputs_open(const struct options *options, const struct packet_numbering *numbering)
{
    return outputs_new(options, numbering, false);
}

struct outputs *outputs_open_patient(const struct options *options, const struct packet_numbering *numbering)
{
    return outputs_new(options, numbering, true);
}

size_t outputs_count(const struct outputs *outputs)
{
    return outputs->count;
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

void outputs_drain(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        sink_drain(outputs->items[i].sink);
}

bool outputs_close(struct outputs *outputs, unsigned deadline_ms)
{
    int64_t until = clock_monotonic_ms() + deadline_ms;
    bool lost = false;

    if (!outputs)
        return true;
    for (size_t i = 0; i < outputs->count; i++) {
        int64_t left = until - clock_monotonic_ms();
        struct sink_stats last;
        char name[METRICS_NAME_SIZE];

        snprintf(name, sizeof name, "%s", sink_name(outputs->items[i].sink));
        output_free(outputs->items[i].output);
        sink_close(outputs->items[i].sink, left > 0 ? (unsigned)left : 0, &last);
        lost |= say_lost(name, &last, outputs->patient);
    }
    free(outputs);
    return !lost;
}

bool outputs_add_to(struct outputs *outputs, struct publisher *publisher)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (!publisher_add(publisher, outputs->items[i].output, outputs->items[i].format))
            return false;
    return true;
}

void outputs_publish(struct outputs *outputs, struct publisher *publisher)
{
    publisher_reset(publisher);
    outputs_add_to(outputs, publisher);
}

void outputs_stats(struct outputs *outputs, const struct summary *summary)
{
    for (size_t i = 0; i < outputs->count; i++)
        output_finish(outputs->items[i].output, summary);
}

void outputs_reopen(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        sink_reopen(outputs->items[i].sink);
}

_Static_assert(OWN_LOSSES_OUTPUTS_MAX >= PUBLISHER_OUTPUTS_MAX, "the losses of every output are told");

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

bool outputs_broken(struct outputs *outputs)
{
    bool broken = outputs->count > 0;
    struct sink_stats stats;

    for (size_t i = 0; i < outputs->count; i++) {
        sink_stats(outputs->items[i].sink, &stats);
        broken &= stats.broken;
    }
    return broken;
}

void outputs_metrics(struct outputs *outputs, struct metrics_snapshot *snapshot)
{
    for (size_t i = 0; i < outputs->count; i++)
        metrics_output(snapshot, outputs->items[i].sink);
}
