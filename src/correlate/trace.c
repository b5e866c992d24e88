/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpscope/correlate.h"

#include "base/hash.h"
#include "smtpscope/judge.h"

static bool is_ipv4(const uint8_t *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return !memcmp(addr, mapped, sizeof mapped);
}

/* The client counts by its network (/24, /64): senders retry from a pool. */
static uint64_t triple_key(const struct smtpscope_flow *flow, struct smtpscope_text sender, struct smtpscope_text recipient)
{
    const uint8_t *client = flow->side[SMTPSCOPE_CLIENT].addr;
    uint64_t key = hash_octets(client, is_ipv4(client) ? 15 : 8, 0);

    key = hash_octets(sender.at, sender.len, key);
    key = hash_octets(recipient.at, recipient.len, key);
    return key ? key : 1;
}

/* The kind of trace an exchange leaves; -1 none. */
static int exchange_kind(const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_reply *reply = exchange->reply;

    switch ((int)exchange->command->verb) {
    case SMTPSCOPE_VERB_EHLO:
        return reply->code == 250 && !exchange->after->tls && !(exchange->after->doubt & SMTPSCOPE_DOUBT_EXTENSIONS)
                   ? SMTPSCOPE_TRACE_OFFER
                   : -1;
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_ANSWER: return reply->code == 535 ? SMTPSCOPE_TRACE_LOGIN : -1;
    case SMTPSCOPE_VERB_RCPT:
    case SMTPSCOPE_VERB_VRFY:
        if (reply->code < 300)
            return SMTPSCOPE_TRACE_KNOWN;
        return reply->code >= 500 && smtpscope_reason_of(exchange->command->verb, reply, "") == SMTPSCOPE_REASON_MAILBOX_UNKNOWN
                   ? SMTPSCOPE_TRACE_UNKNOWN
                   : -1;
    default: return -1;
    }
}

static void trace_exchange(const struct smtpscope_session *session, const struct smtpscope_exchange *exchange,
                           void (*tell)(void *ctx, const struct smtpscope_trace *trace), void *ctx)
{
    const struct smtpscope_reply *reply = exchange->reply;
    int kind = exchange_kind(exchange);
    struct smtpscope_trace trace;

    if (kind < 0)
        return;
    trace = (struct smtpscope_trace){
        .kind = (enum smtpscope_trace_kind)kind,
        .flow = *smtpscope_session_flow(session),
        .time = reply->time,
        .packet = reply->packet,
        .exchange = exchange->index,
        .code = reply->code,
        .enhanced = reply->enhanced,
        .verb = exchange->command->verb,
        .state = smtpscope_state_name(exchange->before),
        .offset = reply->offset,
        .starttls = exchange->after->extensions & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS),
    };
    tell(ctx, &trace);
}

/* Codes that are about the command (RFC 5321 4.2.3), and say nothing of the recipient. */
static bool is_about_command(uint16_t code)
{
    return (code >= 500 && code <= 504) || code == 555;
}

/* The message's own outcome counts for the recipients that RCPT accepted. */
static void trace_message(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                          void (*tell)(void *ctx, const struct smtpscope_trace *trace), void *ctx)
{
    const struct smtpscope_message *message = fact->message;
    const struct smtpscope_flow *flow = smtpscope_session_flow(session);

    for (size_t i = 0; i < message->recipient_count; i++) {
        const struct smtpscope_recipient *recipient = &message->recipients[i];
        bool accepted = recipient->outcome == SMTPSCOPE_OUTCOME_ACCEPTED;
        enum smtpscope_outcome outcome = accepted ? message->outcome : recipient->outcome;
        bool by_message = accepted && message->code;
        struct smtpscope_trace trace;

        if ((accepted && !message->sent) /* the client gave the message up */ || outcome == SMTPSCOPE_OUTCOME_LOST ||
            outcome == SMTPSCOPE_OUTCOME_UNKNOWN /* no word from the server */ ||
            is_about_command(by_message ? message->code : recipient->code))
            continue;
        trace = (struct smtpscope_trace){
            .kind = SMTPSCOPE_TRACE_OUTCOME,
            .flow = *flow,
            .time = fact->time,
            .packet = fact->packet,
            .exchange = accepted ? message->exchange : recipient->exchange,
            .code = by_message ? message->code : recipient->code,
            .enhanced = by_message ? (struct smtpscope_enhanced){0} : recipient->enhanced,
            .verb = SMTPSCOPE_VERB_RCPT,
            .state = "",
            .triple = triple_key(flow, message->mail_from, recipient->path),
            .outcome = outcome,
        };
        tell(ctx, &trace);
    }
}

void smtpscope_trace_fact(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                          void (*trace)(void *ctx, const struct smtpscope_trace *trace), void *ctx)
{
    if (fact->type == SMTPSCOPE_FACT_EXCHANGE)
        trace_exchange(session, fact->exchange, trace, ctx);
    else if (fact->type == SMTPSCOPE_FACT_MESSAGE)
        trace_message(session, fact, trace, ctx);
}

struct smtpscope_trace smtpscope_trace_attempt(const struct smtpscope_attempt *attempt)
{
    return (struct smtpscope_trace){.kind = SMTPSCOPE_TRACE_ATTEMPT,
                                    .flow = *attempt->flow,
                                    .time = attempt->time,
                                    .packet = attempt->packet,
                                    .exchange = UINT32_MAX,
                                    .state = "",
                                    .attempt = attempt->end,
                                    .tries = attempt->tries,
                                    .waited = attempt->waited};
}
