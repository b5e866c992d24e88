/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpscope/correlate.h"

#include "base/hash.h"
#include "site.h"
#include "smtpscope/judge.h"

/* RFC 1035 2.3.4, and what is longer is no name. */
#define NAME_MAX_OCTETS 255

/* Without case, as names of hosts are. 0: too long, or none. */
static uint64_t name_hash(const char *name, size_t len, uint64_t seed)
{
    uint64_t hash = hash_octets(name, len, seed);

    return len ? (hash ? hash : 1) : 0;
}

/* Of a name that is too long to be kept, its registered domain is: the domain of that is itself. */
static void hello_note(struct smtpscope_hello_key *key, struct smtpscope_text name)
{
    char lower[NAME_MAX_OCTETS];
    struct smtpscope_text kept = {lower, name.len && name.at[name.len - 1] == '.' ? name.len - 1 : name.len};

    key->hello = key->domain_len = 0;
    if (kept.len > sizeof lower)
        return;
    for (size_t i = 0; i < kept.len; i++)
        lower[i] = (char)(name.at[i] >= 'A' && name.at[i] <= 'Z' ? name.at[i] + 'a' - 'A' : name.at[i]);
    key->hello = name_hash(lower, kept.len, key->seed);
    if (kept.len > sizeof key->domain)
        kept = site_of(lower, kept.len);
    if (kept.len > sizeof key->domain)
        return;
    memcpy(key->domain, kept.at, kept.len);
    key->domain_len = (uint8_t)kept.len;
}

/* The sender and the recipient, without case: who writes a name in another case means the same mailbox. */
static uint64_t envelope_key(struct smtpscope_text sender, struct smtpscope_text recipient, uint64_t seed)
{
    char lower[NAME_MAX_OCTETS + 1];
    const struct smtpscope_text parts[] = {sender, recipient};
    uint64_t key = seed;

    for (size_t part = 0; part < 2; part++) {
        size_t len = parts[part].len < sizeof lower ? parts[part].len : sizeof lower;

        for (size_t i = 0; i < len; i++)
            lower[i] = (char)(parts[part].at[i] >= 'A' && parts[part].at[i] <= 'Z' ? parts[part].at[i] + 'a' - 'A'
                                                                                   : parts[part].at[i]);
        key = hash_octets(lower, len, key);
    }
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
    case SMTPSCOPE_VERB_XEXPS:
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
        .client = smtpscope_session_client(session),
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
                          const struct smtpscope_hello_key *key, void (*tell)(void *ctx, const struct smtpscope_trace *trace),
                          void *ctx)
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
            .client = smtpscope_session_client(session),
            .time = fact->time,
            .packet = fact->packet,
            .exchange = accepted ? message->exchange : recipient->exchange,
            .code = by_message ? message->code : recipient->code,
            .enhanced = by_message ? (struct smtpscope_enhanced){0} : recipient->enhanced,
            .verb = SMTPSCOPE_VERB_RCPT,
            .state = "",
            .envelope = envelope_key(message->mail_from, recipient->path, key->seed),
            .size = message->has_declared_size ? message->declared_size : SMTPSCOPE_NO_SIZE,
            .null_sender = !message->mail_from.len,
            .outcome = outcome,
            .hello = *key,
        };
        tell(ctx, &trace);
    }
}

/* Of no exchange. */
static struct smtpscope_trace trace_of(enum smtpscope_trace_kind kind, const struct smtpscope_session *session,
                                       const struct smtpscope_fact *fact)
{
    return (struct smtpscope_trace){.kind = kind,
                                    .flow = *smtpscope_session_flow(session),
                                    .client = smtpscope_session_client(session),
                                    .time = fact->time,
                                    .packet = fact->packet,
                                    .exchange = UINT32_MAX,
                                    .state = ""};
}

/* What of a handshake is not known is none. */
static void trace_handshake(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                            void (*tell)(void *ctx, const struct smtpscope_trace *trace), void *ctx)
{
    struct smtpscope_trace trace = trace_of(SMTPSCOPE_TRACE_HANDSHAKE, session, fact);

    if (fact->handshake->outcome == SMTPSCOPE_HANDSHAKE_UNKNOWN || !fact->handshake->begun)
        return;
    trace.failed = fact->handshake->outcome != SMTPSCOPE_HANDSHAKE_DONE;
    tell(ctx, &trace);
}

static void trace_clear(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                        void (*tell)(void *ctx, const struct smtpscope_trace *trace), void *ctx)
{
    struct smtpscope_trace trace = trace_of(SMTPSCOPE_TRACE_CLEAR, session, fact);

    if (!smtpscope_session_state(session)->tls)
        tell(ctx, &trace);
}

static void trace_inferred(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                           void (*tell)(void *ctx, const struct smtpscope_trace *trace), void *ctx)
{
    struct smtpscope_trace trace = trace_of(SMTPSCOPE_TRACE_INFERRED, session, fact);

    trace.inferred = *fact->inferred;
    tell(ctx, &trace);
}

static void trace_tls(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                      const struct smtpscope_hello_key *key, void (*tell)(void *ctx, const struct smtpscope_trace *trace),
                      void *ctx)
{
    struct smtpscope_trace trace = {.kind = SMTPSCOPE_TRACE_TLS,
                                    .flow = *smtpscope_session_flow(session),
                                    .client = smtpscope_session_client(session),
                                    .time = fact->time,
                                    .packet = fact->packet,
                                    .exchange = UINT32_MAX,
                                    .state = "",
                                    .hello = *key};

    tell(ctx, &trace);
}

void smtpscope_trace_fact(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                          struct smtpscope_hello_key *key, void (*trace)(void *ctx, const struct smtpscope_trace *trace),
                          void *ctx)
{
    switch ((int)fact->type) {
    case SMTPSCOPE_FACT_EXCHANGE:
        if (smtpscope_verb_hello(fact->exchange->command->verb))
            hello_note(key, fact->exchange->command->path);
        trace_exchange(session, fact->exchange, trace, ctx);
        break;
    case SMTPSCOPE_FACT_MESSAGE:
        trace_message(session, fact, key, trace, ctx);
        trace_clear(session, fact, trace, ctx);
        break;
    case SMTPSCOPE_FACT_HANDSHAKE: trace_handshake(session, fact, trace, ctx); break;
    case SMTPSCOPE_FACT_INFERRED: trace_inferred(session, fact, trace, ctx); break;
    case SMTPSCOPE_FACT_END:
        if (fact->end->opaque)
            trace_tls(session, fact, key, trace, ctx);
        break;
    default: break; /* the others leave none */
    }
}

struct smtpscope_trace smtpscope_trace_attempt(const struct smtpscope_attempt *attempt)
{
    return (struct smtpscope_trace){.kind = SMTPSCOPE_TRACE_ATTEMPT,
                                    .flow = *attempt->flow,
                                    .client = attempt->flow->side[SMTPSCOPE_CLIENT],
                                    .time = attempt->time,
                                    .packet = attempt->packet,
                                    .exchange = UINT32_MAX,
                                    .state = "",
                                    .attempt = attempt->end,
                                    .icmp = attempt->icmp,
                                    .tries = attempt->tries,
                                    .waited = attempt->waited};
}
