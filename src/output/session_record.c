/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/session_record.h"

#include "output/format.h"

#include <stdlib.h>

/* More holes than this in one session say nothing that fewer do not. */
#define RECORD_GAPS_MAX 4096

struct record *record_new(void)
{
    return calloc(1, sizeof(struct record));
}

void record_free(struct record *record)
{
    if (!record)
        return;
    writer_fini(&record->octets);
    free(record->exchanges);
    free(record->gaps);
    free(record);
}

struct smtpscope_text record_text(const struct record *record, struct record_slice slice)
{
    return (struct smtpscope_text){slice.len ? record->octets.at + slice.at : "", slice.len};
}

static struct record_slice record_keep(struct record *record, struct smtpscope_text text)
{
    struct record_slice slice = {(uint32_t)record->octets.len, (uint32_t)text.len};

    if (text.len > RECORD_OCTETS_MAX - record->octets.len)
        return (struct record_slice){0};
    writer_octets(&record->octets, text.at, text.len);
    return record->octets.failed ? (struct record_slice){0} : slice;
}

/* A new last exchange, or NULL at a bound. */
static struct record_exchange *record_append(struct record *record)
{
    size_t size = record->exchange_size ? record->exchange_size * 2 : 16;
    struct record_exchange *exchanges = record->exchanges;

    if (record->exchange_count >= RECORD_EXCHANGES_MAX || record->octets.len >= RECORD_OCTETS_MAX) {
        record->omitted++;
        return NULL;
    }
    if (record->exchange_count == record->exchange_size) {
        exchanges = realloc(exchanges, size * sizeof *exchanges);
        if (!exchanges) {
            record->omitted++;
            return NULL;
        }
        record->exchanges = exchanges;
        record->exchange_size = size;
    }
    exchanges += record->exchange_count++;
    *exchanges = (struct record_exchange){0};
    return exchanges;
}

static void record_command(struct record *record, struct record_exchange *kept, const struct smtpscope_command *command)
{
    kept->command = record_keep(record, format_verb(command));
    if (command->verb != SMTPSCOPE_VERB_NONE)
        kept->argument = record_keep(record, command->argument);
    kept->packet = command->packet;
}

/* What the EHLO or HELO said of both sides. A refused one counts until one is accepted. */
static void record_hello(struct record *record, const struct smtpscope_exchange *exchange, struct record_slice reply)
{
    const struct smtpscope_command *command = exchange->command;
    struct smtpscope_text first = format_first_line(exchange->reply->text);
    uint32_t skip = (uint32_t)first.len + 1;
    bool accepted = exchange->reply->code / 100 == 2;

    if (accepted || !record->helo.len)
        record->helo = record_keep(record, command->path.len ? command->path : command->argument);
    if (!accepted)
        return;
    record->extensions = (struct record_slice){0};
    if (command->verb == SMTPSCOPE_VERB_EHLO && reply.len > skip)
        record->extensions = (struct record_slice){reply.at + skip, reply.len - skip};
}

static void record_exchange(struct record *record, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_reply *reply = exchange->reply;
    struct record_exchange *kept = record_append(record);

    if (!kept)
        return;
    record_command(record, kept, exchange->command);
    kept->reply = record_keep(record, reply->text);
    kept->code = reply->code;
    kept->enhanced_class = reply->enhanced_class;
    kept->enhanced_subject = reply->enhanced_subject;
    kept->enhanced_detail = reply->enhanced_detail;
    kept->packet = reply->packet;
    if (exchange->greeting && !record->has_greeting) {
        record->has_greeting = true;
        record->greeting = kept->reply;
        record->greeting.len = (uint32_t)format_first_line(record_text(record, kept->reply)).len;
    }
    if (exchange->command->verb == SMTPSCOPE_VERB_EHLO || exchange->command->verb == SMTPSCOPE_VERB_HELO)
        record_hello(record, exchange, kept->reply);
}

static void record_unanswered(struct record *record, const struct smtpscope_command *command)
{
    struct record_exchange *kept = record_append(record);

    if (!kept)
        return;
    record_command(record, kept, command);
    record->unanswered_count++;
}

static void record_gap(struct record *record, const struct smtpscope_gap *gap)
{
    struct record_gap *gaps = NULL;

    if (record->gap_count < RECORD_GAPS_MAX)
        gaps = realloc(record->gaps, (record->gap_count + 1) * sizeof *gaps);
    if (!gaps) {
        record->omitted++;
        return;
    }
    record->gaps = gaps;
    gaps[record->gap_count++] = (struct record_gap){gap->side, gap->offset, gap->len, (uint32_t)record->exchange_count};
}

static void record_tls(struct record_tls *tls, const struct smtpscope_fact *fact)
{
    if (!tls->seen) {
        tls->time = fact->time;
        tls->packet = fact->packet;
    }
    tls->seen = true;
    switch (fact->tls) {
    case SMTPSCOPE_TLS_STARTED:
        tls->started = true;
        tls->time = fact->time;
        tls->packet = fact->packet;
        break;
    case SMTPSCOPE_TLS_COMMAND_INJECTION: tls->command_injection = true; break;
    case SMTPSCOPE_TLS_RESPONSE_INJECTION: tls->response_injection = true; break;
    case SMTPSCOPE_TLS_NOT_FOLLOWED: tls->not_followed = true; break;
    }
}

void record_fact(struct record *record, const struct smtpscope_fact *fact)
{
    switch (fact->type) {
    case SMTPSCOPE_FACT_EXCHANGE: record_exchange(record, fact->exchange); break;
    case SMTPSCOPE_FACT_UNANSWERED: record_unanswered(record, fact->command); break;
    case SMTPSCOPE_FACT_TLS: record_tls(&record->tls, fact); break;
    case SMTPSCOPE_FACT_GAP: record_gap(record, fact->gap); break;
    case SMTPSCOPE_FACT_OPEN:
    case SMTPSCOPE_FACT_COMMAND:
    case SMTPSCOPE_FACT_MESSAGE:
    case SMTPSCOPE_FACT_ALIEN:
    case SMTPSCOPE_FACT_CROSS:
    case SMTPSCOPE_FACT_CONFLICT:
    case SMTPSCOPE_FACT_OVERFLOW:
    case SMTPSCOPE_FACT_END: break;
    }
}
