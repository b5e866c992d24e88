/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 5961 4: anyone can send a SYN into a connection, and anyone can send the SYN-ACK that would answer it: the two sides go on
 * as if nothing had been. So a connection that ended is replaced by a SYN at once; a live one only when a SYN was answered and
 * then both sides go on in the new numbers: a segment that has the next number of one side, and acknowledges the other's.
 */
#include "another.h"

#include "held.h"

/* How far behind its beginning a direction may have been seen already, in a capture that is out of order. */
#define BEGINNING_REACH (1 << 20)
/* What is kept of the octets that may be a new connection's. */
#define FOREIGN_MOST 16

static bool is_reached(uint32_t seq, uint32_t first)
{
    int32_t behind = seq_diff(seq, first);

    return behind >= 0 && behind <= BEGINNING_REACH;
}

static uint32_t first_number(const struct direction *direction)
{
    return direction->nxt - (uint32_t)direction->delivered;
}

/* Does the connection begin with this SYN, again or late? What was seen of a direction without a beginning stands behind it. */
static bool is_beginning(const struct flow *flow, enum smtpscope_side side, uint32_t first)
{
    const struct direction *direction = &flow->direction[side];
    const struct held *held = held_first(flow, side);

    if (direction->known)
        return first == first_number(direction);
    if (!held && !direction->has_acked)
        return true;
    return is_reached(held ? held->part.seq : direction->nxt, first);
}

/* A FIN, or a RST, that waits until what is missing before it has come. */
static bool ends_soon(const struct flow *flow)
{
    const struct doubtful_reset *reset = flow->unsettled ? &flow->unsettled->reset : NULL;

    for (int side = 0; flow->unsettled && side < 2; side++)
        for (const struct held *held = flow->unsettled->first[side]; held; held = held->next)
            if (!held->part.doubts && (held->part.fin || (reset->pending && reset->sound && reset->by == side &&
                                                          reset->seq == part_end(&held->part))))
                return true;
    return false;
}

static bool has_ended(const struct flow *flow)
{
    return flow->closed || flow->reset || flow->fin_seen || ends_soon(flow);
}

static struct rival_syn *rival_new(struct smtpscope_streams *streams, struct flow *flow,
                                   const struct smtpscope_segment *segment)
{
    struct unsettled *unsettled = unsettled_of(streams, flow);

    if (!unsettled)
        return NULL;
    unsettled->other = (struct rival_syn){.time = segment->time, .packet = segment->packet};
    return &unsettled->other;
}

static enum belongs syn_look(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                             const struct smtpscope_segment *segment)
{
    struct rival_syn *handshake = flow->unsettled ? &flow->unsettled->other : NULL;

    if (!flow->closed && is_beginning(flow, side, segment->seq + 1))
        return BELONGS_HERE;
    if (has_ended(flow))
        return BELONGS_TO_ANOTHER;
    if (!handshake || !handshake->known[!side] || handshake->nxt[side] != segment->seq + 1)
        handshake = rival_new(streams, flow, segment);
    if (handshake) {
        handshake->nxt[side] = segment->seq + 1;
        handshake->known[side] = true;
    }
    return BELONGS_NOWHERE;
}

/* It names both beginnings. In a capture that is out of order it may come before the SYN that it answers. */
static enum belongs syn_ack_look(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                                 const struct smtpscope_segment *segment)
{
    struct rival_syn *handshake = flow->unsettled ? &flow->unsettled->other : NULL;
    bool answers = flow->direction[!side].known && is_beginning(flow, !side, segment->ack);

    if (flow->direction[side].known
            ? answers && is_beginning(flow, side, segment->seq + 1)
            : answers || (is_beginning(flow, !side, segment->ack) && is_beginning(flow, side, segment->seq + 1)))
        return BELONGS_HERE;
    if (has_ended(flow))
        return BELONGS_TO_ANOTHER;
    if (!handshake || !handshake->known[!side] || handshake->nxt[!side] != segment->ack)
        handshake = rival_new(streams, flow, segment);
    if (handshake) {
        handshake->nxt[side] = segment->seq + 1;
        handshake->nxt[!side] = segment->ack;
        handshake->known[side] = true;
    }
    return BELONGS_NOWHERE;
}

static bool is_answered(const struct flow *flow)
{
    return flow->unsettled && flow->unsettled->other.known[0] && flow->unsettled->other.known[1];
}

enum belongs another_look(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                          const struct smtpscope_segment *segment)
{
    const uint8_t flags = segment->flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK | SMTPSCOPE_TCP_RST);

    if (flags & SMTPSCOPE_TCP_SYN && !(flags & SMTPSCOPE_TCP_RST)) {
        enum belongs belongs =
            flags & SMTPSCOPE_TCP_ACK ? syn_ack_look(streams, flow, side, segment) : syn_look(streams, flow, side, segment);

        if (belongs == BELONGS_HERE)
            flow->public.midstream = false; /* again, or later in the capture than what follows it */
        return belongs;
    }
    if (is_answered(flow) && flags == SMTPSCOPE_TCP_ACK && segment->seq == flow->unsettled->other.nxt[side] &&
        segment->ack == flow->unsettled->other.nxt[!side])
        return BELONGS_TO_ANOTHER;
    return BELONGS_HERE;
}

static bool is_foreign(const struct direction *direction, uint32_t seq)
{
    int32_t from_here = direction->known ? seq_diff(seq, direction->nxt) : 0;

    return from_here > BEGINNING_REACH || from_here < -BEGINNING_REACH;
}

void another_keep(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                  const struct deliverable *part)
{
    if (part->len && is_foreign(&flow->direction[side], part->seq) &&
        (!flow->unsettled || flow->unsettled->segments < FOREIGN_MOST))
        held_add(streams, flow, side, part);
}

void another_split(struct flow *old, struct held *foreign[2])
{
    for (int side = 0; side < 2; side++) {
        struct held **at = old->unsettled ? &old->unsettled->first[side] : NULL, **end = &foreign[side];

        foreign[side] = NULL;
        while (at && *at)
            if (is_foreign(&old->direction[side], (*at)->part.seq)) {
                *end = held_detach(old, side, at);
                end = &(*end)->next;
                *end = NULL;
            } else {
                at = &(*at)->next;
            }
    }
}

void another_inherit(struct smtpscope_streams *streams, struct flow *flow, struct held *foreign[2])
{
    for (int side = 0; side < 2; side++)
        for (struct held *held = foreign[side], *next; held; held = next) {
            const struct direction *direction = flow ? &flow->direction[side] : NULL;

            next = held->next;
            held->part.doubts = 0;
            if (direction && (!direction->known || is_reached(held->part.seq, direction->nxt)))
                held_add(streams, flow, (enum smtpscope_side)side, &held->part);
            held_release(streams, held);
        }
}
