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
#include "flow.h"

#include "base/memory.h"

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

/* What is delivered next: a view, of the caller's segment or of a held one. */
struct piece {
    const uint8_t *data;
    uint32_t seq, ack, len, missing;
    bool has_ack, fin;
    smtpscope_time time;
    uint64_t packet;
};

static void tell_conflict(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                          const struct piece *piece)
{
    const struct half *half = &flow->half[side];

    flow_follow(streams, flow);
    streams->stats.conflicts++;
    if (flow->user)
        streams->config.events->conflict(streams->config.ctx, flow->user, side,
                                         half->delivered + (uint64_t)(int64_t)seq_diff(piece->seq, half->nxt), piece->time,
                                         piece->packet);
}

static void tell_gap(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, uint32_t len,
                     smtpscope_time time, uint64_t packet)
{
    struct half *half = &flow->half[side];

    flow_follow(streams, flow);
    streams->stats.gaps++;
    streams->stats.gap_octets += len;
    half->recent = (struct recent){0};
    if (flow->user)
        streams->config.events->gap(streams->config.ctx, flow->user, side, half->delivered, len, time, packet);
    half->nxt += len;
    half->delivered += len;
}

/* How far the other side's stream was acknowledged by a sender, as an offset. */
static uint64_t acked_offset(const struct half *other, bool has_ack, uint32_t ack)
{
    int32_t behind = has_ack && other->known ? seq_diff(other->nxt, ack) : 0;

    return behind > 0 && (uint64_t)behind <= other->delivered ? other->delivered - (uint64_t)behind : other->delivered;
}

static void fin_delivered(struct flow *flow, enum smtpscope_side side)
{
    flow->half[side].fin = true;
    if (!flow->fin_seen) {
        flow->fin_seen = true;
        flow->fin_time = flow->last_time;
        flow->fin_by = side & 1u;
    }
}

/* The front was delivered before: the first octets win. false: all of it was. */
static bool cut_front(struct piece *piece, uint32_t cut)
{
    uint32_t cut_data = cut < piece->len ? cut : piece->len;

    if (cut >= piece->len + piece->missing)
        return false;
    piece->data += cut_data;
    piece->len -= cut_data;
    piece->missing -= cut - cut_data;
    piece->seq += cut;
    return true;
}

/*
 * What a flow's octets are remembered by: the same in each reading of a capture, so that the same is found in it, and no sender
 * knows to the microsecond when its first packet is captured.
 */
static uint64_t recent_seed(const struct flow *flow)
{
    return (uint64_t)flow->public.first_time * 0x9e3779b97f4a7c15u;
}

/* The next octets of a side. `offset` is filled in. */
static void deliver_octets(struct smtpscope_streams *streams, struct flow *flow, struct smtpscope_octets *octets)
{
    struct half *half = &flow->half[octets->side];

    octets->offset = half->delivered;
    flow_follow(streams, flow);
    recent_keep(&half->recent, recent_seed(flow), octets->data, (uint32_t)octets->len);
    half->nxt += (uint32_t)octets->len;
    half->delivered += octets->len;
    streams->stats.octets += octets->len;
    if (flow->user)
        streams->config.events->octets(streams->config.ctx, flow->user, octets);
}

static void deliver_piece(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                          const struct piece *piece)
{
    deliver_octets(streams, flow,
                   &(struct smtpscope_octets){
                       .side = side,
                       .data = piece->data,
                       .len = piece->len,
                       .acked = acked_offset(&flow->half[!side], piece->has_ack, piece->ack),
                       .time = piece->time,
                       .packet = piece->packet,
                   });
}

/* Changes the piece: what is left of it was delivered. */
static void deliver(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, struct piece *piece)
{
    int32_t old = seq_diff(flow->half[side].nxt, piece->seq);

    if (old > 0 && !cut_front(piece, (uint32_t)old)) {
        if (piece->fin && (uint32_t)old == piece->len + piece->missing)
            fin_delivered(flow, side);
        return;
    }
    if (piece->len)
        deliver_piece(streams, flow, side, piece);
    if (piece->missing)
        tell_gap(streams, flow, side, piece->missing, piece->time, piece->packet);
    if (piece->fin) {
        flow_follow(streams, flow); /* it was established, if only to be closed */
        fin_delivered(flow, side);
    }
}

static bool ack_is_covered(const struct half *other, bool has_ack, uint32_t ack)
{
    /* The FIN takes a sequence number of its own. */
    return !has_ack || !other->known || seq_diff(ack, other->nxt) <= (other->fin ? 1 : 0);
}

static struct piece held_piece(const struct held *held)
{
    return (struct piece){.data = held->data,
                          .seq = held->seq,
                          .ack = held->ack,
                          .len = held->len,
                          .missing = held->missing,
                          .has_ack = held->has_ack,
                          .fin = held->fin,
                          .time = held->time,
                          .packet = held->packet};
}

/* The first segment of this side that is held, or NULL. */
static struct held *held_first(const struct flow *flow, int side)
{
    return flow->blocked ? flow->blocked->first[side] : NULL;
}

static void held_pop(struct smtpscope_streams *streams, struct flow *flow, int side)
{
    struct blocked *blocked = flow->blocked;
    struct held *held = blocked->first[side];

    blocked->first[side] = held->next;
    if (!held->next)
        blocked->last[side] = NULL;
    blocked->octets -= held->len;
    streams->stats.held_now -= held->len;
    streams->held--;
    memory_free(streams->config.allocator, held);
    if (--blocked->segments)
        return;
    memory_free(streams->config.allocator, blocked);
    flow->blocked = NULL;
}

static void held_deliver(struct smtpscope_streams *streams, struct flow *flow, int side)
{
    struct piece piece = held_piece(held_first(flow, side));

    deliver(streams, flow, (enum smtpscope_side)side, &piece);
    held_pop(streams, flow, side);
}

/* The first held segment of this side has nothing missing before it. */
static bool held_is_next(const struct flow *flow, int side)
{
    const struct held *held = held_first(flow, side);

    return held && seq_diff(held->seq, flow->half[side].nxt) <= 0;
}

/* Delivers what can be delivered now. */
static void pump(struct smtpscope_streams *streams, struct flow *flow)
{
    for (bool again = true; again;) {
        again = false;
        for (int side = 0; side < 2; side++)
            while (held_is_next(flow, side) &&
                   ack_is_covered(&flow->half[!side], held_first(flow, side)->has_ack, held_first(flow, side)->ack)) {
                held_deliver(streams, flow, side);
                again = true;
            }
    }
}

/* How many octets of this side are missing before either side can go on; 0 when it is not this side that blocks. */
static uint32_t hole(const struct flow *flow, enum smtpscope_side side)
{
    const struct half *half = &flow->half[side];
    const struct held *mine = held_first(flow, side), *theirs = held_first(flow, !side);
    int32_t need = 0;

    if (!half->known || held_is_next(flow, side))
        return 0;
    if (mine)
        need = seq_diff(mine->seq, half->nxt);
    if (theirs && theirs->has_ack && seq_diff(theirs->ack, half->nxt) > 0) {
        int32_t acked = seq_diff(theirs->ack, half->nxt);

        need = need && need < acked ? need : acked;
    }
    return (uint32_t)need;
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

        if (missing == 1 && !mine && !flow->half[side].fin) {
            fin_delivered(flow, (enum smtpscope_side)side);
            return true;
        }
        if (missing && next) {
            tell_gap(streams, flow, (enum smtpscope_side)side, missing, next->time, next->packet);
            return true;
        }
    }
    return break_circle(streams, flow);
}

/* Was what is missing acknowledged, and so seen by the other side? Where nothing is missing, the two only wait in a circle. */
static bool hole_is_acked(const struct flow *flow)
{
    bool missing = false;

    for (int side = 0; side < 2; side++) {
        const struct half *half = &flow->half[side];

        if (!hole(flow, (enum smtpscope_side)side))
            continue;
        missing = true;
        if (half->has_acked && seq_diff(half->acked, half->nxt) > 0)
            return true;
    }
    return !missing;
}

bool reassembly_is_hopeless(const struct smtpscope_streams *streams, const struct flow *flow)
{
    const struct blocked *blocked = flow->blocked;
    smtpscope_time waited = streams->now - flow->since;

    if (!blocked)
        return false;
    if (hole_is_acked(flow)) {
        /* A side that was never captured will not come late either. */
        if (!flow->half[0].seen || !flow->half[1].seen)
            return blocked->waited > 2 || waited > ACKED_HOLE_TIME;
        return blocked->waited > ACKED_HOLE_SEGMENTS || waited > ACKED_HOLE_TIME;
    }
    return waited > OPEN_HOLE_TIME || blocked->octets > OPEN_HOLE_OCTETS || blocked->segments > OPEN_HOLE_SEGMENTS;
}

/* Keeps the flow in the list its condition asks for. */
static void settle(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->list == LIST_LINGER)
        return;
    if (!flow->blocked && flow->list == LIST_STUCK) {
        flow_wait(streams, flow, LIST_IDLE);
    } else if (flow->blocked && flow->list != LIST_STUCK) {
        flow->blocked->waited = 0;
        flow_wait(streams, flow, LIST_STUCK);
    }
}

static void unstick(struct smtpscope_streams *streams, struct flow *flow)
{
    while (reassembly_is_hopeless(streams, flow)) {
        if (!give_up(streams, flow)) {
            reassembly_discard(streams, flow);
            break;
        }
        /* The next hole has its own wait. A flow that was reset waits no longer for it. */
        if (flow->blocked)
            flow->blocked->waited = 0;
        if (flow->list == LIST_STUCK)
            flow_wait(streams, flow, LIST_STUCK);
        pump(streams, flow);
    }
    settle(streams, flow);
}

/* Two held segments that overlap must agree where they do. */
static bool held_differs(const struct held *held, const struct piece *piece)
{
    int32_t shift = seq_diff(piece->seq, held->seq);
    uint32_t from = shift > 0 ? (uint32_t)shift : 0, skip = shift < 0 ? (uint32_t)-shift : 0;
    uint32_t mine = piece->len > skip ? piece->len - skip : 0, theirs = held->len > from ? held->len - from : 0;

    return memcmp(held->data + (from < held->len ? from : held->len), piece->data + (skip < piece->len ? skip : piece->len),
                  mine < theirs ? mine : theirs) != 0;
}

/* Where a piece belongs among what is held of its side; NULL: it is there already. */
static struct held **held_place(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                                const struct piece *piece)
{
    struct held **at = &flow->blocked->first[side], *last = flow->blocked->last[side];

    /* Behind a hole segments mostly come in order: only the last one matters then. */
    if (last && seq_diff(piece->seq, last->seq + last->len) >= 0)
        at = &last->next;
    for (; *at && seq_diff((*at)->seq, piece->seq) <= 0; at = &(*at)->next) {
        if (held_differs(*at, piece))
            tell_conflict(streams, flow, side, piece);
        if ((*at)->seq == piece->seq && (*at)->len >= piece->len && (*at)->fin >= piece->fin &&
            (*at)->missing <= piece->missing)
            return NULL;
    }
    if (*at && held_differs(*at, piece))
        tell_conflict(streams, flow, side, piece);
    return at;
}

static void held_insert(struct smtpscope_streams *streams, struct blocked *blocked, enum smtpscope_side side, struct held **at,
                        const struct piece *piece)
{
    struct held *held = memory_resize(streams->config.allocator, NULL, sizeof *held + piece->len);

    if (!held)
        return; /* it becomes a gap */
    *held = (struct held){.next = *at,
                          .time = piece->time,
                          .packet = piece->packet,
                          .seq = piece->seq,
                          .ack = piece->ack,
                          .len = piece->len,
                          .missing = piece->missing,
                          .has_ack = piece->has_ack,
                          .fin = piece->fin};
    if (piece->len)
        memcpy(held->data, piece->data, piece->len);
    *at = held;
    if (!held->next)
        blocked->last[side] = held;
    blocked->segments++;
    blocked->octets += piece->len;
    streams->held++;
    streams->stats.out_of_order++;
    streams->stats.held_now += piece->len;
    if (streams->stats.held_now > streams->stats.held_max)
        streams->stats.held_max = streams->stats.held_now;
}

static void hold(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct piece *piece)
{
    struct held **at;

    if (!flow->blocked && !(flow->blocked = memory_new(streams->config.allocator, sizeof *flow->blocked)))
        return;
    at = held_place(streams, flow, side, piece);
    if (at)
        held_insert(streams, flow->blocked, side, at, piece);
    else
        streams->stats.retransmitted++;
    if (flow->blocked->segments)
        return;
    memory_free(streams->config.allocator, flow->blocked);
    flow->blocked = NULL;
}

static void note_ack(struct half *other, uint32_t ack)
{
    if (!other->known) {
        other->known = true;
        other->nxt = ack;
    }
    if (!other->has_acked || seq_diff(ack, other->acked) > 0) {
        other->has_acked = true;
        other->acked = ack;
    }
}

/* A keep-alive or window probe repeats the last octet with any content (RFC 9293 3.8.4). */
static bool is_probe(const struct half *half, const struct piece *piece)
{
    return piece->len <= 1 && seq_diff(half->nxt, piece->seq) == 1;
}

/* What each segment of a flow does where something is held. */
static void segment_blocked(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->blocked->waited < UINT16_MAX)
        flow->blocked->waited++;
    pump(streams, flow);
    settle(streams, flow);
    unstick(streams, flow);
    if (streams->stats.held_now + streams->held * sizeof(struct held) > streams->config.max_held)
        reassembly_drain(streams, flow);
}

/* Nearly every segment: what comes next, or a bare acknowledgement, and nothing is held. */
static bool is_plain(const struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    const struct half *half = &flow->half[side], *other = &flow->half[!side];
    const uint8_t flags = SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_RST | SMTPSCOPE_TCP_ACK;

    return (segment->flags & flags) == SMTPSCOPE_TCP_ACK && !flow->blocked && half->known && segment->seq == half->nxt &&
           !segment->missing && ack_is_covered(other, true, segment->ack);
}

static void segment_plain(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                          const struct smtpscope_segment *segment)
{
    struct half *other = &flow->half[!side];

    flow->half[side].seen = true;
    note_ack(other, segment->ack);
    if (segment->len)
        deliver_octets(streams, flow,
                       &(struct smtpscope_octets){
                           .side = side,
                           .data = segment->data,
                           .len = segment->len,
                           .acked = acked_offset(other, true, segment->ack),
                           .time = segment->time,
                           .packet = segment->packet,
                       });
}

/* Apart, so that what nearly every segment does is the shorter. */
__attribute__((noinline)) static void segment_any(struct smtpscope_streams *streams, struct flow *flow,
                                                  enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    struct half *half = &flow->half[side], *other = &flow->half[!side];
    bool syn = segment->flags & SMTPSCOPE_TCP_SYN;
    struct piece piece = {.data = segment->data,
                          .seq = segment->seq + syn,
                          .ack = segment->ack,
                          .len = segment->len,
                          .missing = segment->missing,
                          .has_ack = segment->flags & SMTPSCOPE_TCP_ACK,
                          .fin = segment->flags & SMTPSCOPE_TCP_FIN,
                          .time = segment->time,
                          .packet = segment->packet};

    if (segment->flags & SMTPSCOPE_TCP_RST) { /* RFC 9293 3.5.3: its text explains the reset, it is not in the stream */
        piece.len = piece.missing = 0;
        piece.fin = false;
    }
    half->seen = true;
    if (!half->known) {
        half->known = true;
        half->nxt = piece.seq;
    }
    if (piece.has_ack)
        note_ack(other, piece.ack);
    if (piece.len || piece.missing || piece.fin) {
        int32_t ahead = seq_diff(piece.seq, half->nxt);

        if (ahead > WINDOW_MAX)
            return;
        if (ahead < 0 && piece.len && !is_probe(half, &piece)) {
            streams->stats.retransmitted++;
            if (recent_differs(&half->recent, recent_seed(flow), half->nxt - piece.seq, piece.data, piece.len))
                tell_conflict(streams, flow, side, &piece);
        }
        if (ahead <= 0 && !held_first(flow, side) && ack_is_covered(other, piece.has_ack, piece.ack))
            deliver(streams, flow, side, &piece);
        else if (ahead >= 0 || seq_diff(piece.seq + piece.len + piece.missing, half->nxt) > 0)
            hold(streams, flow, side, &piece);
    }
    if (flow->blocked)
        segment_blocked(streams, flow);
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
static uint32_t tail_missing(const struct half *half)
{
    int32_t missing = half->has_acked ? seq_diff(half->acked, half->nxt) : 0;

    /* One number may be a FIN's: a single octet more than was seen is no proof of data. */
    return missing > 1 && missing < WINDOW_MAX && !half->fin ? (uint32_t)missing - 1 : 0;
}

bool reassembly_owes(const struct flow *flow)
{
    return flow->blocked || tail_missing(&flow->half[0]) || tail_missing(&flow->half[1]);
}

void reassembly_drain(struct smtpscope_streams *streams, struct flow *flow)
{
    pump(streams, flow);
    while (flow->blocked) {
        if (!give_up(streams, flow)) {
            reassembly_discard(streams, flow);
            break;
        }
        pump(streams, flow);
    }
    settle(streams, flow);
    for (int side = 0; side < 2; side++)
        if (tail_missing(&flow->half[side]))
            tell_gap(streams, flow, (enum smtpscope_side)side, tail_missing(&flow->half[side]), flow->last_time,
                     flow->last_packet);
}

void reassembly_discard(struct smtpscope_streams *streams, struct flow *flow)
{
    for (int side = 0; side < 2; side++)
        while (held_first(flow, side))
            held_pop(streams, flow, side);
}
