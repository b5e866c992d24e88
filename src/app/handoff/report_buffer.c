/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/report_buffer.h"

#include <stdlib.h>
#include <string.h>

enum kind { KIND_FINDING, KIND_TRACE, KIND_LINE };

/* A finding's parts follow it in this order: exchanges, detail, command, argument, text. Its other texts are static. */
struct packed_finding {
    struct outbox_record record;
    struct smtpscope_finding finding;
    struct smtpscope_flow flow;
};

struct packed_trace {
    struct outbox_record record;
    struct trace trace;
};

struct packed_line {
    struct outbox_record record;
    struct output_line line; /* its octets follow; `kind` is static */
    struct smtpscope_flow flow;
    size_t format;
};

static size_t round_up(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

/* Room for `size` octets, rounded up, with the record's head filled; NULL: lost. */
static void *outbox_room(struct outbox *outbox, enum kind kind, uint64_t flow, size_t size)
{
    struct outbox_record *record = writer_room(&outbox->octets, round_up(size));

    if (!record) {
        outbox->lost++;
        outbox->octets.failed = false;
        return NULL;
    }
    record->key = outbox->now;
    record->key.flow = flow;
    record->size = (uint32_t)round_up(size);
    record->kind = (uint8_t)kind;
    return record;
}

static char *put(char *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return to + size;
}

void outbox_finding(struct outbox *outbox, const struct smtpscope_finding *finding)
{
    const char *texts[] = {finding->detail_text, finding->command, finding->argument, finding->text};
    size_t sizes[sizeof texts / sizeof texts[0]], exchanges = finding->exchange_count * sizeof *finding->exchanges;
    size_t size = sizeof(struct packed_finding) + exchanges;
    struct packed_finding *packed;
    char *to;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        size += sizes[i] = strlen(texts[i]) + 1;
    packed = outbox_room(outbox, KIND_FINDING, finding->flow ? finding->flow->first_packet : 0, size);
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

void outbox_trace(struct outbox *outbox, const struct trace *trace)
{
    struct packed_trace *packed = outbox_room(outbox, KIND_TRACE, trace->flow.first_packet, sizeof *packed);

    if (packed)
        packed->trace = *trace;
}

void outbox_line(struct outbox *outbox, const struct smtpscope_flow *flow, size_t format, const struct output_line *line)
{
    struct packed_line *packed = outbox_room(outbox, KIND_LINE, flow->first_packet, sizeof *packed + line->len);

    if (!packed)
        return;
    packed->line = *line;
    packed->flow = *flow;
    packed->format = format;
    memcpy(packed + 1, line->at, line->len);
}

void outbox_clear(struct outbox *outbox)
{
    writer_clear(&outbox->octets);
    outbox->lost = 0;
}

void outbox_fini(struct outbox *outbox)
{
    writer_fini(&outbox->octets);
}

const struct outbox_record *outbox_at(const struct outbox *outbox, size_t at)
{
    return at < outbox->octets.len ? (const struct outbox_record *)(const void *)(outbox->octets.at + at) : NULL;
}

static void say_finding(const struct packed_finding *packed, const struct report *report)
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
    report->finding(report->ctx, &finding);
}

static void say_line(const struct packed_line *packed, const struct report *report)
{
    struct output_line line = packed->line;

    line.at = (const char *)(packed + 1);
    report->line(report->ctx, &packed->flow, packed->format, &line);
}

void outbox_say(const struct outbox_record *record, const struct report *report)
{
    switch ((enum kind)record->kind) {
    case KIND_FINDING: say_finding((const struct packed_finding *)(const void *)record, report); break;
    case KIND_TRACE: report->trace(report->ctx, &((const struct packed_trace *)(const void *)record)->trace); break;
    case KIND_LINE: say_line((const struct packed_line *)(const void *)record, report); break;
    }
}

/* The record behind this one; NULL: there is none. */
static const struct outbox_record *outbox_after(const struct outbox *outbox, const struct outbox_record *record)
{
    return outbox_at(outbox, (size_t)((const char *)record - outbox->octets.at) + record->size);
}

uint64_t outbox_count(const struct outbox *outbox)
{
    uint64_t count = 0;

    for (const struct outbox_record *record = outbox_at(outbox, 0); record; record = outbox_after(outbox, record))
        count++;
    return count;
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int outbox_key_compare(const struct outbox_key *a, const struct outbox_key *b)
{
    if (a->packet != b->packet)
        return order(a->packet, b->packet);
    if (a->segment != b->segment)
        return order(a->segment, b->segment);
    return order(a->flow, b->flow);
}
