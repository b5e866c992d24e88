/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session from its first octet to its close. The two directions are read by client.c and server.c; pairing.c joins them.
 * Nothing here judges: see src/rules.
 */
#include "chunk.h"
#include "client.h"
#include "pairing.h"
#include "proxy_header.h"
#include "server.h"
#include "smtp/shown/secret.h"
#include "smtp/state/held_octets.h"
#include "smtp/state/queue.h"
#include "smtp/state/state.h"
#include "smtp/state/transaction.h"
#include "smtp/state/turn.h"
#include "smtp/state/undecided.h"
#include "start.h"

#include "base/memory.h"

static void extra_free(struct smtpscope_session *session)
{
    if (!session->extra)
        return;
    held_free(session, &session->extra->line[0]);
    held_free(session, &session->extra->line[1]);
    held_free(session, &session->extra->hold);
    transaction_free(session, session->extra->maybe_smuggled);
    secrets_free(session);
    undecided_free(session, session->extra->undecided);
    memory_free(session->config->allocator, session->extra->proxy);
    memory_free(session->config->allocator, session->extra);
}

void session_init(struct smtpscope_session *session, const struct smtpscope_session_config *config,
                  const struct smtpscope_flow *flow)
{
    session->config = config;
    session->flow = flow;
    client_enter(session, CLIENT_PREFACE);
    if (flow->midstream) {
        session->state.doubt = SMTPSCOPE_DOUBT_ALL;
        client_enter(session, CLIENT_RESYNC);
        session->resync = session->unanchored = true;
    }
}

void session_open(struct smtpscope_session *session, void *user)
{
    const struct smtpscope_flow *flow = session->flow;

    session->user = user;
    fact_tell(session, &(struct smtpscope_fact){
                           .type = SMTPSCOPE_FACT_OPEN, .time = flow->first_time, .packet = flow->first_packet, .flow = flow});
}

void session_fini(struct smtpscope_session *session)
{
    queue_free(session);
    reply_lines_free(session);
    transaction_free(session, session->transaction);
    extra_free(session);
}

struct smtpscope_session *smtpscope_session_new(const struct smtpscope_session_config *config,
                                                const struct smtpscope_flow *flow, void *user)
{
    struct smtpscope_session *session = memory_new(config->allocator, sizeof *session);

    if (!session)
        return NULL;
    session_init(session, config, flow);
    session_open(session, user);
    return session;
}

void smtpscope_session_free(struct smtpscope_session *session)
{
    if (!session)
        return;
    session_fini(session);
    memory_free(session->config->allocator, session);
}

void *smtpscope_session_user(const struct smtpscope_session *session)
{
    return session->user;
}

const struct smtpscope_flow *smtpscope_session_flow(const struct smtpscope_session *session)
{
    return session->flow;
}

uint64_t smtpscope_session_offset(const struct smtpscope_session *session, enum smtpscope_side side)
{
    return session->next[role_of(session, side)];
}

const struct smtpscope_ending *smtpscope_session_ending(const struct smtpscope_session *session)
{
    return session->closing ? session->ending : NULL;
}

const struct smtpscope_state *smtpscope_session_state(const struct smtpscope_session *session)
{
    return &session->state;
}

/* Shorter pauses are no stalls, but the round trips and the work of any session. */
#define PAUSE (1 * SMTPSCOPE_SECOND)

static bool is_in_message(const struct smtpscope_session *session)
{
    return session->client == CLIENT_DATA || session->client == CLIENT_BDAT;
}

/*
 * Who had to speak, where TCP had nothing to do with the pause, and only then: a client that keeps a connection open between two
 * transactions owes nothing. What a side breaks the silence with is what it owed; a server that does so unasked has waited in vain.
 */
static void stall_of_smtp(const struct smtpscope_session *session, enum smtpscope_side side, struct smtpscope_stall *stall)
{
    bool asked = queue_first(session) || !session->greeted;

    if (session->client == CLIENT_OPAQUE)
        return;
    if (side == SMTPSCOPE_SERVER && asked && !is_in_message(session)) {
        stall->kind = SMTPSCOPE_STALL_REPLY;
        stall->side = SMTPSCOPE_SERVER;
    } else if (is_in_message(session) || (session->state.transaction && !asked)) {
        stall->kind = SMTPSCOPE_STALL_SENDER;
        stall->side = SMTPSCOPE_CLIENT;
    }
}

/* Tells it if it is one. A session begins with the wait for the greeting. */
static void stall_look(struct smtpscope_session *session, enum smtpscope_side role, const struct smtpscope_octets *octets)
{
    const struct smtpscope_stall *hindrance = octets->hindrance;
    smtpscope_time since = session->last_octets ? session->last_octets : session->flow->first_time;
    struct smtpscope_stall stall = {.since = since, .lasted = octets->time - since};

    if (stall.lasted < PAUSE)
        return;

    if (hindrance && hindrance->since + hindrance->lasted > since) {
        stall.kind = hindrance->kind;
        stall.side = role_of(session, hindrance->side);
    } else if (octets->acked <= session->next[!role]) { /* else the other side has closed, and nobody waits */
        stall_of_smtp(session, role, &stall);
    }
    if (stall.kind)
        fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_STALL,
                                                    .time = octets->time,
                                                    .packet = octets->packet,
                                                    .stall = &stall,
                                                    .in_message = is_in_message(session),
                                                    .breaks = role});
}

void smtpscope_session_feed(struct smtpscope_session *session, const struct smtpscope_octets *octets)
{
    struct octet_origin origin = {
        .offset = octets->offset, .acked = octets->acked, .packet = octets->packet, .time = octets->time};
    enum smtpscope_side role = role_of(session, octets->side);

    if (!side_is_opaque(session, role))
        session->next[role] = octets->offset + octets->len;
    if (octets->time - session->last_octets >= PAUSE)
        stall_look(session, role, octets);
    session->last_octets = octets->time;
    if (session->unanchored && start_takes(session, octets->side, (const char *)octets->data, octets->len, &origin)) {
        session->client_seen |= octets->side == SMTPSCOPE_CLIENT;
        return;
    }
    if (role == SMTPSCOPE_CLIENT) {
        session->client_seen = true;
        client_octets(session, (const char *)octets->data, octets->len, origin);
    } else {
        server_octets(session, (const char *)octets->data, octets->len, origin);
    }
}

static const char *gap_phase(const struct smtpscope_session *session, enum smtpscope_side side)
{
    if (side_is_opaque(session, side))
        return "tls";
    if (side == SMTPSCOPE_SERVER)
        return "replies";
    return session->client == CLIENT_DATA || session->client == CLIENT_BDAT ? "message" : "commands";
}

void smtpscope_session_gap(struct smtpscope_session *session, const struct smtpscope_gap *gap)
{
    enum smtpscope_side side = role_of(session, gap->side);
    struct octet_origin origin = {
        .offset = gap->offset, .acked = session->next[!side], .packet = gap->packet, .time = gap->time};

    reply_decide(session, AFTERMATH_END, NULL, 0);
    if (!side_is_opaque(session, side) && extra_need(session))
        session->extra->lost[side] += gap->len;
    fact_tell(session, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_GAP,
                                                .time = gap->time,
                                                .packet = gap->packet,
                                                .gap = gap,
                                                .phase = gap_phase(session, side)});
    session->user_next &= side != SMTPSCOPE_CLIENT; /* it may have been what is missing */
    if (side == SMTPSCOPE_CLIENT)
        client_gap(session, gap->len, &origin);
    else
        server_gap(session);
    if (side_is_opaque(session, side))
        return;
    session->next[side] = gap->offset + gap->len;
    session->unanchored = true;
}

void smtpscope_session_conflict(struct smtpscope_session *session, const struct smtpscope_gap *gap)
{
    fact_tell(session, &(struct smtpscope_fact){
                           .type = SMTPSCOPE_FACT_CONFLICT, .time = gap->time, .packet = gap->packet, .gap = gap, .phase = ""});
}

void smtpscope_session_urgent(struct smtpscope_session *session, const struct smtpscope_gap *gap)
{
    fact_tell(session, &(struct smtpscope_fact){
                           .type = SMTPSCOPE_FACT_URGENT, .time = gap->time, .packet = gap->packet, .gap = gap, .phase = ""});
}

void smtpscope_session_clock_stepped(struct smtpscope_session *session, smtpscope_time delta)
{
    session->last_octets += delta;
    if (session->queue)
        queue_clock_stepped(session->queue, delta);
}

void smtpscope_session_decrypted(struct smtpscope_session *session)
{
    client_enter(session, CLIENT_COMMANDS);
    session->server = SERVER_REPLIES;
    session->cut = session->resync = session->secret = session->last_was_220 = false;
    while (queue_first(session)) /* their replies were lost in clear */
        queue_pop(session);
    state_tls(&session->state);
    session->state.doubt &= SMTPSCOPE_DOUBT_AUTH;
}

/*
 * TCP shows that the server lacks the end of what the client has sent: it goes on to acknowledge what stands before that, however
 * often the client sends it again.
 */
static bool is_end_lacking(const struct smtpscope_ending *ending)
{
    const struct smtpscope_network_side *client = ending->network ? &ending->network->side[SMTPSCOPE_CLIENT] : NULL;

    return client && ending->seen[SMTPSCOPE_SERVER] &&
           (client->not_arrived || (client->unacked_heard && client->unacked_tries >= SMTPSCOPE_UNACKED_MANY));
}

/* What becomes of a message whose reply will not come. One whose end was not captured may have gone on. */
static void message_close(struct smtpscope_session *session, const struct smtpscope_ending *ending)
{
    bool seen = ending->why != SMTPSCOPE_CLOSE_END && ending->why != SMTPSCOPE_CLOSE_EVICTED;
    bool complete = false, bdat = session->client == CLIENT_BDAT;
    struct transaction *transaction = session->transaction;

    for (struct pending *entry = queue_first(session); entry; entry = pending_next(session->queue, entry)) {
        complete |= entry->verb == SMTPSCOPE_VERB_EOD || (entry->verb == SMTPSCOPE_VERB_BDAT && entry->is_last);
        bdat |= entry->verb == SMTPSCOPE_VERB_BDAT;
        if (transaction && entry->verb == SMTPSCOPE_VERB_BDAT) {
            struct smtpscope_command command;

            pending_read(session->queue, entry, &command);
            transaction->size += chunk_sent(session, &command);
        }
    }
    if (!transaction)
        return;
    if (bdat && !transaction->sent)
        transaction->sent = transaction->bdat = true;
    if (transaction->code)
        transaction_end(session, outcome_of(transaction->code), transaction->code, transaction->exchange);
    else if (complete && transaction->closing) /* the client sent on, to a server that had said that it takes no more */
        transaction_end(session, SMTPSCOPE_OUTCOME_DEFERRED, 421, transaction->exchange);
    else if (!transaction->sent || (session->quit_sent && !complete && session->client != CLIENT_DATA))
        transaction_abandon(session);
    else
        transaction_end(session,
                        seen && (!complete || session->client == CLIENT_BDAT || is_end_lacking(ending))
                            ? SMTPSCOPE_OUTCOME_LOST
                            : SMTPSCOPE_OUTCOME_UNKNOWN,
                        0, UINT32_MAX);
}

static void unanswered_tell(struct smtpscope_session *session, const struct pending *entry)
{
    struct smtpscope_command command;

    pending_read(session->queue, entry, &command);
    fact_tell(session,
              &(struct smtpscope_fact){
                  .type = SMTPSCOPE_FACT_UNANSWERED, .time = command.time, .packet = command.packet, .command = &command});
}

void smtpscope_session_close(struct smtpscope_session *session, const struct smtpscope_ending *ending)
{
    struct smtpscope_end end = {.ending = ending, .state = &session->state, .last_octets = session->last_octets};

    reply_decide(session, AFTERMATH_END, NULL, 0);
    session->ending = ending;
    session->closing = true;
    client_close(session);
    server_close(session);
    maybe_smuggled_end(session, false);
    end.in_message = session->client == CLIENT_DATA || session->client == CLIENT_BDAT;
    message_close(session, ending);
    proxy_header_decided(session, SMTPSCOPE_PROXY_UNKNOWN);
    clear_unanswered(session);
    for (struct pending *entry = queue_first(session); entry; entry = pending_next(session->queue, entry))
        if (!(entry->circumstances & SMTPSCOPE_COMMAND_LOST) && !entry->maybe_answered && !entry->more && !entry->silent)
            unanswered_tell(session, entry);
    end.quit_sent = session->quit_sent;
    end.quit_answered = session->state.quit;
    end.opaque = session->client == CLIENT_OPAQUE;
    end.exchanges = session->exchanges;
    for (enum smtpscope_side side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++) {
        end.lost[side] = extra_of(session)->lost[role_of(session, side)];
        end.octets[side] = session->next[role_of(session, side)] - end.lost[side];
    }
    fact_tell(session, &(struct smtpscope_fact){
                           .type = SMTPSCOPE_FACT_END, .time = ending->time, .packet = ending->packet, .end = &end});
}

const char *smtpscope_state_name(const struct smtpscope_state *state)
{
    if (state->quit)
        return "quit";
    if (state->bdat_open)
        return "bdat";
    if (state->transaction)
        return state->rcpt_accepted ? "rcpt" : "mail";
    switch ((enum smtpscope_hello)state->hello) {
    case SMTPSCOPE_HELLO_EHLO: return "ehlo";
    case SMTPSCOPE_HELLO_HELO: return "helo";
    case SMTPSCOPE_HELLO_NONE: break;
    }
    return state->greeting == SMTPSCOPE_GREETING_ACCEPTED ? "greeted" : "connected";
}
