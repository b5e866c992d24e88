/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reply meets its command. What the reply makes of the server's state is computed first, then the exchange is told, and
 * only then its consequences happen: held octets are read, a message ends, TLS begins.
 */
#include "pairing.h"

#include "alien.h"
#include "chunk.h"
#include "client.h"
#include "proxy_header.h"
#include "smtp/matching/match.h"
#include "smtp/matching/message_replies.h"
#include "smtp/shown/shown.h"
#include "smtp/state/queue.h"
#include "smtp/state/state.h"
#include "smtp/state/transaction.h"
#include "smtp/state/turn.h"
#include "smtp/state/undecided.h"
#include "smtp/syntax/command.h"
#include "smtp/syntax/offer.h"
#include "smtp/syntax/verbs.h"

#include <string.h>

/* A server that answers so much later, with 4yz, gives up waiting. */
#define PATIENCE (60 * SMTPSCOPE_SECOND)

static const struct smtpscope_command no_command = {
    .verb = SMTPSCOPE_VERB_NONE, .name = {"", 0}, .argument = {"", 0}, .path = {"", 0}, .unknown_parameter = {"", 0}};

/* Counts the exchange, of which its maker has set all that is not the session's, and tells it. Returns its index. */
static uint32_t exchange_tell(struct smtpscope_session *session, struct smtpscope_exchange exchange)
{
    struct smtpscope_reply shown = *exchange.reply;

    reply_show(session, exchange.command, exchange.greeting, &shown);
    exchange.reply = &shown;
    exchange.index = session->exchanges++;
    exchange.after = &session->state;
    exchange.likely |= session->unsure;
    session->last_was_220 = exchange.reply->code == 220;
    fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_EXCHANGE,
                                                .time = exchange.reply->time,
                                                .packet = exchange.reply->packet,
                                                .exchange = &exchange});
    return exchange.index;
}

static bool is_good(const struct smtpscope_reply *reply)
{
    return reply->code >= 200 && reply->code < 300;
}

/* What a reply to the verb advertises, read into `offer`; NULL when it is no such reply. */
static const struct smtpscope_offer *offer_of(enum smtpscope_verb verb, const struct smtpscope_reply *reply,
                                              struct smtpscope_offer *offer)
{
    if (!smtpscope_verb_hello(verb) || !is_good(reply))
        return NULL;
    *offer = offer_read(reply);
    return offer;
}

/* Half of the greeting at least, and as much as no server's own decoration has. */
static bool is_masked(const struct smtpscope_text *text)
{
    size_t masked = 0;

    for (size_t i = 0; i < text->len; i++)
        masked += text->at[i] == '*';
    return masked >= 8 && masked * 2 >= text->len;
}

static void greeting_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply)
{
    struct smtpscope_state before = session->state;
    struct smtpscope_text name = {reply->first.at, 0};

    while (name.len < reply->first.len && name.at[name.len] != ' ')
        name.len++;
    if (is_masked(&reply->text))
        reply->oddities |= SMTPSCOPE_REPLY_MASKED;
    session->greeted = true;
    session->greeting_end = (uint32_t)(reply->end < UINT32_MAX ? reply->end : UINT32_MAX);
    session->name_hash = name_hash(&name);
    session->state.greeting = reply->code / 100 == 2 ? SMTPSCOPE_GREETING_ACCEPTED : SMTPSCOPE_GREETING_REFUSED;
    if (!extra_of(session)->lost[SMTPSCOPE_CLIENT] && !extra_of(session)->lost[SMTPSCOPE_SERVER])
        session->state.doubt = 0;
    exchange_tell(session, (struct smtpscope_exchange){
                               .command = &no_command, .reply = reply, .before = &before, .greeting = !before.turned});
}

/* A message is complete on the server's side: `session->transaction` holds it. */
static void message_answered(struct smtpscope_session *session, uint16_t code, uint32_t exchange)
{
    message_replies_end(session, &code, &exchange);
    transaction_end(session, outcome_of(code), code, exchange);
}

static void bdat_answered(struct smtpscope_session *session, const struct smtpscope_command *command, uint16_t code,
                          uint32_t index)
{
    struct transaction *transaction = session->transaction;
    uint64_t sent = chunk_sent(session, command);
    bool refused = session->client == CLIENT_BDAT && extra_of(session)->bdat_offset == command->offset && !sent && code >= 400;

    if (session->extra)
        session->extra->bdat_refused = refused;
    if (!transaction || refused || (code == 503 && !transaction->bdat && !transaction->recipients_accepted))
        return; /* no part of a message to the server, which says that there is none yet */
    transaction->bdat = transaction->sent = true;
    transaction->size += sent;
    if (code >= 400 &&
        !(command->last && session->state.lmtp)) { /* whatever the client does next, the message is refused: RFC 3030 2 */
        transaction->code = code;
        transaction->exchange = index;
    }
    if (!transaction->offset)
        transaction->offset = command->offset + command->len;
    if (command->last)
        message_answered(session, code, index);
}

/* What the held octets are, now that their command is answered. */
static enum client_mode mode_behind(const struct smtpscope_session *session, enum smtpscope_verb verb, uint16_t code)
{
    if (verb == SMTPSCOPE_VERB_DATA && code == 354)
        return CLIENT_DATA;
    if (verb == SMTPSCOPE_VERB_XEXCH50 && code == 354 && extra_of(session)->bdat_left)
        return CLIENT_BLOB;
    if (verb == SMTPSCOPE_VERB_STARTTLS && code == 220)
        return CLIENT_TLS_WAIT;
    if ((smtpscope_verb_is_login(verb) || verb == SMTPSCOPE_VERB_ANSWER) && code == 334)
        return CLIENT_ANSWER;
    return CLIENT_COMMANDS;
}

/* A refusal of DATA ends the transaction's hope of a message, unless the client tries again; without recipients it says no more. */
static void data_begins(struct smtpscope_session *session, uint16_t code, uint32_t index)
{
    struct transaction *transaction = session->transaction;

    if (!transaction || transaction->sent)
        return;
    transaction->code = code >= 400 && transaction->recipients_accepted ? code : 0;
    transaction->exchange = transaction->code ? index : UINT32_MAX;
}

static void consequences(struct smtpscope_session *session, enum smtpscope_verb verb, const struct smtpscope_command *command,
                         const struct smtpscope_reply *reply, uint32_t index)
{
    bool good = is_good(reply);

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
    case SMTPSCOPE_VERB_DATA: data_begins(session, reply->code, index); break;
    case SMTPSCOPE_VERB_EOD: message_answered(session, reply->code, index); break;
    case SMTPSCOPE_VERB_BURL:
    case SMTPSCOPE_VERB_BDAT: bdat_answered(session, command, reply->code, index); break;
    case SMTPSCOPE_VERB_XEXCH50:
        if (reply->code == 354 && extra_need(session))
            session->extra->bdat_left = command->declared_size;
        break;
    case SMTPSCOPE_VERB_RSET:
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_LHLO:
    case SMTPSCOPE_VERB_HELO:
    case SMTPSCOPE_VERB_XCLIENT:
        if (good)
            transaction_abandon(session);
        break;
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_XEXPS:
    case SMTPSCOPE_VERB_ANSWER:
        if (good)
            session->secret = false; /* a client that was let in answers no more: what is no command is an unknown one */
        break;
    default: /* the others end no transaction */ break;
    }
}

static void hold_resolve(struct smtpscope_session *session, enum smtpscope_verb verb, uint16_t code)
{
    if (session->client != CLIENT_HOLDING || !verb_holds(verb))
        return;
    if (extra_of(session)->hold)
        session->extra->held_behind = (uint8_t)verb;
    if (verb == SMTPSCOPE_VERB_STARTTLS && code == 220)
        session->server = SERVER_TLS_WAIT;
    client_resolve(session, mode_behind(session, verb, code));
}

/* A reply to a command that the capture lost: what it says by itself is all that is known. */
static void lost_answered(struct smtpscope_session *session, uint64_t offset, struct smtpscope_reply *reply)
{
    struct smtpscope_state before = session->state;
    struct smtpscope_command command = no_command;
    enum smtpscope_verb verb = anchor_of(reply).likely;
    struct smtpscope_offer room;
    const struct smtpscope_offer *offer = offer_of(verb, reply, &room);
    uint32_t index;

    command.circumstances = SMTPSCOPE_COMMAND_LOST;
    command.offset = offset;
    command.time = reply->time; /* the nearest that is known: a transaction may begin with it */
    if (verb != SMTPSCOPE_VERB_BDAT && verb != SMTPSCOPE_VERB_NONE)
        state_apply(&session->state, verb, &command, reply, offer);
    index = exchange_tell(session,
                          (struct smtpscope_exchange){.command = &command, .reply = reply, .before = &before, .offer = offer});
    consequences(session, verb, &command, reply, index);
    if (reply->code == 354 && (client_is_among_commands(session) || session->client == CLIENT_RESYNC))
        client_resolve(session, CLIENT_DATA);
    else if (reply->code == 334)
        client_enter(session, CLIENT_ANSWER);
}

/*
 * The first command in clear behind the 220 to STARTTLS. A server that withdraws STARTTLS in its next offer has seen a handshake:
 * then the capture was taken where TLS is taken off, and nobody is to blame.
 */
static void clear_explain(struct smtpscope_session *session, const struct smtpscope_command *command,
                          const struct smtpscope_offer *offer)
{
    uint64_t starttls = SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS);
    bool withdrawn = offer && offer->extensions && session->state.extensions & starttls && !(offer->extensions & starttls);

    session->clear_behind_220 = false;
    if (withdrawn) {
        state_tls(&session->state);
        session->not_followed = false;
    }
    fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_TLS,
                                                .time = command->time,
                                                .packet = command->packet,
                                                .tls = withdrawn ? SMTPSCOPE_TLS_BY_CAPTURE : SMTPSCOPE_TLS_NOT_FOLLOWED});
}

void clear_unanswered(struct smtpscope_session *session)
{
    struct smtpscope_command command;

    if (!session->clear_behind_220 || !session->queue)
        return;
    pending_read(session->queue, queue_first(session), &command);
    clear_explain(session, &command, NULL);
}

static void entry_answered(struct smtpscope_session *session, struct pending *entry, struct smtpscope_reply *reply)
{
    enum smtpscope_verb verb = (enum smtpscope_verb)entry->verb;
    struct smtpscope_state before;
    struct smtpscope_offer room;
    const struct smtpscope_offer *offer = offer_of(verb, reply, &room);
    struct smtpscope_command command;
    uint32_t index;

    pending_read(session->queue, entry, &command);
    if (session->state.doubt & SMTPSCOPE_DOUBT_AUTH && reply_is_about_auth(reply->code))
        command_hide(&command);
    if (session->clear_behind_220)
        clear_explain(session, &command, offer);
    before = session->state;
    if (entry->silent && reply->code >= 400)
        proxy_header_decided(session, SMTPSCOPE_PROXY_REFUSED);
    entry->more = message_replies_go_on(session, entry, reply, session->exchanges);
    if (!entry->more)
        state_apply(&session->state, verb, &command, reply, offer);
    index = exchange_tell(session, (struct smtpscope_exchange){.command = &command,
                                                               .reply = reply,
                                                               .before = &before,
                                                               .offer = offer,
                                                               .behind = entry->behind,
                                                               .previous = (enum smtpscope_verb)entry->previous});
    if (entry->more || entry->silent)
        return;
    consequences(session, verb, &command, reply, index);
    queue_pop(session);
    hold_resolve(session, verb, reply->code);
    if ((verb == SMTPSCOPE_VERB_ATRN || verb == SMTPSCOPE_VERB_TURN) && reply->code == 250)
        session_turn(session);
}

/* Could it as well be the answer to the last command, and the reply before it have come unasked? */
static bool is_second(const struct smtpscope_session *session, const struct smtpscope_reply *reply)
{
    struct anchor anchor = anchor_of(reply);

    return !session->last_named && reply->code < 400 &&
           fit_of_verb((enum smtpscope_verb)session->last_verb, reply, &anchor) >= FIT_MAY;
}

/* May commands have been sent in a gap of the message whose end was not seen? */
static bool is_torn(const struct smtpscope_session *session)
{
    return session->transaction && session->transaction->oddities & SMTPSCOPE_DATA_GAP;
}

static void unsolicited_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply)
{
    struct smtpscope_state before = session->state;

    if (!(session->state.doubt & SMTPSCOPE_DOUBT_TRANSACTION))
        reply->oddities |= SMTPSCOPE_REPLY_UNSOLICITED;
    exchange_tell(session, (struct smtpscope_exchange){.command = &no_command,
                                                       .reply = reply,
                                                       .before = &before,
                                                       .likely = is_second(session, reply) || is_torn(session)});
    session->last_named = true; /* nothing more is expected of the last command */
}

/* No command waits for it. Where commands may be lost, a reply that names its command by itself shows where the session is. */
static void unexpected_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply)
{
    if (!(session->state.doubt & SMTPSCOPE_DOUBT_TRANSACTION) || anchor_of(reply).likely == SMTPSCOPE_VERB_NONE)
        unsolicited_arrived(session, reply);
    else
        lost_answered(session, session->next[SMTPSCOPE_CLIENT], reply);
}

/* What was guessed to be a message is none: the reply says that the server is among commands. */
static void resync_revoke(struct smtpscope_session *session)
{
    transaction_free(session, session->transaction);
    session->transaction = NULL;
    client_enter(session, CLIENT_RESYNC);
}

/*
 * The client sent a look-alike of the end, stopped behind it, and has its reply: whatever RFC 5321 4.1.1.4 says, that was the end
 * to both. A server that gives up waiting says so too, but not soon.
 */
static bool client_stopped(const struct smtpscope_session *session, const struct smtpscope_reply *reply, uint64_t acked)
{
    const struct transaction *transaction = session->transaction;
    const struct held_octets *tail = transaction->oddity ? transaction->oddity->tail : NULL;

    if (!tail || tail->total > tail->len || acked < tail->origin.offset ||
        (reply->code / 100 == 4 && reply->time - tail->origin.time > PATIENCE))
        return false;
    for (size_t i = 0; i < tail->len; i++)
        if (tail->at[i] != '\r' && tail->at[i] != '\n')
            return false;
    return true;
}

/* The look-alike ends the message, and what little is behind it are commands. */
static void message_ends_at_tail(struct smtpscope_session *session, uint16_t code)
{
    struct transaction *transaction = session->transaction;
    struct held_octets *tail = transaction->oddity->tail;

    transaction->oddity->tail = NULL;
    transaction_scanned(session, transaction);
    transaction->oddities &= (uint16_t)~SMTPSCOPE_DATA_LOOKALIKE;
    transaction->lookalike = SMTPSCOPE_LOOKALIKE_NONE;
    transaction->size = tail->origin.offset - transaction->offset;
    client_enter(session, CLIENT_COMMANDS);
    message_answered(session, code, session->exchanges - 1);
    client_octets(session, tail->at, tail->len, tail->origin);
    held_free(session, &tail);
}

/* It goes on inside the message: a reply that nothing asked for, or the word that the server closes. */
static void data_interrupted(struct smtpscope_session *session, struct smtpscope_reply *reply)
{
    unsolicited_arrived(session, reply);
    if (reply->code != 421)
        return;
    session->transaction->closing = true;
    session->transaction->exchange = session->exchanges - 1;
}

/* The message's end was lost, or is none by RFC 5321, or the server did not wait for it. */
static void data_answered(struct smtpscope_session *session, struct smtpscope_reply *reply, uint64_t acked)
{
    struct smtpscope_state before = session->state;
    struct smtpscope_command eod = no_command;
    struct transaction *transaction = session->transaction;
    bool lost = (transaction->oddities & SMTPSCOPE_DATA_GAP) || transaction->doubtful;
    bool taken = tail_has_commands(transaction) && reply->code < 400;
    bool stopped = !lost && reply->code != 421 && client_stopped(session, reply, acked);
    /* A server may answer the dot and its CR before the LF has come: that belongs to the end all the same. */
    bool early = !lost && scan_lacks_line_feed(transaction->scan) && acked >= session->next[SMTPSCOPE_CLIENT];

    eod.verb = SMTPSCOPE_VERB_EOD;
    /* A client that closed inside its message has ended nothing: the server says what it makes of that. Its FIN counts as one. */
    if (reply->code == 421 || (acked > session->next[SMTPSCOPE_CLIENT] && !lost && !taken) ||
        (reply->code < 400 && !lost && !taken && !stopped && !early)) {
        data_interrupted(session, reply);
        return;
    }
    state_apply(&session->state, SMTPSCOPE_VERB_EOD, &eod, reply, NULL);
    exchange_tell(session, (struct smtpscope_exchange){.command = &eod, .reply = reply, .before = &before});
    if (stopped) {
        message_ends_at_tail(session, reply->code);
    } else if (lost || taken) {
        client_enter(session, CLIENT_COMMANDS);
        message_answered(session, reply->code, session->exchanges - 1);
        if (taken)
            client_replay(session, maybe_smuggled_end(session, true));
    } else {
        transaction->outcome = outcome_of(reply->code) & 7;
        transaction->code = reply->code;
        transaction->exchange = session->exchanges - 1;
        session->early_reply = true;
    }
}

/* Two replies to what a strict reader calls one message: the server took the look-alike for its end. */
static void maybe_smuggled_check(struct smtpscope_session *session, const struct smtpscope_reply *reply)
{
    const struct pending *first = queue_first(session);
    struct held_octets *tail;
    struct anchor anchor;
    bool taken;

    if (!extra_of(session)->maybe_smuggled)
        return;
    anchor = anchor_of(reply);
    taken = first ? fit_of_verb((enum smtpscope_verb)first->verb, reply, &anchor) < FIT_MAY : reply->code != 421;
    tail = maybe_smuggled_end(session, taken);
    if (tail)
        client_replay(session, tail);
}

static bool is_greeting(const struct smtpscope_session *session, const struct smtpscope_reply *reply)
{
    if (session->greeted || !reply->code)
        return false;
    if (session->flow->midstream || extra_of(session)->lost[SMTPSCOPE_SERVER])
        return reply->code == 220 && !session->client_seen && !extra_of(session)->lost[SMTPSCOPE_CLIENT];
    /* It may be before the first of the server's octets that we have. */
    return !session->flow->unbegun || reply->code == 220 || !session->client_seen;
}

/* "User Name" and "Password" are what AUTH LOGIN asks for, in base64. */
static void challenge_arrived(struct smtpscope_session *session, const struct smtpscope_text *text)
{
    session->secret = true;
    if (text->len >= 5 && (!memcmp(text->at, "VXNlc", 5) || !memcmp(text->at, "dXNlc", 5)))
        session->user_next = true;
    else if (text->len)
        session->user_next = false;
}

/* A later command is answered: this one got no reply. It is told unless its reply may be among what the capture lacks. */
static void first_passed(struct smtpscope_session *session)
{
    const struct pending *first = queue_first(session);
    struct smtpscope_command command;

    if (first->silent) {
        proxy_header_decided(session, SMTPSCOPE_PROXY_ACCEPTED);
        queue_pass(session);
    } else if (first->more) { /* the rest of its replies does not come */
        state_message_end(&session->state);
        message_replies_cut(session);
        queue_pop(session);
    } else if (first->maybe_answered || (first->circumstances & SMTPSCOPE_COMMAND_LOST)) {
        queue_pop(session);
    } else {
        pending_read(session->queue, first, &command);
        command.circumstances |= SMTPSCOPE_COMMAND_PASSED;
        session->state.doubt |= state_doubt(command.verb) & 0xff;
        fact_tell(session,
                  &(struct smtpscope_fact){
                      .type = SMTPSCOPE_FACT_UNANSWERED, .time = command.time, .packet = command.packet, .command = &command});
        queue_pass(session);
    }
}

static void match_answered(struct smtpscope_session *session, const struct reply_match *match, struct smtpscope_reply *reply)
{
    struct pending *entry = match->entry;

    while (queue_first(session) != entry)
        first_passed(session);
    queue_answered(session);
    session->unsure = match->likely || (session->unsure && match->fit != FIT_NAMES);
    session->last_verb = entry->verb;
    session->last_named = match->fit == FIT_NAMES;
    if (entry->circumstances & SMTPSCOPE_COMMAND_LOST) {
        entry->answered_as_lost = true;
        lost_answered(session, pending_offset(session->queue, entry), reply);
        return;
    }
    entry_answered(session, entry, reply);
    session->unsure &= session->queue != NULL; /* each has had a reply: we are in step */
}

/*
 * The reply cannot be the answer that holds the client's octets back, and the client did not wait for that: when what it sent
 * begins with a command, the server has read it as one.
 */
static bool hold_is_commands(const struct smtpscope_session *session, const struct reply_match *match)
{
    const struct held_octets *hold = extra_of(session)->hold;

    return session->client == CLIENT_HOLDING && hold && hold->begin < hold->len &&
           (!match->entry || (verb_holds((enum smtpscope_verb)match->entry->verb) && match->fit < FIT_MAY)) &&
           command_is_known(hold->at + hold->begin, hold->len - hold->begin);
}

static void reply_read(struct smtpscope_session *session, struct smtpscope_reply *reply, struct reply_evidence evidence)
{
    struct reply_match match = {0};

    evidence.reply = reply;
    if (session->queue)
        match = match_reply(session, &evidence);
    if (session->queue && hold_is_commands(session, &match)) {
        client_resolve(session, CLIENT_COMMANDS);
        match = match_reply(session, &evidence);
    }
    if (match.open && undecided_hold(session, reply, evidence.acked))
        return;
    if (match.entry)
        match_answered(session, &match, reply);
    else
        unexpected_arrived(session, reply);
}

void reply_decide(struct smtpscope_session *session, enum aftermath aftermath, const struct smtpscope_reply *next,
                  uint64_t next_acked)
{
    struct undecided *undecided = undecided_release(session);

    if (!undecided)
        return;
    reply_read(
        session, &undecided->reply,
        (struct reply_evidence){.acked = undecided->acked, .aftermath = aftermath, .next = next, .next_acked = next_acked});
    undecided_free(session, undecided);
}

void client_goes_on(struct smtpscope_session *session, uint64_t acked)
{
    const struct undecided *undecided = extra_of(session)->undecided;

    if (undecided && acked >= undecided->reply.end)
        reply_decide(session, AFTERMATH_CLIENT, NULL, 0);
}

/* What a reply says of the one before: that the server goes on to answer; or, when it gives up waiting, nothing. */
static enum aftermath aftermath_of(const struct smtpscope_session *session, const struct smtpscope_reply *next)
{
    const struct undecided *undecided = extra_of(session)->undecided;
    bool late = undecided && next->time - undecided->reply.time > PATIENCE;

    return next->code == 421 || (late && next->code / 100 == 4) ? AFTERMATH_END : AFTERMATH_REPLY;
}

void reply_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply, uint64_t acked)
{
    enum smtpscope_verb likely;

    reply_decide(session, aftermath_of(session, reply), reply, acked);
    session->replied = true;
    if (reply->code == 334) /* to whatever: what follows answers it */
        challenge_arrived(session, &reply->text);
    maybe_smuggled_check(session, reply);
    if (!session->greeted)
        alien_check_greeting(session, reply);
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
        likely = anchor_of(reply).likely;
        if (likely == SMTPSCOPE_VERB_NONE || likely == SMTPSCOPE_VERB_EOD) {
            data_answered(session, reply, acked);
            return;
        }
        if (session->transaction->doubtful)
            resync_revoke(session);
    }
    reply_read(session, reply, (struct reply_evidence){.acked = acked});
}
