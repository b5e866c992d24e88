/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/report_buffer.h"

#include <stdlib.h>
#include <string.h>

enum report_kind { REPORT_FINDING, REPORT_TRACE, REPORT_LINE };

/* A finding's parts follow it in this order: exchanges, detail, command, argument, text. Its other texts are static. */
struct packed_finding {
    struct buffered_report report;
    struct smtpscope_finding finding;
    struct smtpscope_flow flow;
};

struct packed_trace {
    struct buffered_report report;
    struct smtpscope_trace trace;
};

struct packed_line {
    struct buffered_report report;
    struct output_line line; /* its octets follow; `kind` is static */
    struct smtpscope_flow flow;
    size_t format;
};

static size_t round_up(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/* Room for `size` octets, rounded up, with the report's head filled; NULL: lost. */
static void *buffer_room(struct report_buffer *buffer, enum report_kind kind, uint64_t flow, size_t size)
{
    struct buffered_report *report = writer_room(&buffer->octets, round_up(size));

    if (!report) {
        buffer->lost++;
        buffer->octets.failed = false;
        return NULL;
    }
    report->key = buffer->now;
    report->key.flow = flow;
    report->size = (uint32_t)round_up(size);
    report->kind = (uint8_t)kind;
    return report;
}

static char *put(char *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return to + size;
}

void report_buffer_finding(struct report_buffer *buffer, const struct smtpscope_finding *finding)
{
    const char *texts[] = {finding->detail_text, finding->command, finding->argument, finding->text};
    size_t sizes[sizeof texts / sizeof texts[0]], exchanges = finding->exchange_count * sizeof *finding->exchanges;
    size_t size = sizeof(struct packed_finding) + exchanges;
    struct packed_finding *packed;
    char *to;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        size += sizes[i] = strlen(texts[i]) + 1;
    packed = buffer_room(buffer, REPORT_FINDING, finding->flow ? finding->flow->first_packet : 0, size);
    if (!packed)
        return;
    packed->finding = *finding;
    if (finding->flow)
        packed->flow = *finding->flow;
    to = (char *)(packed + 1);
    if (exchanges)
        to = put(to, finding->exchanges, exchanges);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        to = put(to, texts[i], sizes[i]);
}

void report_buffer_trace(struct report_buffer *buffer, const struct smtpscope_trace *trace)
{
    struct packed_trace *packed = buffer_room(buffer, REPORT_TRACE, trace->flow.first_packet, sizeof *packed);

    if (packed)
        packed->trace = *trace;
}

void report_buffer_line(struct report_buffer *buffer, const struct smtpscope_flow *flow, size_t format,
                        const struct output_line *line)
{
    struct packed_line *packed = buffer_room(buffer, REPORT_LINE, flow->first_packet, sizeof *packed + line->len);

    if (!packed)
        return;
    packed->line = *line;
    packed->flow = *flow;
    packed->format = format;
    memcpy(packed + 1, line->at, line->len);
}

void report_buffer_clear(struct report_buffer *buffer)
{
    writer_clear(&buffer->octets);
    buffer->lost = 0;
}

void report_buffer_fini(struct report_buffer *buffer)
{
    writer_fini(&buffer->octets);
}

const struct buffered_report *report_buffer_at(const struct report_buffer *buffer, size_t at)
{
    return at < buffer->octets.len ? (const struct buffered_report *)(const void *)(buffer->octets.at + at) : NULL;
}

static void say_finding(const struct packed_finding *packed, const struct report_taker *taker)
{
    struct smtpscope_finding finding = packed->finding;
    const char *at = (const char *)(packed + 1);
    const char **texts[] = {&finding.detail_text, &finding.command, &finding.argument, &finding.text};

    finding.flow = finding.flow ? &packed->flow : NULL;
    finding.exchanges = (const uint32_t *)(const void *)at;
    at += finding.exchange_count * sizeof *finding.exchanges;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = at;
        at += strlen(at) + 1;
    }
    taker->finding(taker->ctx, &finding);
}

static void say_line(const struct packed_line *packed, const struct report_taker *taker)
{
    struct output_line line = packed->line;

    line.at = (const char *)(packed + 1);
    taker->line(taker->ctx, &packed->flow, packed->format, &line);
}

void buffered_report_deliver(const struct buffered_report *report, const struct report_taker *taker)
{
    switch ((enum report_kind)report->kind) {
    case REPORT_FINDING: say_finding((const struct packed_finding *)(const void *)report, taker); break;
    case REPORT_TRACE: taker->trace(taker->ctx, &((const struct packed_trace *)(const void *)report)->trace); break;
    case REPORT_LINE: say_line((const struct packed_line *)(const void *)report, taker); break;
    }
}

/* The report behind this one; NULL: there is none. */
static const struct buffered_report *buffer_after(const struct report_buffer *buffer, const struct buffered_report *report)
{
    return report_buffer_at(buffer, (size_t)((const char *)report - buffer->octets.at) + report->size);
}

uint64_t report_buffer_count(const struct report_buffer *buffer)
{
    uint64_t count = 0;

    for (const struct buffered_report *report = report_buffer_at(buffer, 0); report; report = buffer_after(buffer, report))
        count++;
    return count;
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int report_key_compare(const struct report_key *a, const struct report_key *b)
{
    if (a->packet != b->packet)
        return order(a->packet, b->packet);
    if (a->segment != b->segment)
        return order(a->segment, b->segment);
    return order(a->flow, b->flow);
}
