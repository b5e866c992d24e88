/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Order, per flow and for both directions at once.
 *
 * A segment is delivered when two things hold: nothing is missing before it, and all that it acknowledges of the other
 * side was delivered too. The second is what puts a reply behind its command and a command behind the reply it waited
 * for, whatever order the capture has them in. Nearly all segments pass at once, in place; the others are copied and held.
 *
 * A hole is given up when it can no longer be filled. If the other side has acknowledged octets behind it, and their sender has
 * gone on behind them, the network delivered them and only the capture lacks them: a short wait, for captures that are
 * slightly out of order, is enough. If not, a retransmission will come, or the acknowledgement was forged: we wait for as
 * long as TCP would. The road not taken: waiting by sequence numbers
 * alone, which stalls a session at each packet that the capture missed, and joins what stood on both sides of it.
 *
 * A direction begins where its SYN says. Where that was not captured, a capture that is out of order may still bring what came
 * before the first segment: so it waits as for a hole, and then begins with the lowest number that was seen.
 *
 * A gap ends at the first octet that either side is known to need next: so two commands lost one after the other, with
 * their replies captured, are two gaps with the first reply between them.
 */
#include "reassembly.h"

#include "acks.h"
#include "aside.h"
#include "checks.h"
#include "deliver.h"
#include "events.h"
#include "held.h"
#include "trouble.h"
#include "waiting.h"

/*
 * A capture that is merely out of order puts it right within so many segments; where each direction was captured by a clock of its
 * own, within the difference of their clocks; or it does not.
 */
#define REORDER_SEGMENTS 32
#define REORDER_TIME (SMTPSCOPE_SECOND / 4)
#define REORDER_TIME_MOST (2 * SMTPSCOPE_SECOND)
/* A lost segment is sent again within RFC 6298's longest usual timers, and within one large window. */
#define OPEN_HOLE_TIME (60 * SMTPSCOPE_SECOND)
#define OPEN_HOLE_OCTETS (1u << 20)
/* What comes behind a hole is compared with all that is held; of full segments, a large window is no more. */
#define OPEN_HOLE_SEGMENTS 1024
/* Nothing real jumps ahead by more than the largest window, RFC 7323 2.3. */
#define WINDOW_MAX (1 << 30)

/* --- what waits for its turn */

/* The first held segment of this side has nothing missing before it. */
static bool held_is_next(const struct flow *flow, int side)
{
    const struct held *held = held_first(flow, side);

    return held && flow->direction[side].known && seq_diff(held->part.seq, flow->direction[side].nxt) <= 0;
}

/* What leads to a held segment of this side that can be delivered now, or NULL. */
static struct held **held_deliverable(const struct flow *flow, int side)
{
    const struct direction *direction = &flow->direction[side];

    if (!direction->known)
        return NULL;
    for (struct held **at = &flow->unsettled->first[side]; *at && seq_diff((*at)->part.seq, direction->nxt) <= 0;
         at = &(*at)->next)
        if (!(*at)->part.doubts && ack_is_covered(&flow->direction[!side], (*at)->part.has_ack, (*at)->part.ack))
            return at;
    return NULL;
}

static void held_deliver(struct smtpscope_streams *streams, struct flow *flow, int side, struct held **at)
{
    deliver(streams, flow, (enum smtpscope_side)side, &(*at)->part);
    held_remove(streams, flow, side, at);
    held_forget_old(streams, flow, side);
}

/* Delivers what can be delivered now. */
static void pump(struct smtpscope_streams *streams, struct flow *flow)
{
    struct held **at;

    for (bool again = flow->unsettled; again;) {
        again = false;
        for (int side = 0; side < 2; side++) {
            held_forget_old(streams, flow, side);
            again |= aside_take(streams, flow, (enum smtpscope_side)side);
            while ((at = held_deliverable(flow, side))) {
                held_deliver(streams, flow, side, at);
                again = true;
            }
        }
    }
}

/* --- holes */

/* What was put aside may end a hole: the first of it in there. */
static int32_t hole_until_aside(const struct flow *flow, enum smtpscope_side side, int32_t need)
{
    uint32_t nxt = flow->direction[side].nxt;

    for (const struct held *held = flow->unsettled->first[side]; held; held = held->next)
        if (held->part.doubts && seq_diff(held->part.seq, nxt) > 0 && seq_diff(part_end(&held->part), nxt) <= need)
            return seq_diff(held->part.seq, nxt);
    return need;
}

/* How many octets of this side are missing before either side can go on; 0 when it is not this side that blocks. */
static uint32_t hole(const struct flow *flow, enum smtpscope_side side)
{
    const struct direction *direction = &flow->direction[side];
    const struct held *mine = held_first(flow, side), *theirs = held_first(flow, !side);
    int32_t need = 0;

    if (!direction->known || held_is_next(flow, side))
        return 0;
    if (mine)
        need = seq_diff(mine->part.seq, direction->nxt);
    if (theirs && theirs->part.has_ack && seq_diff(theirs->part.ack, direction->nxt) > 0) {
        int32_t acked = seq_diff(theirs->part.ack, direction->nxt);

        need = need && need < acked ? need : acked;
    }
    return need ? (uint32_t)hole_until_aside(flow, side, need) : 0;
}

/* Of what waits with the next octet of this side: what acknowledges the least, and so was sent first. NULL: nothing does. */
static struct held **held_earliest(const struct flow *flow, int side)
{
    const struct direction *direction = &flow->direction[side];
    struct held **best = NULL;

    for (struct held **at = &flow->unsettled->first[side];
         direction->known && *at && seq_diff((*at)->part.seq, direction->nxt) <= 0; at = &(*at)->next)
        if (!(*at)->part.doubts && (!best || seq_diff((*at)->part.ack, (*best)->part.ack) < 0))
            best = at;
    return best;
}

/*
 * Both sides wait for one another: a segment that was sent again acknowledges what its first copy could not. The client
 * goes first, as a command comes before its reply. True when anything was delivered.
 */
static bool break_circle(struct smtpscope_streams *streams, struct flow *flow)
{
    for (int side = 0; side < 2; side++) {
        struct held **at = held_earliest(flow, side);

        if (at) {
            held_deliver(streams, flow, side, at);
            return true;
        }
    }
    return false;
}

/* A direction whose SYN was not captured begins with the lowest number that was seen. True when one did. */
static bool begin_anywhere(struct flow *flow)
{
    bool begun = false;

    for (int side = 0; side < 2; side++) {
        struct direction *direction = &flow->direction[side];
        const struct held *held = held_first(flow, side);

        if (direction->known || (!held && !direction->has_acked))
            continue;
        if (held && (!direction->has_acked || seq_diff(held->part.seq, direction->nxt) < 0))
            direction->nxt = held->part.seq;
        direction->known = begun = true;
        flow->public.unbegun |= side == SMTPSCOPE_SERVER && !flow->public.midstream;
    }
    return begun;
}

/*
 * Declares the hole that blocks the flow. True when it did: the flow can go on. A FIN takes a sequence number: when nothing
 * of a side is held and one number more than its octets was acknowledged, what the capture lacks is the FIN.
 */
static bool give_up(struct smtpscope_streams *streams, struct flow *flow)
{
    if (begin_anywhere(flow))
        return true;
    for (int side = 0; side < 2; side++) {
        const struct held *mine = held_first(flow, side), *next = mine ? mine : held_first(flow, !side);
        struct direction *direction = &flow->direction[side];
        uint32_t missing = hole(flow, (enum smtpscope_side)side);

        if (missing && aside_take_until(streams, flow, (enum smtpscope_side)side, direction->nxt + missing))
            return true;
        if (missing == 1 && !mine && !direction->fin) {
            tell_fin(flow, (enum smtpscope_side)side);
            return true;
        }
        if (missing && next) {
            if (!direction->has_acked || seq_diff(direction->acked, direction->nxt) <= 0)
                trouble_not_arrived(streams, flow, (enum smtpscope_side)side, missing, mine ? mine->part.len : 0);
            direction->absent = !direction->seen;
            tell_gap(streams, flow, (enum smtpscope_side)side, missing, next->part.time, next->part.packet);
            return true;
        }
    }
    return break_circle(streams, flow);
}

/* --- when a hole is given up */

enum hole {
    HOLE_NONE,   /* nothing is missing, but the beginning, or the two sides wait in a circle */
    HOLE_OPEN,   /* no receiver has acknowledged it */
    HOLE_LOST,   /* its receiver has, and its sender has gone on */
    HOLE_ABSENT, /* the capture has nothing of this side */
};

/* Has the sender shown that it stands behind the hole? The single number that a FIN takes is proof enough. */
static bool hole_is_passed(const struct flow *flow, int side, uint32_t missing)
{
    const struct unsettled *unsettled = flow->unsettled;
    uint32_t behind = flow->direction[side].nxt + missing;

    return missing == 1 || held_first(flow, side) ||
           (unsettled->has_reached[side] && seq_diff(unsettled->reached[side], behind) >= 0);
}

static enum hole hole_of(const struct flow *flow)
{
    enum hole found = HOLE_NONE;

    for (int side = 0; side < 2; side++) {
        const struct direction *direction = &flow->direction[side];
        uint32_t missing = hole(flow, (enum smtpscope_side)side);

        if (!missing)
            continue;
        if (!direction->seen)
            return direction->absent ? HOLE_ABSENT : HOLE_LOST;
        found = HOLE_OPEN;
        if (direction->has_acked && seq_diff(direction->acked, direction->nxt) > 0 && hole_is_passed(flow, side, missing))
            return HOLE_LOST;
    }
    return found;
}

/* A capture that is out of order, or made of two, has put it right by now. */
static bool is_order_over(const struct unsettled *unsettled, smtpscope_time waited)
{
    return (unsettled->waited > REORDER_SEGMENTS && waited > REORDER_TIME) || waited > REORDER_TIME_MOST;
}

bool reassembly_is_hopeless(const struct smtpscope_streams *streams, const struct flow *flow)
{
    const struct unsettled *unsettled = flow->unsettled;
    smtpscope_time waited = streams->now - flow->since;

    if (!unsettled)
        return false;
    if (aside_is_many(flow) || (aside_is_both(flow) && waited > REORDER_TIME_MOST))
        return true;
    if (!held_first(flow, 0) && !held_first(flow, 1))
        return false;
    if (unsettled->octets > OPEN_HOLE_OCTETS || unsettled->segments > OPEN_HOLE_SEGMENTS)
        return true;
    switch (hole_of(flow)) {
    case HOLE_NONE:
    case HOLE_LOST: return is_order_over(unsettled, waited);
    case HOLE_ABSENT: return true;
    case HOLE_OPEN: return waited > OPEN_HOLE_TIME;
    }
    return false;
}

/* A single segment of a connection without a handshake: most such flows are no more than that. */
static bool is_alone(const struct flow *flow)
{
    return flow->list == LIST_EMBRYO && flow->public.midstream && !flow->unsettled->waited;
}

/* Does time have to pass for the flow to go on? */
static bool is_stuck(const struct flow *flow)
{
    const struct unsettled *unsettled = flow->unsettled;

    return unsettled && !is_alone(flow) &&
           (held_first(flow, 0) || held_first(flow, 1) || aside_is_both(flow) || unsettled->reset.pending);
}

/* Keeps the flow in the list its condition asks for. */
static void settle(struct smtpscope_streams *streams, struct flow *flow)
{
    bool stuck = is_stuck(flow);

    unsettled_settle(streams, flow);
    if (flow->list == LIST_LINGER)
        return;
    if (!stuck && flow->list == LIST_STUCK)
        flow_wait(streams, flow, LIST_IDLE);
    if (stuck && flow->list != LIST_STUCK) {
        flow->unsettled->waited = 0;
        flow_wait(streams, flow, LIST_STUCK);
    }
}

static void unstick(struct smtpscope_streams *streams, struct flow *flow)
{
    while (reassembly_is_hopeless(streams, flow)) {
        if (aside_is_both(flow)) {
            aside_trust(streams, flow);
        } else if (!give_up(streams, flow)) {
            held_discard(streams, flow);
            break;
        }
        /* The next hole has its own wait. A flow that was reset waits no longer for it. */
        flow->unsettled->waited = 0;
        if (flow->list == LIST_STUCK)
            flow_wait(streams, flow, LIST_STUCK);
        pump(streams, flow);
    }
    settle(streams, flow);
}

/* --- a segment */

/* A keep-alive or window probe repeats the last octet with any content (RFC 9293 3.8.4). */
static bool is_probe(const struct direction *direction, const struct deliverable *part)
{
    return part->len <= 1 && seq_diff(direction->nxt, part->seq) == 1;
}

static void note_reached(struct unsettled *unsettled, enum smtpscope_side side, uint32_t seq)
{
    if (!unsettled->has_reached[side] || seq_diff(seq, unsettled->reached[side]) > 0)
        unsettled->reached[side] = seq;
    unsettled->has_reached[side] = true;
}

/* What each segment of a flow does where something is not settled. */
static void segment_unsettled(struct smtpscope_streams *streams, struct flow *flow)
{
    pump(streams, flow);
    settle(streams, flow);
    unstick(streams, flow);
    if (streams->stats.held_now + streams->held * sizeof(struct held) > streams->config.max_held)
        reassembly_drain(streams, flow);
}

static void note_window(struct direction *other, const struct smtpscope_segment *segment)
{
    other->window = segment->window;
}

static void note_stamp(struct direction *direction, const struct smtpscope_segment *segment)
{
    if (segment->marks & SMTPSCOPE_MARK_STAMPED && seq_diff(segment->stamp, direction->stamp) > 0)
        direction->stamp = segment->stamp;
}

/* Nearly every segment: what comes next, or a bare acknowledgement, no check fails, and all is settled. */
static bool is_plain(const struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    const struct direction *direction = &flow->direction[side], *other = &flow->direction[!side];
    const uint8_t flags = SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_RST | SMTPSCOPE_TCP_ACK | SMTPSCOPE_TCP_URG;

    return (segment->flags & flags) == SMTPSCOPE_TCP_ACK && !flow->unsettled && segment->window && direction->known &&
           direction->seen && segment->seq == direction->nxt && !segment->missing &&
           ack_is_covered(other, true, segment->ack) && seq_diff(other->nxt, segment->ack) <= UINT16_MAX &&
           checks_are_plain(direction, other, segment);
}

static void segment_plain(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                          const struct smtpscope_segment *segment)
{
    struct direction *direction = &flow->direction[side], *other = &flow->direction[!side];

    acks_note(other, segment->ack, true);
    note_window(other, segment);
    note_stamp(direction, segment);
    if (segment->len)
        tell_octets(streams, flow,
                    &(struct smtpscope_octets){
                        .side = side,
                        .data = segment->data,
                        .len = segment->len,
                        .acked = acked_offset(other, true, segment->ack),
                        .time = segment->time,
                        .packet = segment->packet,
                    });
    else
        acks_belied(direction, segment->seq);
}

struct deliverable reassembly_part(const struct smtpscope_segment *segment)
{
    bool reset = segment->flags & SMTPSCOPE_TCP_RST;

    return (struct deliverable){.data = segment->data,
                                .time = segment->time,
                                .packet = segment->packet,
                                .seq = segment->seq + (segment->flags & SMTPSCOPE_TCP_SYN ? 1 : 0),
                                .ack = segment->ack,
                                .len = reset ? 0 : segment->len,
                                .missing = reset ? 0 : segment->missing,
                                .hops = segment->hops,
                                .has_ack = segment->flags & SMTPSCOPE_TCP_ACK,
                                .fin = !reset && segment->flags & SMTPSCOPE_TCP_FIN,
                                .urgent = segment->flags & SMTPSCOPE_TCP_URG};
}

/* What a SYN says of both directions. */
static void note_syn(struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    struct direction *direction = &flow->direction[side], *other = &flow->direction[!side];

    checks_handshake(direction, other, segment);
    if (!direction->known)
        direction->nxt = segment->seq + 1;
    if (!other->known && segment->flags & SMTPSCOPE_TCP_ACK) {
        other->nxt = segment->ack;
        other->known = true;
    }
    direction->known = true;
}

/* What the segment says but for its octets. */
static void note_numbers(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                         const struct smtpscope_segment *segment, const struct deliverable *part)
{
    struct direction *direction = &flow->direction[side], *other = &flow->direction[!side];

    if (segment->flags & SMTPSCOPE_TCP_SYN)
        note_syn(flow, side, segment);
    if (part->has_ack) {
        acks_note(other, part->ack, seq_diff(part->seq, direction->nxt) >= 0);
        note_window(other, segment);
    }
    if (direction->known && part->seq == direction->nxt)
        note_stamp(direction, segment);
    if (!part->len && !part->missing && !(segment->flags & SMTPSCOPE_TCP_RST))
        acks_belied(direction, part->seq);
    if (!flow->unsettled)
        return;
    aside_refute(flow);
    note_reached(flow->unsettled, side, part->seq);
    if (other->seen && !(segment->flags & SMTPSCOPE_TCP_RST))
        aside_belied(flow, side, part);
    pump(streams, flow);
}

/* Is it sent again, or a part of it? Then the octets must be those that were delivered. */
static void compare_old(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                        const struct smtpscope_segment *segment, const struct deliverable *part)
{
    const struct direction *direction = &flow->direction[side];

    if (!direction->known || seq_diff(part->seq, direction->nxt) >= 0 || !part->len || is_probe(direction, part))
        return;
    streams->stats.retransmitted++;
    trouble_resent(streams, flow, side, segment);
    if (recent_differs(&direction->recent, recent_seed(flow), direction->nxt - part->seq, part->data, part->len))
        tell_conflict(streams, flow, side, part);
}

/* Does it fill a hole of its side that the other side has, too? */
static void note_filled(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                        const struct smtpscope_segment *segment, const struct deliverable *part)
{
    const struct direction *direction = &flow->direction[side];

    if (flow->list == LIST_STUCK && held_first(flow, side) && direction->known && direction->has_acked &&
        seq_diff(part->seq, direction->nxt) <= 0 && seq_diff(part_end(part), direction->nxt) > 0 &&
        seq_diff(direction->acked, direction->nxt) <= 0)
        trouble_filled(streams, flow, side, segment, streams->now - flow->since);
}

static void take_octets(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                        const struct smtpscope_segment *segment, const struct deliverable *part)
{
    const struct direction *direction = &flow->direction[side], *other = &flow->direction[!side];
    int32_t ahead = direction->known ? seq_diff(part->seq, direction->nxt) : 0;

    if (ahead > WINDOW_MAX)
        return;
    compare_old(streams, flow, side, segment, part);
    note_filled(streams, flow, side, segment, part);
    if (direction->known && ahead <= 0 && !held_first(flow, side) && ack_is_covered(other, part->has_ack, part->ack))
        deliver(streams, flow, side, part);
    else if (!direction->known || ahead >= 0 || seq_diff(part_end(part), direction->nxt + direction->fin) > 0)
        held_add(streams, flow, side, part);
}

/* A side that was waited for in vain, and is not there, has said what is acknowledged. */
static void note_absent(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                        const struct deliverable *part)
{
    const struct direction *other = &flow->direction[!side];
    uint32_t missing = part->ack - other->nxt;

    if (other->seen || !other->absent || flow->unsettled || ack_is_covered(other, part->has_ack, part->ack))
        return;
    if (missing == 1) /* a FIN */
        tell_fin(flow, !side);
    else
        tell_gap(streams, flow, !side, missing, part->time, part->packet);
}

/* Apart, so that what nearly every segment does is the shorter. False: it fails a check. */
__attribute__((noinline)) static bool segment_any(struct smtpscope_streams *streams, struct flow *flow,
                                                  enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    bool first = !flow->direction[side].seen;
    struct deliverable part = reassembly_part(segment);

    if (flow->unsettled && flow->unsettled->waited < UINT16_MAX)
        flow->unsettled->waited++;
    if (first)
        checks_begin(flow, side, segment);
    else if (flow->direction[!side].seen)
        part.doubts = checks_failed(flow, side, segment);
    if (part.doubts) {
        if (part.doubts & DOUBT_CONTESTED) /* what was delivered in its place may be what was forged */
            compare_old(streams, flow, side, segment, &part);
        aside_add(streams, flow, side, &part);
    } else {
        trouble_segment(streams, flow, side, segment);
        note_numbers(streams, flow, side, segment, &part);
        note_absent(streams, flow, side, &part);
        if (!(segment->flags & ~(SMTPSCOPE_TCP_ACK | SMTPSCOPE_TCP_PSH)) && flow->direction[side].known &&
            is_probe(&flow->direction[side], &part))
            trouble_probe(streams, flow, side, segment);
        if (part.len || part.missing || part.fin)
            take_octets(streams, flow, side, segment, &part);
    }
    if (flow->unsettled)
        segment_unsettled(streams, flow);
    return !part.doubts;
}

bool reassembly_segment(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                        const struct smtpscope_segment *segment)
{
    if (!is_plain(flow, side, segment))
        return segment_any(streams, flow, side, segment);
    segment_plain(streams, flow, side, segment);
    return true;
}

void reassembly_tick(struct smtpscope_streams *streams, struct flow *flow)
{
    unstick(streams, flow);
}

/* --- the end */

/* Octets at the end that were acknowledged and never captured. */
static uint32_t tail_missing(const struct direction *direction)
{
    int32_t missing = direction->has_acked && direction->known ? seq_diff(direction->acked, direction->nxt) : 0;

    /* One number may be a FIN's: a single octet more than was seen is no proof of data. */
    return missing > 1 && missing < WINDOW_MAX && !direction->fin ? (uint32_t)missing - 1 : 0;
}

bool reassembly_owes(const struct flow *flow)
{
    return (flow->unsettled && flow->unsettled->segments) || tail_missing(&flow->direction[0]) ||
           tail_missing(&flow->direction[1]);
}

/* What was put aside, and its sender has gone on behind it: those octets were sent, and nothing else will come for them. */
static bool drain_aside(struct smtpscope_streams *streams, struct flow *flow)
{
    const struct unsettled *unsettled = flow->unsettled;
    bool taken = false;

    for (int side = 0; unsettled && side < 2; side++)
        if (unsettled->has_reached[side])
            taken |= aside_take_until(streams, flow, (enum smtpscope_side)side, unsettled->reached[side]);
    return taken;
}

void reassembly_drain(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->unsettled && aside_is_both(flow))
        aside_trust(streams, flow);
    pump(streams, flow);
    while (held_first(flow, 0) || held_first(flow, 1) || drain_aside(streams, flow)) {
        if (!give_up(streams, flow))
            break;
        pump(streams, flow);
    }
    held_discard(streams, flow);
    settle(streams, flow);
    for (int side = 0; side < 2; side++)
        if (tail_missing(&flow->direction[side]))
            tell_gap(streams, flow, (enum smtpscope_side)side, tail_missing(&flow->direction[side]), flow->last_time,
                     flow->last_packet);
}
