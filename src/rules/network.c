/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What TCP proves. In: the figures of a flow in trouble (smtpscope/network.h), as its session ends. Out: findings of the families
 * connection and network, and whose doing the end of the session was.
 *
 * A segment that is never acknowledged, however often it is sent, while the other side goes on to speak: it did not arrive.
 * Is it a full one, smaller ones got through (what the other side acknowledges was sent in them): then the path takes no segments of
 * that size, and nobody told the sender so (RFC 4821 1). Is the other side not heard either, it is gone, or the path to it.
 */
#include "detectors.h"

/* A segment near the size that a path may refuse: IPv4's least MTU is far below, tunnels take some tens of octets off 1500. */
#define SEGMENT_FULL 1000u
/* A closed window, or octets that did not arrive, for as long as a person would notice. */
#define HINDERED_LONG (10 * SMTPSCOPE_SECOND)
/* RFC 5321 4.5.3.2.5 lets a client pause for three minutes inside a message; programs do not, unless something keeps them. */
#define SENDER_LONG (30 * SMTPSCOPE_SECOND)
/* A keep-alive may be lost as any segment, or its answer; RFC 9293 3.8.4 forbids to give up for one. */
#define PROBES_MANY 3u
/* A client that leaves sooner is a port check, or changed its mind. */
#define GREETING_PATIENCE (10 * SMTPSCOPE_SECOND)

static struct smtpscope_text side_text(enum smtpscope_side side)
{
    return smtpscope_text_of(side == SMTPSCOPE_CLIENT ? "client" : "server");
}

static uint64_t seconds_of(smtpscope_time time)
{
    return (uint64_t)(time / SMTPSCOPE_SECOND);
}

static enum smtpscope_fault fault_of(enum smtpscope_side side)
{
    return side == SMTPSCOPE_CLIENT ? SMTPSCOPE_FAULT_CLIENT : SMTPSCOPE_FAULT_SERVER;
}

/* What became of a segment of `side` that was sent again and again. Returns the note's id. */
static uint16_t judge_unacked(struct smtpscope_judge *judge, enum smtpscope_side side,
                              const struct smtpscope_network_side *figures, struct claim *claim)
{
    struct number mtu = number_text(figures->icmp.mtu);

    if (figures->icmp.icmp == SMTPSCOPE_ICMP_TOO_BIG && figures->icmp.mtu) {
        claim->rule = SMTPSCOPE_RULE_NETWORK_PATH_MTU;
        claim->detail = SMTPSCOPE_DETAIL_MTU_TOLD;
        claim->detail_text = number_digits(&mtu);
        claim->detail_number = figures->unacked_len;
        return note_add(judge, claim);
    }
    claim->detail = SMTPSCOPE_DETAIL_SEGMENT_TRIES;
    claim->detail_text = side_text(side);
    claim->detail_number = figures->unacked_len;
    if (!figures->unacked_heard) {
        claim->rule = SMTPSCOPE_RULE_CONNECTION_LOST;
        claim->detail = SMTPSCOPE_DETAIL_VANISHED_SIDE;
        claim->detail_text = side_text((enum smtpscope_side) !side);
        claim->detail_number = seconds_of(figures->unacked_time);
    } else if (figures->unacked_len >= SEGMENT_FULL) {
        claim->rule = SMTPSCOPE_RULE_NETWORK_PATH_MTU;
        claim->confidence = SMTPSCOPE_LIKELY; /* a path may also lose what is sent at that moment */
    } else {
        claim->rule = SMTPSCOPE_RULE_NETWORK_LOSS;
        claim->severity = SEVERITY(WARNING);
    }
    return note_add(judge, claim);
}

static uint16_t judge_side(struct smtpscope_judge *judge, enum smtpscope_side side,
                           const struct smtpscope_network_side *figures, const struct smtpscope_fact *fact)
{
    struct claim claim = {.fact = fact, .side = side, .fault = SMTPSCOPE_FAULT_NETWORK};

    if (figures->unacked_tries >= SMTPSCOPE_UNACKED_MANY)
        return judge_unacked(judge, side, figures, &claim);
    if (figures->probes >= PROBES_MANY) {
        claim.rule = SMTPSCOPE_RULE_CONNECTION_LOST;
        claim.detail = SMTPSCOPE_DETAIL_VANISHED_SIDE;
        claim.detail_text = side_text((enum smtpscope_side) !side);
        claim.detail_number = seconds_of(figures->probes_time);
        return note_add(judge, &claim);
    }
    if (figures->not_arrived) {
        bool full = figures->not_arrived >= SEGMENT_FULL && figures->arrived_behind && figures->arrived_behind < SEGMENT_FULL;

        claim.rule = full ? SMTPSCOPE_RULE_NETWORK_PATH_MTU : SMTPSCOPE_RULE_NETWORK_LOSS;
        claim.confidence = full ? SMTPSCOPE_LIKELY : claim.confidence;
        claim.severity = full ? 0 : SEVERITY(WARNING);
        claim.detail = SMTPSCOPE_DETAIL_NOT_ARRIVED;
        claim.detail_text = side_text(side);
        claim.detail_number = figures->not_arrived;
        return note_add(judge, &claim);
    }
    return 0;
}

static void judge_window(struct smtpscope_judge *judge, enum smtpscope_side side, const struct smtpscope_network_side *figures,
                         const struct smtpscope_fact *fact)
{
    if (figures->window_closed >= HINDERED_LONG)
        note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_NETWORK_STALL,
                                        .fact = fact,
                                        .side = side,
                                        .fault = fault_of(side),
                                        .detail = SMTPSCOPE_DETAIL_WINDOW_CLOSED,
                                        .detail_text = side_text(side),
                                        .detail_number = seconds_of(figures->window_closed)});
}

/* Octets that got through in the end: one long silence is a stall, many short ones are a path that loses much. */
static void judge_recovered(struct smtpscope_judge *judge, enum smtpscope_side side,
                            const struct smtpscope_network_side *figures, const struct smtpscope_fact *fact)
{
    bool stall = figures->recovered_longest >= HINDERED_LONG;
    struct number number = number_text(seconds_of(figures->recovered));
    struct claim claim = {.rule = stall ? SMTPSCOPE_RULE_NETWORK_STALL : SMTPSCOPE_RULE_NETWORK_LOSS,
                          .fact = fact,
                          .side = side,
                          .fault = SMTPSCOPE_FAULT_NETWORK,
                          .detail = stall ? SMTPSCOPE_DETAIL_RECOVERED : SMTPSCOPE_DETAIL_RESENT,
                          .detail_text = stall ? side_text(side) : number_digits(&number),
                          .detail_number = stall ? seconds_of(figures->recovered_longest) : figures->resent};

    if (figures->recovered >= HINDERED_LONG)
        note_add(judge, &claim);
}

/*
 * The client has its reply, nothing is on the way, and it goes on late. Where the server has lost its patience, the timeout is told;
 * what keeps TCP is told from its figures at the end.
 */
void judge_stall(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_stall *stall = fact->stall;
    bool below = stall->kind == SMTPSCOPE_STALL_RECEIVER || stall->kind == SMTPSCOPE_STALL_NETWORK;

    judge->transaction.hindered |= below;
    judge->transaction.hindered_by_client |= stall->kind == SMTPSCOPE_STALL_RECEIVER && stall->side == SMTPSCOPE_CLIENT;
    if (stall->kind == SMTPSCOPE_STALL_SENDER && fact->breaks == stall->side && stall->lasted >= SENDER_LONG &&
        judge->session.client_seen && judge->session.server_seen && !judge->session.doubtful && !is_alien(judge))
        note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_NETWORK_STALL,
                                        .fact = fact,
                                        .side = stall->side,
                                        .fault = fault_of(stall->side),
                                        .confidence = SMTPSCOPE_LIKELY, /* what it sent may be lost before the capture */
                                        .detail = fact->in_message ? SMTPSCOPE_DETAIL_IDLE_IN_MESSAGE : SMTPSCOPE_DETAIL_IDLE,
                                        .detail_text = side_text(stall->side),
                                        .detail_number = seconds_of(stall->lasted)});
}

void judge_network(struct smtpscope_judge *judge, const struct smtpscope_ending *ending, const struct smtpscope_fact *fact)
{
    const struct smtpscope_network *network = ending->network;

    judge->session.network_seen = true;
    if (!network || !ending->seen[SMTPSCOPE_CLIENT] || !ending->seen[SMTPSCOPE_SERVER])
        return; /* in a capture of one side nothing is acknowledged */
    for (int side = 0; side < 2; side++) {
        uint16_t note = judge_side(judge, (enum smtpscope_side)side, &network->side[side], fact);

        if (note)
            judge->memory->session.network = note;
        judge_recovered(judge, (enum smtpscope_side)side, &network->side[side], fact);
        judge_window(judge, (enum smtpscope_side)side, &network->side[side], fact);
    }
}

/* What may only follow from octets that did not arrive. */
static bool is_effect(enum smtpscope_rule rule)
{
    switch ((int)rule) {
    case SMTPSCOPE_RULE_DATA_CONNECTION_LOST:
    case SMTPSCOPE_RULE_DATA_OUTCOME_UNKNOWN:
    case SMTPSCOPE_RULE_REPLY_MISSING:
    case SMTPSCOPE_RULE_DEFERRAL_TIMEOUT:
    case SMTPSCOPE_RULE_TRANSPORT_GAP:
    case SMTPSCOPE_RULE_TRANSPORT_RESET:
    case SMTPSCOPE_RULE_TRANSPORT_IDLE_TIMEOUT:
    case SMTPSCOPE_RULE_TRANSPORT_CLOSED_WITHOUT_QUIT:
    case SMTPSCOPE_RULE_CONNECTION_NO_GREETING: return true;
    default: return false;
    }
}

void judge_network_effects(struct smtpscope_judge *judge)
{
    uint16_t network = memory_of(judge)->session.network;

    for (uint32_t id = 1; network && id <= judge->note_count; id++)
        if (is_effect(note_find(judge, id)->rule))
            note_revise(judge, id, &(struct revision){.fault = SMTPSCOPE_FAULT_NETWORK, .cause = network});
}

/* It would greet there: how the handshake went is told already. */
static bool is_inside_tls(const struct smtpscope_judge *judge)
{
    return judge->session.tls_told & 1u << SMTPSCOPE_TLS_STARTED;
}

/* The server spoke first when the client had closed: it never was greeted, so far as it knows. */
static bool is_greeted_too_late(const struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_ending *ending = fact->end->ending;

    return ending->fin[SMTPSCOPE_CLIENT] && ending->fin_time - judge->flow->first_time >= GREETING_PATIENCE &&
           fact->end->exchanges == 1 && !fact->end->octets[SMTPSCOPE_CLIENT] && judge->last_reply > ending->fin_time;
}

/* Both sides were captured from the beginning, and the client waited for a greeting in clear. */
static bool may_lack_greeting(const struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_ending *ending = fact->end->ending;

    return !fact->end->lost[SMTPSCOPE_SERVER] && !judge->flow->midstream && !is_alien(judge) &&
           !memory_of(judge)->session.early && /* it spoke out of turn, and was cut off for that */
           ending->seen[SMTPSCOPE_SERVER] && ending->seen[SMTPSCOPE_CLIENT] && !is_inside_tls(judge);
}

void judge_no_greeting(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_ending *ending = fact->end->ending;
    bool gave_up = ending->fin[SMTPSCOPE_CLIENT] && !ending->fin[SMTPSCOPE_SERVER]; /* what was reset then was over */
    bool reset = ending->why == SMTPSCOPE_CLOSE_RESET && !gave_up;
    bool ended = reset || gave_up || ending->why == SMTPSCOPE_CLOSE_FIN;
    enum smtpscope_side by = gave_up ? SMTPSCOPE_CLIENT : ending->by;
    smtpscope_time waited = (ended && !reset ? ending->fin_time : ending->time) - judge->flow->first_time;
    bool left = ended && by == SMTPSCOPE_CLIENT;
    struct claim claim = {.rule = SMTPSCOPE_RULE_CONNECTION_NO_GREETING,
                          .fact = fact,
                          .side = SMTPSCOPE_SERVER,
                          .fault = SMTPSCOPE_FAULT_SERVER,
                          .detail_text = side_text(by),
                          .detail_number = seconds_of(waited)};

    if (!may_lack_greeting(judge, fact) || (fact->end->octets[SMTPSCOPE_SERVER] && !is_greeted_too_late(judge, fact)) ||
        (!ended && waited < GREETING_PATIENCE))
        return;
    claim.detail = reset   ? SMTPSCOPE_DETAIL_NO_GREETING_RESET
                   : ended ? SMTPSCOPE_DETAIL_NO_GREETING_CLOSED
                           : SMTPSCOPE_DETAIL_NO_GREETING_SILENT;
    if (left && waited < GREETING_PATIENCE) {
        claim.severity = SEVERITY(INFO);
        claim.fault = SMTPSCOPE_FAULT_NOBODY;
        claim.confidence = SMTPSCOPE_LIKELY; /* it may have been on its way, and lost to the capture */
    }
    note_add(judge, &claim);
}
