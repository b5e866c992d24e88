/* SPDX-License-Identifier: BSD-2-Clause */
#include "aside.h"

#include "acks.h"
#include "checks.h"
#include "events.h"
#include "held.h"

/* Of one flow; a receiver acknowledges at least every second full segment (RFC 9293 3.8.6.3). */
#define ASIDE_MOST 64
#define ASIDE_OCTETS (128u << 10)
/* A forger that sends more than so many, in the names of both sides, while neither says a word, is believed. */
#define DOUBTFUL_MANY 8

static void note_claim(struct unsettled *unsettled, enum smtpscope_side of, uint32_t ack)
{
    if (!unsettled->claims[of] || seq_diff(ack, unsettled->claimed[of]) > 0)
        unsettled->claimed[of] = ack;
    unsettled->claims[of] = true;
}

void aside_add(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct deliverable *part)
{
    struct unsettled *unsettled = unsettled_of(streams, flow);
    const struct direction *direction = &flow->direction[side];
    bool old = direction->known && seq_diff(part_end(part), direction->nxt) <= 0;

    streams->stats.doubtful++;
    if (!unsettled)
        return;
    if (unsettled->doubtful < UINT16_MAX)
        unsettled->doubtful++;
    unsettled->doubted[side] = true;
    if (part->has_ack)
        note_claim(unsettled, !side, part->ack);
    if (!old && part_end(part) != part->seq && unsettled->aside < ASIDE_MOST && unsettled->octets < ASIDE_OCTETS)
        held_add(streams, flow, side, part);
    else
        streams->stats.refused++;
}

/* No receiver takes octets whose checksum is wrong, where that of others is right. */
static uint16_t gravity(const struct deliverable *part)
{
    return part->doubts & DOUBT_CHECKSUM ? UINT16_MAX : part->doubts & DOUBTS_GRAVE;
}

/* Of two with the same octets: that with the lesser doubt, else that which was sent earlier, and so acknowledges less. */
static bool is_better(const struct deliverable *part, const struct deliverable *best)
{
    uint16_t doubts = gravity(part), others = gravity(best);

    if (doubts != others)
        return doubts < others;
    return part->has_ack && best->has_ack && seq_diff(part->ack, best->ack) < 0;
}

/* What was put aside and has the next octet. NULL: there is none, or another came for it. */
static struct held *aside_next(const struct flow *flow, enum smtpscope_side side)
{
    const struct direction *direction = &flow->direction[side];
    struct held *best = NULL;

    for (struct held *held = flow->unsettled->first[side]; held && seq_diff(held->part.seq, direction->nxt) <= 0;
         held = held->next) {
        if (seq_diff(part_end(&held->part), direction->nxt + direction->fin) <= 0)
            continue;
        if (!held->part.doubts)
            return NULL;
        if (!best || is_better(&held->part, &best->part))
            best = held;
    }
    return best;
}

/*
 * Its receiver took it: it waits for its turn like any other, and what it acknowledges counts. Which of the octets that differ the
 * receiver took nobody knows.
 */
static void believe(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, struct held *held)
{
    if (held->part.doubts & DOUBT_CONTESTED)
        tell_conflict(streams, flow, side, &held->part);
    checks_excuse(&flow->direction[side], held->part.doubts, held->part.hops);
    held->part.doubts = 0;
    flow->unsettled->aside--;
    if (held->part.has_ack)
        acks_note(&flow->direction[!side], held->part.ack, false);
}

bool aside_take_until(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, uint32_t end)
{
    const struct direction *direction = &flow->direction[side];
    bool next = direction->known && seq_diff(end, direction->nxt + direction->fin) > 0;
    struct held *held = next ? aside_next(flow, side) : NULL;

    if (!held)
        return false;
    streams->stats.taken++;
    believe(streams, flow, side, held);
    return true;
}

bool aside_take(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side)
{
    const struct direction *direction = &flow->direction[side];

    return flow->unsettled->aside && direction->has_acked && aside_take_until(streams, flow, side, direction->acked);
}

void aside_refute(struct flow *flow)
{
    struct unsettled *unsettled = flow->unsettled;

    unsettled->doubtful = 0;
    unsettled->doubted[0] = unsettled->doubted[1] = false;
    unsettled->claims[0] = unsettled->claims[1] = false;
}

bool aside_is_both(const struct flow *flow)
{
    return flow->unsettled->doubted[0] && flow->unsettled->doubted[1];
}

bool aside_is_many(const struct flow *flow)
{
    return aside_is_both(flow) && flow->unsettled->doubtful > DOUBTFUL_MANY;
}

void aside_trust(struct smtpscope_streams *streams, struct flow *flow)
{
    struct unsettled *unsettled = flow->unsettled;

    for (int side = 0; side < 2; side++) {
        struct direction *direction = &flow->direction[side];

        for (struct held *held = unsettled->first[side]; held; held = held->next)
            if (held->part.doubts)
                believe(streams, flow, side, held);
        if (unsettled->claims[side] && (!direction->has_acked || seq_diff(unsettled->claimed[side], direction->acked) > 0)) {
            direction->has_acked = true;
            direction->acked = unsettled->claimed[side];
        }
    }
    aside_refute(flow);
}

/*
 * A sender's acknowledgements never go back, and a segment without octets stands where its sender does (RFC 9293 3.10.7.4: SND.NXT).
 * What says otherwise was not sent by it, or comes later in the capture than it was sent: then its acknowledgement brings it back.
 */
static uint16_t belied_by(const struct deliverable *held, const struct deliverable *later)
{
    uint16_t doubts = 0;

    if (held->has_ack && later->has_ack && seq_diff(held->ack, later->ack) > 0 && seq_diff(held->seq, later->seq) <= 0)
        doubts |= DOUBT_ACK;
    if (!later->len && !later->missing && seq_diff(held->seq, later->seq) > 0)
        doubts |= DOUBT_WINDOW;
    return doubts;
}

void aside_belied(struct flow *flow, enum smtpscope_side side, const struct deliverable *later)
{
    struct unsettled *unsettled = flow->unsettled;

    for (struct held *held = unsettled->first[side]; held; held = held->next) {
        uint16_t doubts = belied_by(&held->part, later);

        unsettled->aside += doubts && !held->part.doubts;
        held->part.doubts |= doubts;
    }
}
