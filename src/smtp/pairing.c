/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reply meets its command. What the reply makes of the server's state is computed first, then the exchange is told, and
 * only then its consequences happen: held octets are read, a message ends, TLS begins.
 */
#include "session_private.h"

#include "base/hash.h"

#include <string.h>

static const struct smtpscope_command no_command = {
    .verb = SMTPSCOPE_VERB_NONE, .name = {"", 0}, .argument = {"", 0}, .path = {"", 0}, .unknown_parameter = {"", 0}};

static void transaction_reset(struct smtpscope_state *state)
{
    state->transaction = state->bdat_open = state->bdat_done = state->binary = false;
    state->rcpt_accepted = state->rcpt_deferred = state->rcpt_refused = 0;
    state->doubt &= (uint8_t)~SMTPSCOPE_DOUBT_TRANSACTION;
}

void state_tls(struct smtpscope_state *state)
{
    transaction_reset(state);
    state->tls = true;
    state->hello = SMTPSCOPE_HELLO_NONE;
    state->extensions = state->size_limit = 0;
}

/* RFC 1870 3; `at` stands behind SIZE. Of a number that is `cut` off there may be more: none is known then. */
static uint64_t size_limit_read(const char *at, const char *end, bool cut)
{
    uint64_t limit = 0;

    for (at += at < end && (*at == ' ' || *at == '='); at < end && *at >= '0' && *at <= '9' && limit < UINT64_MAX / 16; at++)
        limit = limit * 10 + (uint64_t)(*at - '0');
    return cut && at == end ? 0 : limit;
}

/* RFC 5321 4.1.1.1: ehlo-line = ehlo-keyword *( SP ehlo-param ); the first line is the server's name. */
void extensions_parse(struct smtpscope_state *state, const struct smtpscope_reply *reply)
{
    const char *at = reply->text.at, *end = at + reply->text.len;

    state->extensions = state->size_limit = 0;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        uint64_t bit;

        at++;
        bit = extension_find(at, (size_t)(end - at));
        state->extensions |= bit;
        if (bit == SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SIZE))
            state->size_limit = size_limit_read(at + strlen("SIZE"), end, reply->oddities & SMTPSCOPE_REPLY_UNFINISHED);
    }
}

static void state_hello(struct smtpscope_state *state, enum smtpscope_hello hello, const struct smtpscope_reply *reply)
{
    state->hello = (uint8_t)hello;
    transaction_reset(state);
    extensions_parse(state, reply);
    if (reply->oddities & SMTPSCOPE_REPLY_UNFINISHED)
        state->doubt |= SMTPSCOPE_DOUBT_EXTENSIONS;
    else
        state->doubt &= (uint8_t) ~(SMTPSCOPE_DOUBT_HELLO | SMTPSCOPE_DOUBT_EXTENSIONS);
}

static void state_rcpt(struct smtpscope_state *state, uint16_t code)
{
    if (code < 400) {
        state->transaction = true; /* it must have been open, whatever was lost */
        state->rcpt_accepted++;
    } else if (code < 500) {
        state->rcpt_deferred++;
    } else {
        state->rcpt_refused++;
    }
}

static void state_bdat(struct smtpscope_state *state, const struct smtpscope_command *command, uint16_t code)
{
    if (code < 400 && !command->last) {
        state->bdat_open = true;
    } else if (command->last && (code < 400 || state->rcpt_accepted)) {
        transaction_reset(state);
        state->bdat_done = true;
    }
}

/* What the reply makes of the state: RFC 5321 4.1.4, RFC 3207 4.2, RFC 4954 4, RFC 3030 2. */
static void state_apply(struct smtpscope_state *state, enum smtpscope_verb verb, const struct smtpscope_command *command,
                        const struct smtpscope_reply *reply)
{
    bool good = reply->code >= 200 && reply->code < 300;

    switch (verb) {
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_HELO:
        if (good)
            state_hello(state, verb == SMTPSCOPE_VERB_EHLO ? SMTPSCOPE_HELLO_EHLO : SMTPSCOPE_HELLO_HELO, reply);
        break;
    case SMTPSCOPE_VERB_MAIL:
        if (good) {
            transaction_reset(state);
            state->transaction = true;
            state->binary = command->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_BINARYMIME);
        }
        break;
    case SMTPSCOPE_VERB_RCPT: state_rcpt(state, reply->code); break;
    case SMTPSCOPE_VERB_BDAT: state_bdat(state, command, reply->code); break;
    case SMTPSCOPE_VERB_EOD: transaction_reset(state); break;
    case SMTPSCOPE_VERB_RSET:
        if (good)
            transaction_reset(state);
        break;
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_ANSWER:
        if (good) {
            state->authenticated = true;
            state->doubt &= (uint8_t)~SMTPSCOPE_DOUBT_AUTH;
        }
        break;
    case SMTPSCOPE_VERB_QUIT: state->quit |= good; break;
    case SMTPSCOPE_VERB_XCLIENT:
        if (good) { /* the server begins anew, with a greeting */
            transaction_reset(state);
            state->hello = SMTPSCOPE_HELLO_NONE;
        }
        break;
    default: /* no other command changes the state */ break;
    }
}

static void exchange_tell(struct smtpscope_session *session, const struct smtpscope_command *command,
                          const struct smtpscope_reply *reply, const struct smtpscope_state *before,
                          const struct pending *entry, bool greeting)
{
    struct smtpscope_exchange exchange = {.index = session->exchanges++,
                                          .command = command,
                                          .reply = reply,
                                          .before = before,
                                          .after = &session->state,
                                          .greeting = greeting};

    if (entry) {
        exchange.behind = entry->behind;
        exchange.previous = (enum smtpscope_verb)entry->previous;
    }
    session->ready = reply->code == 220;
    fact_tell(session,
              &(struct smtpscope_fact){
                  .type = SMTPSCOPE_FACT_EXCHANGE, .time = reply->time, .packet = reply->packet, .exchange = &exchange});
}

static void greeting_arrived(struct smtpscope_session *session, const struct smtpscope_reply *reply)
{
    struct smtpscope_state before = session->state;
    const char *name = reply->first.at;
    size_t len = 0;

    while (len < reply->first.len && name[len] != ' ')
        len++;
    session->greeted = true;
    session->greeting_end = (uint32_t)(reply->end < UINT32_MAX ? reply->end : UINT32_MAX);
    session->name_hash = len ? (uint32_t)hash_octets(name, len, 0) : 0;
    session->state.greeting = reply->code / 100 == 2 ? SMTPSCOPE_GREETING_ACCEPTED : SMTPSCOPE_GREETING_REFUSED;
    if (!rare_of(session)->lost[SMTPSCOPE_CLIENT] && !rare_of(session)->lost[SMTPSCOPE_SERVER])
        session->state.doubt = 0;
    exchange_tell(session, &no_command, reply, &before, NULL, true);
}

/* A message is complete on the server's side: `session->transaction` holds it. */
static void message_answered(struct smtpscope_session *session, uint16_t code, uint32_t exchange)
{
    transaction_end(session, outcome_of(code), code, exchange);
}

static void bdat_answered(struct smtpscope_session *session, const struct smtpscope_command *command, uint16_t code,
                          uint32_t index)
{
    struct transaction *transaction = session->transaction;
    uint64_t sent = chunk_sent(session, command);
    bool refused = session->client == CLIENT_BDAT && rare_of(session)->bdat_offset == command->offset && !sent && code >= 400;

    if (session->rare)
        session->rare->bdat_refused = refused;
    if (!transaction || refused)
        return;
    transaction->bdat = transaction->sent = true;
    transaction->size += sent;
    if (code >= 400) { /* whatever the client does next, the message is refused: RFC 3030 2 */
        transaction->code = code;
        transaction->exchange = index;
    }
    if (!transaction->offset)
        transaction->offset = command->offset + command->len;
    if (command->last)
        message_answered(session, code, index);
}

/* What the held octets are, now that their command is answered. */
static enum client_mode mode_behind(enum smtpscope_verb verb, uint16_t code)
{
    if (verb == SMTPSCOPE_VERB_DATA && code == 354)
        return CLIENT_DATA;
    if (verb == SMTPSCOPE_VERB_STARTTLS && code == 220)
        return CLIENT_TLS_WAIT;
    if ((verb == SMTPSCOPE_VERB_AUTH || verb == SMTPSCOPE_VERB_ANSWER) && code == 334)
        return CLIENT_ANSWER;
    return CLIENT_COMMANDS;
}

static void consequences(struct smtpscope_session *session, enum smtpscope_verb verb, const struct smtpscope_command *command,
                         const struct smtpscope_reply *reply, uint32_t index)
{
    bool good = reply->code >= 200 && reply->code < 300;

    switch (verb) {
    case SMTPSCOPE_VERB_MAIL:
        if (good)
            transaction_begin(session, command);
        break;
    case SMTPSCOPE_VERB_RCPT:
        if (good)
            transaction_need(session);
        transaction_add(session, command, reply, index);
        break;
    case SMTPSCOPE_VERB_EOD: message_answered(session, reply->code, index); break;
    case SMTPSCOPE_VERB_BDAT: bdat_answered(session, command, reply->code, index); break;
    case SMTPSCOPE_VERB_RSET:
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_HELO:
    case SMTPSCOPE_VERB_XCLIENT:
        if (good)
            transaction_abandon(session);
        break;
    default: /* the others end no transaction */ break;
    }
}

static void hold_resolve(struct smtpscope_session *session, enum smtpscope_verb verb, uint16_t code)
{
    if (session->client != CLIENT_HOLDING || !verb_holds(verb))
        return;
    if (rare_of(session)->hold)
        session->rare->held_behind = (uint8_t)verb;
    if (verb == SMTPSCOPE_VERB_STARTTLS && code == 220)
        session->server = SERVER_TLS_WAIT;
    client_resolve(session, mode_behind(verb, code));
}

/* A reply to a command that the capture lost: what it says by itself is all that is known. */
static void lost_answered(struct smtpscope_session *session, uint64_t offset, struct smtpscope_reply *reply)
{
    struct smtpscope_state before = session->state;
    struct smtpscope_command command = no_command;
    enum smtpscope_verb verb = reply_implies(reply);

    secret_redact(session, reply, true);
    command.circumstances = SMTPSCOPE_COMMAND_LOST;
    command.offset = offset;
    command.time = reply->time; /* the nearest that is known: a transaction may begin with it */
    if (verb != SMTPSCOPE_VERB_BDAT && verb != SMTPSCOPE_VERB_NONE)
        state_apply(&session->state, verb, &command, reply);
    exchange_tell(session, &command, reply, &before, NULL, false);
    consequences(session, verb, &command, reply, session->exchanges - 1);
    if (reply->code == 354 && (session->client == CLIENT_COMMANDS || session->client == CLIENT_GUESSING))
        client_resolve(session, CLIENT_DATA);
    else if (reply->code == 334)
        session->client = CLIENT_ANSWER;
}

static void entry_answered(struct smtpscope_session *session, const struct pending *entry, struct smtpscope_reply *reply)
{
    struct smtpscope_state before = session->state;
    enum smtpscope_verb verb = (enum smtpscope_verb)entry->verb;
    uint32_t index = session->exchanges;
    struct smtpscope_command command;

    pending_read(session->queue, entry, &command);
    if (verb == SMTPSCOPE_VERB_AUTH || verb == SMTPSCOPE_VERB_ANSWER)
        secret_redact(session, reply, true);
    state_apply(&session->state, verb, &command, reply);
    exchange_tell(session, &command, reply, &before, entry, false);
    consequences(session, verb, &command, reply, index);
    queue_pop(session);
    hold_resolve(session, verb, reply->code);
}

static void unsolicited_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply)
{
    struct smtpscope_state before = session->state;

    secret_redact(session, reply, true);
    if (!(session->state.doubt & SMTPSCOPE_DOUBT_TRANSACTION))
        reply->oddities |= SMTPSCOPE_REPLY_UNSOLICITED;
    exchange_tell(session, &no_command, reply, &before, NULL, false);
}

/* No command waits for it. Where commands may be lost, a reply that names its command by itself shows where the session is. */
static void unexpected_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply)
{
    if (!(session->state.doubt & SMTPSCOPE_DOUBT_TRANSACTION) || reply_implies(reply) == SMTPSCOPE_VERB_NONE)
        unsolicited_arrived(session, reply);
    else
        lost_answered(session, session->next[SMTPSCOPE_CLIENT], reply);
}

/* What was guessed to be a message is none: the reply says that the server is among commands. */
static void guess_revoke(struct smtpscope_session *session)
{
    transaction_free(session, session->transaction);
    session->transaction = NULL;
    session->client = CLIENT_GUESSING;
}

/* The message's end was lost, or the server did not wait for it. */
static void data_answered(struct smtpscope_session *session, struct smtpscope_reply *reply)
{
    struct smtpscope_state before = session->state;
    struct smtpscope_command eod = no_command;
    struct transaction *transaction = session->transaction;
    bool lost = (transaction->oddities & SMTPSCOPE_DATA_GAP) || transaction->doubtful;
    bool taken = tail_has_commands(transaction) && reply->code < 400;

    eod.verb = SMTPSCOPE_VERB_EOD;
    if (reply->code == 421 || (reply->code < 400 && !lost && !taken)) {
        unsolicited_arrived(session, reply);
        if (reply->code == 421) {
            transaction->closing = true;
            transaction->exchange = session->exchanges - 1;
        }
        return;
    }
    if (!lost && !taken)
        reply->oddities |= SMTPSCOPE_REPLY_EARLY;
    state_apply(&session->state, SMTPSCOPE_VERB_EOD, &eod, reply);
    exchange_tell(session, &eod, reply, &before, NULL, false);
    if (lost || taken) {
        session->client = CLIENT_COMMANDS;
        message_answered(session, reply->code, session->exchanges - 1);
        if (taken)
            client_replay(session, suspect_end(session, true));
        return;
    }
    transaction->oddities |= SMTPSCOPE_DATA_EARLY_REPLY;
    transaction->outcome = outcome_of(reply->code) & 7;
    transaction->code = reply->code;
    transaction->exchange = session->exchanges - 1;
    session->early_reply = true;
}

/* Two replies to what a strict reader calls one message: the server took the look-alike for its end. */
static void suspect_check(struct smtpscope_session *session, const struct smtpscope_reply *reply)
{
    struct kept *tail;
    bool taken;

    if (!rare_of(session)->suspect)
        return;
    taken = session->queue ? !reply_fits((enum smtpscope_verb)queue_first(session)->verb, reply->code, reply_implies(reply))
                           : reply->code != 421;
    tail = suspect_end(session, taken);
    if (tail)
        client_replay(session, tail);
}

static bool is_greeting(const struct smtpscope_session *session, const struct smtpscope_reply *reply)
{
    if (session->greeted || !reply->code)
        return false;
    if (session->flow->midstream || rare_of(session)->lost[SMTPSCOPE_SERVER])
        return reply->code == 220 && !session->client_seen && !rare_of(session)->lost[SMTPSCOPE_CLIENT];
    return true;
}

void reply_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply, uint64_t acked)
{
    struct pending *entry;

    if (reply->code == 334) /* to whatever: what follows answers it */
        session->secret = true;
    secret_redact(session, reply, false);
    suspect_check(session, reply);
    if (is_greeting(session, reply)) {
        greeting_arrived(session, reply);
        return;
    }
    session->greeted = true;
    if (!reply->code) {
        unsolicited_arrived(session, reply);
        return;
    }
    if (session->client == CLIENT_DATA && !session->queue && session->transaction && !session->early_reply) {
        if (reply_implies(reply) == SMTPSCOPE_VERB_NONE) {
            data_answered(session, reply);
            return;
        }
        if (session->transaction->doubtful)
            guess_revoke(session);
    }
    entry = queue_match(session, reply, acked);
    if (!entry) {
        unexpected_arrived(session, reply);
    } else if (entry->circumstances & SMTPSCOPE_COMMAND_LOST) {
        entry->absorbed = true;
        lost_answered(session, pending_offset(session->queue, entry), reply);
    } else {
        entry_answered(session, entry, reply);
    }
}
