/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/report_buffer.h"

#include <stdlib.h>
#include <string.h>

enum report_kind { REPORT_FINDING, REPORT_TRACE, REPORT_SESSION, REPORT_MESSAGE };

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

/* The transcript's parts follow it in this order: exchanges, gaps, inferred, octets. */
struct packed_session {
    struct buffered_report report;
    struct smtpscope_flow flow;
    struct transcript transcript;
};

/* The recipients follow it, then the texts: the sender's path, theirs, HELO, the reply. */
struct packed_message {
    struct buffered_report report;
    struct smtpscope_flow flow;
    struct delivery delivery;
    struct smtpscope_message message;
    size_t queue_id_at; /* in the reply */
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
    if (size)
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
    to = put((char *)(packed + 1), finding->exchanges, exchanges);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        to = put(to, texts[i], sizes[i]);
}

void report_buffer_trace(struct report_buffer *buffer, const struct smtpscope_trace *trace)
{
    struct packed_trace *packed = buffer_room(buffer, REPORT_TRACE, trace->flow.first_packet, sizeof *packed);

    if (packed)
        packed->trace = *trace;
}

void report_buffer_session(struct report_buffer *buffer, const struct smtpscope_flow *flow, const struct transcript *transcript)
{
    size_t exchanges = transcript->exchange_count * sizeof *transcript->exchanges;
    size_t gaps = transcript->gap_count * sizeof *transcript->gaps;
    size_t inferred = transcript->inferred_count * sizeof *transcript->inferred;
    size_t size = sizeof(struct packed_session) + exchanges + gaps + inferred + transcript->octets.len;
    struct packed_session *packed = buffer_room(buffer, REPORT_SESSION, flow->first_packet, size);
    char *to;

    if (!packed)
        return;
    packed->flow = *flow;
    packed->transcript = *transcript;
    to = put((char *)(packed + 1), transcript->exchanges, exchanges);
    to = put(to, transcript->gaps, gaps);
    to = put(to, transcript->inferred, inferred);
    put(to, transcript->octets.at, transcript->octets.len);
}

static char *put_text(char *to, struct smtpscope_text text)
{
    return put(to, text.at, text.len);
}

void report_buffer_message(struct report_buffer *buffer, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    const struct smtpscope_message *message = delivery->message;
    size_t recipients = message->recipient_count * sizeof *message->recipients;
    size_t size =
        sizeof(struct packed_message) + recipients + message->mail_from.len + delivery->helo.len + delivery->reply.len;
    struct packed_message *packed;
    char *to;

    for (size_t i = 0; i < message->recipient_count; i++)
        size += message->recipients[i].path.len;
    packed = buffer_room(buffer, REPORT_MESSAGE, flow->first_packet, size);
    if (!packed)
        return;
    packed->flow = *flow;
    packed->delivery = *delivery;
    packed->message = *message;
    packed->queue_id_at = delivery->queue_id.len ? (size_t)(delivery->queue_id.at - delivery->reply.at) : 0;
    to = put((char *)(packed + 1), message->recipients, recipients);
    to = put_text(to, message->mail_from);
    for (size_t i = 0; i < message->recipient_count; i++)
        to = put_text(to, message->recipients[i].path);
    put_text(put_text(to, delivery->helo), delivery->reply);
}

static struct report_buffer *packer_buffer(void *ctx)
{
    const struct report_packer *packer = ctx;

    return packer->buffer(packer->ctx);
}

static void pack_finding(void *ctx, const struct smtpscope_finding *finding)
{
    if (!finding->told || finding->changed)
        report_buffer_finding(packer_buffer(ctx), finding);
}

static void pack_trace(void *ctx, const struct smtpscope_trace *trace)
{
    report_buffer_trace(packer_buffer(ctx), trace);
}

static void pack_session(void *ctx, const struct smtpscope_flow *flow, struct transcript *transcript)
{
    report_buffer_session(packer_buffer(ctx), flow, transcript);
}

static void pack_message(void *ctx, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    report_buffer_message(packer_buffer(ctx), flow, delivery);
}

struct report_taker report_packer_taker(struct report_packer *packer)
{
    return (struct report_taker){
        .finding = pack_finding, .trace = pack_trace, .session = pack_session, .message = pack_message, .ctx = packer};
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

struct buffered_report *report_buffer_at(const struct report_buffer *buffer, size_t at)
{
    return at < buffer->octets.len ? (struct buffered_report *)(void *)(buffer->octets.at + at) : NULL;
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

static void say_session(struct packed_session *packed, const struct report_taker *taker)
{
    struct transcript transcript = packed->transcript;
    char *at = (char *)(packed + 1);

    transcript.exchanges = (struct transcript_exchange *)(void *)at;
    at += transcript.exchange_count * sizeof *transcript.exchanges;
    transcript.gaps = (struct transcript_gap *)(void *)at;
    at += transcript.gap_count * sizeof *transcript.gaps;
    transcript.inferred = (struct transcript_inferred *)(void *)at;
    at += transcript.inferred_count * sizeof *transcript.inferred;
    transcript.octets.at = at;
    taker->session(taker->ctx, &packed->flow, &transcript);
}

static const char *text_take(struct smtpscope_text *text, const char *at)
{
    text->at = at;
    return at + text->len;
}

/* The texts' places are not known where they were packed, for a buffer moves as it grows: they are found again in their order. */
static void say_message(struct packed_message *packed, const struct report_taker *taker)
{
    struct delivery delivery = packed->delivery;
    struct smtpscope_message message = packed->message;
    struct smtpscope_recipient *recipients = (struct smtpscope_recipient *)(void *)(packed + 1);
    const char *at = (const char *)(recipients + message.recipient_count);

    delivery.message = &message;
    message.recipients = recipients;
    if (message.mail_from.at)
        at = text_take(&message.mail_from, at);
    for (size_t i = 0; i < message.recipient_count; i++)
        at = text_take(&recipients[i].path, at);
    at = text_take(&delivery.helo, at);
    text_take(&delivery.reply, at);
    delivery.queue_id.at = delivery.reply.at + packed->queue_id_at;
    taker->message(taker->ctx, &packed->flow, &delivery);
}

void buffered_report_deliver(struct buffered_report *report, const struct report_taker *taker)
{
    switch ((enum report_kind)report->kind) {
    case REPORT_FINDING: say_finding((const struct packed_finding *)(const void *)report, taker); break;
    case REPORT_TRACE: taker->trace(taker->ctx, &((const struct packed_trace *)(const void *)report)->trace); break;
    case REPORT_SESSION: say_session((struct packed_session *)(void *)report, taker); break;
    case REPORT_MESSAGE: say_message((struct packed_message *)(void *)report, taker); break;
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
