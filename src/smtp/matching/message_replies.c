/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One message, several replies.
 *
 *   LMTP   a reply for each recipient that was accepted, in the order of their RCPTs                  RFC 2033 4.2
 *   PRDR   353, the same, and a last one for the message as a whole                                   draft-hall-prdr
 *
 * Each is told as an exchange of the message's end. The recipient's outcome is its own reply's; that of a message by LMTP is
 * accepted when one recipient has it.
 */
#include "message_replies.h"

#include "smtp/state/transaction.h"

/* PRDR's word that replies of the recipients follow. */
#define REPLIES_FOLLOW 353

static bool ends_message(const struct pending *end)
{
    return end->verb == SMTPSCOPE_VERB_EOD || end->is_last;
}

/* The first reply: how many are to come behind it. */
static void replies_begin(struct smtpscope_session *session, const struct smtpscope_reply *reply)
{
    uint32_t recipients = session->transaction->recipients_accepted;

    session->extra->replies_due = reply->code == REPLIES_FOLLOW ? recipients + 2 : recipients;
    session->extra->last_decides = reply->code == REPLIES_FOLLOW;
}

/* LMTP: the message's outcome is that of its first recipient, or of the first that has it. */
static void outcome_note(struct transaction *transaction, uint16_t code, uint32_t index)
{
    if (transaction->code && (transaction->code < 400 || code >= 400))
        return;
    transaction->code = code;
    transaction->exchange = index;
}

bool message_replies_go_on(struct smtpscope_session *session, const struct pending *end, const struct smtpscope_reply *reply,
                           uint32_t index)
{
    struct session_extra *extra;

    if (!ends_message(end) || !session->transaction || !(session->state.lmtp || reply->code == REPLIES_FOLLOW || end->more) ||
        !(extra = extra_need(session)))
        return false;
    if (!end->more)
        replies_begin(session, reply);
    if (reply->code != REPLIES_FOLLOW && !(extra->last_decides && extra->replies_due == 1))
        transaction_recipient_answered(session->transaction, reply, index);
    if (!extra->last_decides)
        outcome_note(session->transaction, reply->code, index);
    extra->replies_due -= extra->replies_due > 0;
    return extra->replies_due && reply->code != 421; /* the server closes: there will be no more */
}

void message_replies_end(struct smtpscope_session *session, uint16_t *code, uint32_t *exchange)
{
    const struct transaction *transaction = session->transaction;

    if (!session->state.lmtp || !transaction || !transaction->code)
        return;
    *code = transaction->code;
    *exchange = transaction->exchange;
}

void message_replies_cut(struct smtpscope_session *session)
{
    const struct transaction *transaction = session->transaction;

    if (!transaction)
        return;
    if (transaction->code)
        transaction_end(session, outcome_of(transaction->code), transaction->code, transaction->exchange);
    else
        transaction_end(session, SMTPSCOPE_OUTCOME_UNKNOWN, 0, UINT32_MAX);
}
