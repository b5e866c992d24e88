/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Order, per flow and for both directions at once.
 *
 * A segment is delivered when two things hold: nothing is missing before it, and all that it acknowledges of the other
 * side was delivered too. The second is what puts a reply behind its command and a command behind the reply it waited
 * for, whatever order the capture has them in. Nearly all segments pass at once, in place; the others are copied and held.
 *
 * A hole is given up when it can no longer be filled. If the other side has acknowledged octets behind it, the network
 * delivered them and only the capture lacks them: a short wait, for captures that are slightly out of order, is enough.
 * If not, a retransmission will come: we wait for as long as TCP would. The road not taken: waiting by sequence numbers
 * alone, which stalls a session at each packet that the capture missed, and joins what stood on both sides of it.
 *
 * A gap ends at the first octet that either side is known to need next: so two commands lost one after the other, with
 * their replies captured, are two gaps with the first reply between them.
 */
#include "reassembly.h"

#include "events.h"
#include "held.h"
#include "trouble.h"
#include "waiting.h"

/* A capture that is merely out of order puts it right within so many segments, or so long. */
#define ACKED_HOLE_SEGMENTS 32
#define ACKED_HOLE_TIME (2 * SMTPSCOPE_SECOND)
/* A lost segment is sent again within RFC 6298's longest usual timers, and within one large window. */
#define OPEN_HOLE_TIME (60 * SMTPSCOPE_SECOND)
#define OPEN_HOLE_OCTETS (1u << 20)
/* What comes behind a hole is compared with all that is held; of full segments, a large window is no more. */
#define OPEN_HOLE_SEGMENTS 1024
/* Nothing real jumps ahead by more than the largest window, RFC 7323 2.3. */
#define WINDOW_MAX (1 << 30)

/* How far the other side's stream was acknowledged by a sender, as an offset. */
static uint64_t acked_offset(const struct direction *other, bool has_ack, uint32_t ack)
{
    int32_t behind = has_ack && other->known ? seq_diff(other->nxt, ack) : 0;

    return behind > 0 && (uint64_t)behind <= other->delivered ? other->delivered - (uint64_t)behind : other->delivered;
}

/* The front was delivered before: the first octets win. false: all of it was. */
static bool cut_front(struct deliverable *deliverable, uint32_t cut)
{
    uint32_t cut_data = cut < deliverable->len ? cut : deliverable->len;

    if (cut >= deliverable->len + deliverable->missing)
        return false;
    deliverable->data += cut_data;
    deliverable->len -= cut_data;
    deliverable->missing -= cut - cut_data;
    deliverable->seq += cut;
    return true;
}

static void deliver_next(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                         const struct deliverable *deliverable)
{
    tell_octets(streams, flow,
                &(struct smtpscope_octets){
                    .side = side,
                    .data = deliverable->data,
                    .len = deliverable->len,
                    .acked = acked_offset(&flow->direction[!side], deliverable->has_ack, deliverable->ack),
                    .time = deliverable->time,
                    .packet = deliverable->packet,
                });
}

/* Changes the deliverable: what is left of it was delivered. */
static void deliver(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                    struct deliverable *deliverable)
{
    int32_t old = seq_diff(flow->direction[side].nxt, deliverable->seq);

    if (old > 0 && !cut_front(deliverable, (uint32_t)old)) {
        if (deliverable->fin && (uint32_t)old == deliverable->len + deliverable->missing)
            tell_fin(flow, side);
        return;
    }
    if (deliverable->len)
        deliver_next(streams, flow, side, deliverable);
    if (deliverable->missing)
        tell_gap(streams, flow, side, deliverable->missing, deliverable->time, deliverable->packet);
    if (deliverable->fin) {
        tell_opened(streams, flow); /* it was established, if only to be closed */
        tell_fin(flow, side);
    }
}

static bool ack_is_covered(const struct direction *other, bool has_ack, uint32_t ack)
{
    /* The FIN takes a sequence number of its own. */
    return !has_ack || !other->known || seq_diff(ack, other->nxt) <= (other->fin ? 1 : 0);
}

static void held_deliver(struct smtpscope_streams *streams, struct flow *flow, int side)
{
    struct deliverable deliverable = held_deliverable(held_first(flow, side));

    deliver(streams, flow, (enum smtpscope_side)side, &deliverable);
    held_pop(streams, flow, side);
}

/* The first held segment of this side has nothing missing before it. */
static bool held_is_next(const struct flow *flow, int side)
{
    const struct held *held = held_first(flow, side);

    return held && seq_diff(held->seq, flow->direction[side].nxt) <= 0;
}

/* Delivers what can be delivered now. */
static void pump(struct smtpscope_streams *streams, struct flow *flow)
{
    for (bool again = true; again;) {
        again = false;
        for (int side = 0; side < 2; side++)
            while (held_is_next(flow, side) &&
                   ack_is_covered(&flow->direction[!side], held_first(flow, side)->has_ack, held_first(flow, side)->ack)) {
                held_deliver(streams, flow, side);
                again = true;
            }
    }
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
        need = seq_diff(mine->seq, direction->nxt);
    if (theirs && theirs->has_ack && seq_diff(theirs->ack, direction->nxt) > 0) {
        int32_t acked = seq_diff(theirs->ack, direction->nxt);

        need = need && need < acked ? need : acked;
    }
    return (uint32_t)need;
}

/* Was what is missing acknowledged, and so seen by the other side? Where nothing is missing, the two only wait in a circle. */
static bool hole_is_acked(const struct flow *flow)
{
    bool missing = false;

    for (int side = 0; side < 2; side++) {
        const struct direction *direction = &flow->direction[side];

        if (!hole(flow, (enum smtpscope_side)side))
            continue;
        missing = true;
        if (direction->has_acked && seq_diff(direction->acked, direction->nxt) > 0)
            return true;
    }
    return !missing;
}

/*
 * Both sides wait for one another: a segment that was sent again acknowledges what its first copy could not. The client
 * goes first, as a command comes before its reply. True when anything was delivered.
 */
static bool break_circle(struct smtpscope_streams *streams, struct flow *flow)
{
    for (int side = 0; side < 2; side++)
        if (held_is_next(flow, side)) {
            held_deliver(streams, flow, side);
            return true;
        }
    return false;
}

/*
 * Declares the hole that blocks the flow. True when it did: the flow can go on. A FIN takes a sequence number: when nothing
 * of a side is held and one number more than its octets was acknowledged, what the capture lacks is the FIN.
 */
static bool give_up(struct smtpscope_streams *streams, struct flow *flow)
{
    for (int side = 0; side < 2; side++) {
        const struct held *mine = held_first(flow, side), *next = mine ? mine : held_first(flow, !side);
        uint32_t missing = hole(flow, (enum smtpscope_side)side);

        if (missing == 1 && !mine && !flow->direction[side].fin) {
            tell_fin(flow, (enum smtpscope_side)side);
            return true;
        }
        if (missing && next) {
            if (!hole_is_acked(flow))
                trouble_not_arrived(streams, flow, (enum smtpscope_side)side, missing);
            tell_gap(streams, flow, (enum smtpscope_side)side, missing, next->time, next->packet);
            return true;
        }
    }
    return break_circle(streams, flow);
}

bool reassembly_is_hopeless(const struct smtpscope_streams *streams, const struct flow *flow)
{
    const struct held_queue *queue = flow->held_queue;
    smtpscope_time waited = streams->now - flow->since;

    if (!queue)
        return false;
    if (hole_is_acked(flow)) {
        /* A side that was never captured will not come late either. */
        if (!flow->direction[0].seen || !flow->direction[1].seen)
            return queue->waited > 2 || waited > ACKED_HOLE_TIME;
        return queue->waited > ACKED_HOLE_SEGMENTS || waited > ACKED_HOLE_TIME;
    }
    return waited > OPEN_HOLE_TIME || queue->octets > OPEN_HOLE_OCTETS || queue->segments > OPEN_HOLE_SEGMENTS;
}

/* Keeps the flow in the list its condition asks for. */
static void settle(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->list == LIST_LINGER)
        return;
    if (!flow->held_queue && flow->list == LIST_STUCK) {
        flow_wait(streams, flow, LIST_IDLE);
    } else if (flow->held_queue && flow->list != LIST_STUCK) {
        flow->held_queue->waited = 0;
        flow_wait(streams, flow, LIST_STUCK);
    }
}

static void unstick(struct smtpscope_streams *streams, struct flow *flow)
{
    while (reassembly_is_hopeless(streams, flow)) {
        if (!give_up(streams, flow)) {
            held_discard(streams, flow);
            break;
        }
        /* The next hole has its own wait. A flow that was reset waits no longer for it. */
        if (flow->held_queue)
            flow->held_queue->waited = 0;
        if (flow->list == LIST_STUCK)
            flow_wait(streams, flow, LIST_STUCK);
        pump(streams, flow);
    }
    settle(streams, flow);
}

/*
 * An acknowledgement of octets that were not seen says that the capture lost them; or it is forged, or broken, and the other side
 * drops it (RFC 9293 3.10.7.4: of what was not sent). So it counts until a later segment of its sender acknowledges less, or the
 * one that it speaks of goes on where it was. A receiver never takes an acknowledgement back.
 */
static void note_ack(struct direction *other, uint32_t ack, bool later)
{
    if (!other->known) {
        other->known = true;
        other->nxt = ack;
    }
    if (!other->has_acked || seq_diff(ack, other->acked) > 0 || (later && seq_diff(other->acked, other->nxt) > 0)) {
        other->has_acked = true;
        other->acked = ack;
    }
}

/* A sender that stands where the last octet seen of it ends has sent no more. */
static void note_seq(struct direction *direction, uint32_t seq)
{
    if (seq == direction->nxt && seq_diff(direction->acked, seq) > 0)
        direction->acked = seq;
}

/* A keep-alive or window probe repeats the last octet with any content (RFC 9293 3.8.4). */
static bool is_probe(const struct direction *direction, const struct deliverable *deliverable)
{
    return deliverable->len <= 1 && seq_diff(direction->nxt, deliverable->seq) == 1;
}

/* What each segment of a flow does where something is held. */
static void segment_behind_hole(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->held_queue->waited < UINT16_MAX)
        flow->held_queue->waited++;
    pump(streams, flow);
    settle(streams, flow);
    unstick(streams, flow);
    if (streams->stats.held_now + streams->held * sizeof(struct held) > streams->config.max_held)
        reassembly_drain(streams, flow);
}

/* Nearly every segment: what comes next, or a bare acknowledgement, and nothing is held. */
static bool is_plain(const struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    const struct direction *direction = &flow->direction[side], *other = &flow->direction[!side];
    const uint8_t flags = SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_RST | SMTPSCOPE_TCP_ACK;

    return (segment->flags & flags) == SMTPSCOPE_TCP_ACK && !flow->held_queue && !flow->trouble && segment->window &&
           direction->known && segment->seq == direction->nxt && !segment->missing && ack_is_covered(other, true, segment->ack);
}

static void segment_plain(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                          const struct smtpscope_segment *segment)
{
    struct direction *other = &flow->direction[!side];

    flow->direction[side].seen = true;
    note_ack(other, segment->ack, true);
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
        note_seq(&flow->direction[side], segment->seq);
}

/* Apart, so that what nearly every segment does is the shorter. */
__attribute__((noinline)) static void segment_any(struct smtpscope_streams *streams, struct flow *flow,
                                                  enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    struct direction *direction = &flow->direction[side], *other = &flow->direction[!side];
    bool syn = segment->flags & SMTPSCOPE_TCP_SYN;
    struct deliverable deliverable = {.data = segment->data,
                                      .seq = segment->seq + syn,
                                      .ack = segment->ack,
                                      .len = segment->len,
                                      .missing = segment->missing,
                                      .has_ack = segment->flags & SMTPSCOPE_TCP_ACK,
                                      .fin = segment->flags & SMTPSCOPE_TCP_FIN,
                                      .time = segment->time,
                                      .packet = segment->packet};

    trouble_segment(streams, flow, side, segment);
    if (segment->flags & SMTPSCOPE_TCP_RST) { /* RFC 9293 3.5.3: its text explains the reset, it is not in the stream */
        deliverable.len = deliverable.missing = 0;
        deliverable.fin = false;
    }
    direction->seen = true;
    if (!direction->known) {
        direction->known = true;
        direction->nxt = deliverable.seq;
    }
    if (deliverable.has_ack)
        note_ack(other, deliverable.ack, seq_diff(deliverable.seq, direction->nxt) >= 0);
    if (!deliverable.len && !deliverable.missing)
        note_seq(direction, deliverable.seq);
    if (deliverable.len || deliverable.missing || deliverable.fin) {
        int32_t ahead = seq_diff(deliverable.seq, direction->nxt);

        if (ahead > WINDOW_MAX)
            return;
        if (ahead < 0 && deliverable.len && !is_probe(direction, &deliverable)) {
            streams->stats.retransmitted++;
            trouble_resent(streams, flow, side, segment);
            if (recent_differs(&direction->recent, recent_seed(flow), direction->nxt - deliverable.seq, deliverable.data,
                               deliverable.len))
                tell_conflict(streams, flow, side, &deliverable);
        }
        if (ahead <= 0 && !held_first(flow, side) && ack_is_covered(other, deliverable.has_ack, deliverable.ack))
            deliver(streams, flow, side, &deliverable);
        else if (ahead >= 0 || seq_diff(deliverable.seq + deliverable.len + deliverable.missing, direction->nxt) > 0)
            hold(streams, flow, side, &deliverable);
    }
    if (flow->held_queue)
        segment_behind_hole(streams, flow);
}

void reassembly_segment(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                        const struct smtpscope_segment *segment)
{
    if (is_plain(flow, side, segment))
        segment_plain(streams, flow, side, segment);
    else
        segment_any(streams, flow, side, segment);
}

void reassembly_tick(struct smtpscope_streams *streams, struct flow *flow)
{
    unstick(streams, flow);
}

/* Octets at the end that were acknowledged and never captured. */
static uint32_t tail_missing(const struct direction *direction)
{
    int32_t missing = direction->has_acked ? seq_diff(direction->acked, direction->nxt) : 0;

    /* One number may be a FIN's: a single octet more than was seen is no proof of data. */
    return missing > 1 && missing < WINDOW_MAX && !direction->fin ? (uint32_t)missing - 1 : 0;
}

bool reassembly_owes(const struct flow *flow)
{
    return flow->held_queue || tail_missing(&flow->direction[0]) || tail_missing(&flow->direction[1]);
}

void reassembly_drain(struct smtpscope_streams *streams, struct flow *flow)
{
    pump(streams, flow);
    while (flow->held_queue) {
        if (!give_up(streams, flow)) {
            held_discard(streams, flow);
            break;
        }
        pump(streams, flow);
    }
    settle(streams, flow);
    for (int side = 0; side < 2; side++)
        if (tail_missing(&flow->direction[side]))
            tell_gap(streams, flow, (enum smtpscope_side)side, tail_missing(&flow->direction[side]), flow->last_time,
                     flow->last_packet);
}
