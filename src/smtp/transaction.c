/* SPDX-License-Identifier: BSD-2-Clause */
/* Transactions and what became of each recipient and message. */
#include "session_private.h"

#include "base/memory.h"

#define TERMINATOR 3 /* "." CRLF; the CRLF before it is the message's own */

void transaction_free(struct smtpscope_session *session, struct transaction *transaction)
{
    const struct smtpscope_allocator *allocator = session->config->allocator;

    if (!transaction)
        return;
    for (size_t i = 0; i < transaction->message.recipient_count; i++)
        memory_free(allocator, (char *)(uintptr_t)transaction->recipients[i].path.at);
    memory_free(allocator, transaction->recipients);
    kept_free(session, &transaction->tail);
    memory_free(allocator, transaction->mail_from);
    memory_free(allocator, transaction);
}

static char *text_copy(struct smtpscope_session *session, struct smtpscope_text text)
{
    char *copy = text.len ? memory_resize(session->config->allocator, NULL, text.len) : NULL;

    return copy ? memcpy(copy, text.at, text.len) : NULL;
}

static struct transaction *transaction_new(struct smtpscope_session *session, smtpscope_time time, uint64_t packet)
{
    struct transaction *transaction = memory_new(session->config->allocator, sizeof *transaction);

    if (transaction) {
        transaction->message.mail_from.at = "";
        transaction->message.time = time;
        transaction->message.packet = packet;
        transaction->message.exchange = UINT32_MAX;
    }
    session->transaction = transaction;
    return transaction;
}

struct transaction *transaction_begin(struct smtpscope_session *session, const struct smtpscope_command *mail)
{
    struct transaction *transaction;
    struct smtpscope_message *message;

    transaction_abandon(session);
    if (!(transaction = transaction_new(session, mail->time, mail->packet)))
        return NULL;
    message = &transaction->message;
    transaction->mail_from = text_copy(session, mail->path);
    if (transaction->mail_from)
        message->mail_from = (struct smtpscope_text){ transaction->mail_from, mail->path.len };
    message->declared_size = mail->declared_size;
    message->has_declared_size = mail->has_size;
    message->body_8bitmime = mail->eight_bit;
    message->smtputf8 = mail->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SMTPUTF8);
    return transaction;
}

struct transaction *transaction_need(struct smtpscope_session *session)
{
    struct transaction *transaction = session->transaction;

    if (!transaction && (transaction = transaction_new(session, session->flow->first_time, session->flow->first_packet)))
        transaction->doubtful = true;
    return transaction;
}

enum smtpscope_outcome outcome_of(uint16_t code)
{
    return code < 400 ? SMTPSCOPE_OUTCOME_ACCEPTED : code < 500 ? SMTPSCOPE_OUTCOME_DEFERRED : SMTPSCOPE_OUTCOME_REFUSED;
}

static bool recipients_grow(struct smtpscope_session *session, struct transaction *transaction)
{
    size_t capacity = transaction->recipient_capacity ? transaction->recipient_capacity * 2 : 4;
    struct smtpscope_recipient *recipients;

    if (transaction->message.recipient_count < transaction->recipient_capacity)
        return true;
    if (transaction->recipient_capacity >= RECIPIENTS_MAX)
        return false;
    recipients = memory_resize(session->config->allocator, transaction->recipients, capacity * sizeof *recipients);
    if (!recipients)
        return false;
    transaction->recipients = recipients;
    transaction->recipient_capacity = capacity;
    return true;
}

void transaction_add(struct smtpscope_session *session, const struct smtpscope_command *rcpt,
                     const struct smtpscope_reply *reply, uint32_t exchange)
{
    struct transaction *transaction = session->transaction;
    enum smtpscope_outcome outcome = outcome_of(reply->code);
    struct smtpscope_message *message;
    char *path;

    if (!transaction)
        return;
    message = &transaction->message;
    message->recipient_total++;
    message->recipients_accepted += outcome == SMTPSCOPE_OUTCOME_ACCEPTED;
    message->recipients_deferred += outcome == SMTPSCOPE_OUTCOME_DEFERRED;
    message->recipients_refused += outcome == SMTPSCOPE_OUTCOME_REFUSED;
    if (!recipients_grow(session, transaction))
        return;
    path = text_copy(session, rcpt->path);
    transaction->recipients[message->recipient_count++] = (struct smtpscope_recipient){
        .path = { path, path ? rcpt->path.len : 0 }, .code = reply->code, .enhanced_class = reply->enhanced_class,
        .enhanced_subject = reply->enhanced_subject, .enhanced_detail = reply->enhanced_detail, .outcome = outcome,
        .exchange = exchange,
    };
}

static void transaction_tell(struct smtpscope_session *session, struct transaction *transaction)
{
    struct smtpscope_message *message = &transaction->message;

    message->recipients = transaction->recipients;
    message->content = message->size;
    if (!message->bdat && message->exchange != UINT32_MAX && message->size >= TERMINATOR + transaction->scan.stuffed)
        message->content -= TERMINATOR + transaction->scan.stuffed;
    message->oddities |= transaction->scan.oddities;
    message->longest_line = (uint32_t)(transaction->scan.longest < UINT32_MAX ? transaction->scan.longest : UINT32_MAX);
    if (transaction->scan.oddities)
        message->odd_offset = message->offset + transaction->scan.odd_at;
    fact_tell(session, &(struct smtpscope_fact){ .type = SMTPSCOPE_FACT_MESSAGE, .time = message->time,
                                                 .packet = message->packet, .message = message });
    transaction_free(session, transaction);
}

bool tail_has_commands(const struct transaction *transaction)
{
    return transaction->tail && command_is_known(transaction->tail->at, transaction->tail->len);
}

void transaction_end(struct smtpscope_session *session, enum smtpscope_outcome outcome, uint16_t code, uint32_t exchange)
{
    struct transaction *transaction = session->transaction;

    if (!transaction)
        return;
    transaction->message.outcome = outcome;
    transaction->message.code = code;
    transaction->message.exchange = exchange;
    session->transaction = NULL;
    if (tail_has_commands(transaction) && exchange != UINT32_MAX && rare_need(session)) {
        /* The next reply tells whether the server saw one message or two. */
        suspect_end(session, false);
        transaction->message.oddities |= SMTPSCOPE_DATA_LOOKALIKE_COMMANDS;
        session->rare->suspect = transaction;
        return;
    }
    transaction_tell(session, transaction);
}

struct kept *suspect_end(struct smtpscope_session *session, bool taken)
{
    struct transaction *transaction = rare_of(session)->suspect;
    struct kept *tail = NULL;

    if (!transaction)
        return NULL;
    session->rare->suspect = NULL;
    if (taken) {
        tail = transaction->tail;
        transaction->tail = NULL;
        transaction->message.oddities |= SMTPSCOPE_DATA_LOOKALIKE_TAKEN;
        transaction->message.size = tail->place.offset - transaction->message.offset;
    }
    transaction_tell(session, transaction);
    return tail;
}

void transaction_abandon(struct smtpscope_session *session)
{
    struct smtpscope_message *message;

    if (!session->transaction)
        return;
    message = &session->transaction->message;
    if (message->code) { /* it was refused before it was given up */
        transaction_end(session, outcome_of(message->code), message->code, message->exchange);
        return;
    }
    message->sent = false;
    transaction_end(session, SMTPSCOPE_OUTCOME_UNKNOWN, 0, UINT32_MAX);
}

const char *smtpscope_outcome_name(enum smtpscope_outcome outcome)
{
    static const char *const names[] = { "accepted", "deferred", "refused", "lost", "unknown" };

    return names[outcome];
}

const char *smtpscope_lookalike_name(enum smtpscope_lookalike lookalike)
{
    static const char *const names[] = { NULL, "LF.LF", "LF.CRLF", "CRLF.LF", "CR.CRLF", "CR.CR", "CRLF.CR", "LF.CR", "CR.LF",
                                         "a look-alike with NUL" };

    return names[lookalike];
}
