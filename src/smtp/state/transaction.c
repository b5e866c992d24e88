/* SPDX-License-Identifier: BSD-2-Clause */
/* Transactions and what became of each recipient and message. */
#include "transaction.h"

#include "smtp/syntax/command.h"

#include "base/memory.h"

#define TERMINATOR 3 /* "." CRLF; the CRLF before it is the message's own */

/* What is kept of a recipient, before its path. At any address: copied, not pointed to. */
struct rcpt {
    uint32_t exchange;
    uint16_t path : 15; /* its length */
    uint16_t final : 1; /* the outcome is that behind the message */
    uint16_t code : 10, klass : 3, outcome : 3;
    uint16_t subject, detail; /* with the class: the enhanced code */
};

/* Most messages have no more recipients; those of others are told from the heap. */
#define RECIPIENTS_FEW 8

void tail_free(struct smtpscope_session *session, struct transaction *transaction)
{
    if (transaction->oddity)
        held_free(session, &transaction->oddity->tail);
}

void transaction_free(struct smtpscope_session *session, struct transaction *transaction)
{
    const struct smtpscope_allocator *allocator = session->config->allocator;

    if (!transaction)
        return;
    tail_free(session, transaction);
    memory_free(allocator, transaction->oddity);
    memory_free(allocator, transaction->scan);
    memory_free(allocator, transaction);
}

struct message_oddity *message_oddity_need(struct smtpscope_session *session, struct transaction *transaction)
{
    if (!transaction->oddity)
        transaction->oddity = memory_new(session->config->allocator, sizeof *transaction->oddity);
    return transaction->oddity;
}

void transaction_scan(struct smtpscope_session *session)
{
    struct transaction *transaction = session->transaction;

    if (!transaction->scan)
        transaction->scan = memory_resize(session->config->allocator, NULL, sizeof *transaction->scan);
    if (transaction->scan)
        scan_start(transaction->scan);
    else
        transaction->doubtful = true; /* its end will not be found: the next reply ends it */
    transaction->oddities &= (uint16_t)~SCAN_ODDITIES;
    transaction->longest_line = 0;
    transaction->stuffed = 0;
    if (transaction->oddity)
        transaction->oddity->offset = 0;
}

void transaction_scanned(struct smtpscope_session *session, struct transaction *transaction)
{
    const struct scan *scan = transaction->scan;

    if (!scan)
        return;
    transaction->oddities |= (uint16_t)scan->oddities;
    transaction->longest_line = (uint32_t)(scan->longest < UINT32_MAX ? scan->longest : UINT32_MAX);
    transaction->stuffed = scan->stuffed;
    if (scan->oddities && message_oddity_need(session, transaction))
        transaction->oddity->offset = transaction->offset + scan->odd_at;
    memory_free(session->config->allocator, transaction->scan);
    transaction->scan = NULL;
}

/* Room for `octets` more of texts: where they go, or NULL. The transaction may move. */
static char *texts_grow(struct smtpscope_session *session, size_t octets)
{
    struct transaction *transaction = session->transaction;
    size_t size = offsetof(struct transaction, texts) + transaction->end, grown = size + octets;

    if (block_room(grown) > block_room(size)) {
        transaction = memory_resize(session->config->allocator, transaction, block_room(grown));
        if (!transaction)
            return NULL;
        session->transaction = transaction;
    }
    transaction->end += (uint32_t)octets;
    return transaction->texts + transaction->end - octets;
}

/* `texts`: octets of them that there is to be room for. */
static struct transaction *transaction_new(struct smtpscope_session *session, smtpscope_time time, uint64_t packet,
                                           size_t texts)
{
    struct transaction *transaction;

    transaction = memory_resize(session->config->allocator, NULL, block_room(offsetof(struct transaction, texts) + texts));
    session->transaction = transaction;
    if (!transaction)
        return NULL;
    memset(transaction, 0, offsetof(struct transaction, texts));
    transaction->time = time;
    transaction->packet = packet;
    transaction->exchange = UINT32_MAX;
    transaction->end = (uint32_t)texts;
    return transaction;
}

struct transaction *transaction_begin(struct smtpscope_session *session, const struct smtpscope_command *mail)
{
    struct transaction *transaction;

    transaction_abandon(session);
    if (!(transaction = transaction_new(session, mail->time, mail->packet, mail->path.len)))
        return NULL;
    if (mail->path.len)
        memcpy(transaction->texts, mail->path.at, mail->path.len);
    transaction->mail_from = (uint16_t)mail->path.len; /* of an argument, so it fits */
    transaction->declared_size = mail->declared_size;
    transaction->has_declared_size = mail->has_size;
    transaction->body_8bitmime = mail->eight_bit;
    transaction->smtputf8 = mail->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SMTPUTF8);
    return transaction;
}

struct transaction *transaction_need(struct smtpscope_session *session)
{
    struct transaction *transaction = session->transaction;

    if (!transaction && (transaction = transaction_new(session, session->flow->first_time, session->flow->first_packet, 0)))
        transaction->doubtful = transaction->senderless = true;
    return transaction;
}

enum smtpscope_outcome outcome_of(uint16_t code)
{
    return code < 400 ? SMTPSCOPE_OUTCOME_ACCEPTED : code < 500 ? SMTPSCOPE_OUTCOME_DEFERRED : SMTPSCOPE_OUTCOME_REFUSED;
}

static void recipient_keep(struct smtpscope_session *session, const struct smtpscope_text *path, const struct rcpt *rcpt)
{
    char *to = texts_grow(session, sizeof(struct rcpt) + path->len);

    if (!to)
        return;
    memcpy(to, rcpt, sizeof *rcpt);
    if (path->len)
        memcpy(to + sizeof(struct rcpt), path->at, path->len);
    session->transaction->recipient_count++;
}

static uint32_t *count_of(struct transaction *transaction, enum smtpscope_outcome outcome)
{
    return outcome == SMTPSCOPE_OUTCOME_DEFERRED  ? &transaction->recipients_deferred
           : outcome == SMTPSCOPE_OUTCOME_REFUSED ? &transaction->recipients_refused
                                                  : &transaction->recipients_accepted;
}

void transaction_add(struct smtpscope_session *session, const struct smtpscope_command *rcpt,
                     const struct smtpscope_reply *reply, uint32_t exchange)
{
    struct transaction *transaction = session->transaction;
    enum smtpscope_outcome outcome = outcome_of(reply->code);

    if (!transaction)
        return;
    ++*count_of(transaction, outcome);
    if (transaction->recipient_count >= RECIPIENTS_MAX)
        return;
    recipient_keep(session, &rcpt->path,
                   &(struct rcpt){
                       .exchange = exchange,
                       .path = rcpt->path.len & 0x7fff,
                       .code = reply->code & 0x3ffu,
                       .klass = reply->enhanced.klass & 7u,
                       .outcome = outcome & 7,
                       .subject = reply->enhanced.subject,
                       .detail = reply->enhanced.detail,
                   });
}

void transaction_recipient_answered(struct transaction *transaction, const struct smtpscope_reply *reply, uint32_t exchange)
{
    enum smtpscope_outcome outcome = outcome_of(reply->code);
    char *at = transaction->texts + transaction->mail_from;
    struct rcpt rcpt;

    for (size_t i = 0; i < transaction->recipient_count; i++, at += sizeof rcpt + rcpt.path) {
        memcpy(&rcpt, at, sizeof rcpt);
        if (rcpt.final || rcpt.outcome != SMTPSCOPE_OUTCOME_ACCEPTED)
            continue;
        rcpt.final = true;
        rcpt.exchange = exchange;
        rcpt.code = reply->code & 0x3ffu;
        rcpt.klass = reply->enhanced.klass & 7u;
        rcpt.subject = reply->enhanced.subject;
        rcpt.detail = reply->enhanced.detail;
        rcpt.outcome = outcome & 7;
        memcpy(at, &rcpt, sizeof rcpt);
        transaction->recipients_accepted--;
        ++*count_of(transaction, outcome);
        return;
    }
}

static void recipients_read(const struct transaction *transaction, struct smtpscope_recipient *to)
{
    const char *at = transaction->texts + transaction->mail_from;
    struct rcpt rcpt;

    for (size_t i = 0; i < transaction->recipient_count; i++, to++) {
        memcpy(&rcpt, at, sizeof rcpt);
        at += sizeof rcpt;
        *to = (struct smtpscope_recipient){
            .path = {at, rcpt.path},
            .code = rcpt.code,
            .enhanced = {.klass = rcpt.klass, .subject = rcpt.subject, .detail = rcpt.detail},
            .outcome = (enum smtpscope_outcome)rcpt.outcome,
            .exchange = rcpt.exchange,
        };
        at += rcpt.path;
    }
}

static struct smtpscope_message message_of(const struct transaction *transaction)
{
    struct smtpscope_message message = {
        .mail_from = {transaction->senderless ? NULL : transaction->texts, transaction->mail_from},
        .recipient_total =
            (size_t)transaction->recipients_accepted + transaction->recipients_deferred + transaction->recipients_refused,
        .recipients_accepted = transaction->recipients_accepted,
        .recipients_deferred = transaction->recipients_deferred,
        .recipients_refused = transaction->recipients_refused,
        .sent = transaction->sent,
        .bdat = transaction->bdat,
        .size = transaction->size,
        .content = transaction->size,
        .declared_size = transaction->declared_size,
        .has_declared_size = transaction->has_declared_size,
        .outcome = (enum smtpscope_outcome)transaction->outcome,
        .code = transaction->code,
        .exchange = transaction->exchange,
        .oddities = transaction->oddities,
        .lookalike = (enum smtpscope_lookalike)transaction->lookalike,
        .body_8bitmime = transaction->body_8bitmime,
        .smtputf8 = transaction->smtputf8,
        .offset = transaction->offset,
        .longest_line = transaction->longest_line,
        .time = transaction->time,
        .packet = transaction->packet,
    };

    if (!message.bdat && message.exchange != UINT32_MAX && message.size >= TERMINATOR + transaction->stuffed)
        message.content -= TERMINATOR + transaction->stuffed;
    if (transaction->oddity)
        message.odd_offset = transaction->oddity->offset;
    return message;
}

static void transaction_tell(struct smtpscope_session *session, struct transaction *transaction)
{
    const struct smtpscope_allocator *allocator = session->config->allocator;
    struct smtpscope_recipient few[RECIPIENTS_FEW], *recipients = few;
    struct smtpscope_message message;

    transaction_scanned(session, transaction);
    message = message_of(transaction);
    if (transaction->recipient_count > RECIPIENTS_FEW)
        recipients = memory_resize(allocator, NULL, transaction->recipient_count * sizeof *recipients);
    if (recipients) {
        recipients_read(transaction, recipients);
        message.recipients = recipients;
        message.recipient_count = transaction->recipient_count;
    }
    fact_tell(session,
              &(struct smtpscope_fact){
                  .type = SMTPSCOPE_FACT_MESSAGE, .time = message.time, .packet = message.packet, .message = &message});
    if (recipients != few)
        memory_free(allocator, recipients);
    transaction_free(session, transaction);
}

bool tail_has_commands(const struct transaction *transaction)
{
    const struct held_octets *tail = transaction->oddity ? transaction->oddity->tail : NULL;

    return tail && command_is_known(tail->at, tail->len);
}

void transaction_end(struct smtpscope_session *session, enum smtpscope_outcome outcome, uint16_t code, uint32_t exchange)
{
    struct transaction *transaction = session->transaction;

    if (!transaction)
        return;
    transaction->outcome = outcome & 7;
    transaction->code = code;
    transaction->exchange = exchange;
    session->transaction = NULL;
    if (tail_has_commands(transaction) && exchange != UINT32_MAX && extra_need(session)) {
        /* The next reply tells whether the server saw one message or two. */
        maybe_smuggled_end(session, false);
        transaction->oddities |= SMTPSCOPE_DATA_LOOKALIKE_COMMANDS;
        session->extra->maybe_smuggled = transaction;
        return;
    }
    transaction_tell(session, transaction);
}

struct held_octets *maybe_smuggled_end(struct smtpscope_session *session, bool taken)
{
    struct transaction *transaction = extra_of(session)->maybe_smuggled;
    struct held_octets *tail = NULL;

    if (!transaction)
        return NULL;
    session->extra->maybe_smuggled = NULL;
    if (taken) {
        tail = transaction->oddity->tail;
        transaction->oddity->tail = NULL;
        transaction->oddities |= SMTPSCOPE_DATA_LOOKALIKE_TAKEN;
        transaction->size = tail->origin.offset - transaction->offset;
    }
    transaction_tell(session, transaction);
    return tail;
}

/* Without a recipient there is nothing to send: their replies decided. What the capture lacks may have been the message. */
static enum smtpscope_outcome unsent_outcome(const struct smtpscope_session *session, const struct transaction *transaction)
{
    if (transaction->doubtful || session->state.doubt)
        return SMTPSCOPE_OUTCOME_UNKNOWN;
    if (transaction->recipients_accepted || !(transaction->recipients_deferred || transaction->recipients_refused))
        return SMTPSCOPE_OUTCOME_GIVEN_UP;
    return transaction->recipients_deferred ? SMTPSCOPE_OUTCOME_DEFERRED : SMTPSCOPE_OUTCOME_REFUSED;
}

void transaction_abandon(struct smtpscope_session *session)
{
    struct transaction *transaction = session->transaction;

    if (!transaction)
        return;
    if (transaction->code) { /* it was refused before it was given up */
        transaction_end(session, outcome_of(transaction->code), transaction->code, transaction->exchange);
        return;
    }
    transaction->sent = false;
    transaction_end(session, unsent_outcome(session, transaction), 0, UINT32_MAX);
}

const char *smtpscope_outcome_name(enum smtpscope_outcome outcome)
{
    static const char *const names[] = {"accepted", "deferred", "refused", "lost", "unknown", "given-up"};

    return names[outcome];
}

const char *smtpscope_lookalike_name(enum smtpscope_lookalike lookalike)
{
    static const char *const names[] = {NULL,    "LF.LF",   "LF.CRLF", "CRLF.LF", "CR.CRLF",
                                        "CR.CR", "CRLF.CR", "LF.CR",   "CR.LF",   "a look-alike with NUL"};

    return names[lookalike];
}
