/* SPDX-License-Identifier: BSD-2-Clause */
#include "held.h"

#include "base/memory.h"

#include "events.h"

struct held *held_detach(struct flow *flow, int side, struct held **at)
{
    struct unsettled *unsettled = flow->unsettled;
    struct held *held = *at, *last = NULL;

    *at = held->next;
    if (!held->next) {
        for (struct held *left = unsettled->first[side]; left; left = left->next)
            last = left;
        unsettled->last[side] = last;
    }
    unsettled->segments--;
    unsettled->aside -= held->part.doubts != 0;
    unsettled->octets -= held->part.len;
    return held;
}

void held_release(struct smtpscope_streams *streams, struct held *held)
{
    streams->stats.held_now -= held->part.len;
    streams->held--;
    memory_free(streams->config.allocator, held);
}

void held_remove(struct smtpscope_streams *streams, struct flow *flow, int side, struct held **at)
{
    held_release(streams, held_detach(flow, side, at));
}

/* Two segments that overlap must agree where they do. */
static bool parts_differ(const struct deliverable *a, const struct deliverable *b)
{
    int32_t shift = seq_diff(b->seq, a->seq);
    uint32_t from = shift > 0 ? (uint32_t)shift : 0, skip = shift < 0 ? (uint32_t)-shift : 0;
    uint32_t mine = b->len > skip ? b->len - skip : 0, theirs = a->len > from ? a->len - from : 0;
    uint32_t len = mine < theirs ? mine : theirs;

    return len && memcmp(a->data + from, b->data + skip, len) != 0;
}

/* Was it put aside, and comes again without a doubt? Then that was about the capture, or undone by now. */
static bool is_borne_out(const struct deliverable *held, const struct deliverable *part)
{
    return held->doubts && !part->doubts && held->seq == part->seq && held->len == part->len &&
           held->missing == part->missing && held->fin == part->fin && !parts_differ(held, part);
}

/* Is all of the part there already, and as good? Then its first copy is the one that counts. */
static bool is_held_already(struct deliverable *held, const struct deliverable *part)
{
    if (held->seq != part->seq || held->len < part->len || held->fin < part->fin || held->missing > part->missing ||
        !held->doubts != !part->doubts || (held->doubts && parts_differ(held, part)))
        return false;
    if (held->has_ack && part->has_ack && seq_diff(part->ack, held->ack) < 0)
        held->ack = part->ack; /* the lower acknowledgement can be delivered sooner */
    return true;
}

/* Two that are without a doubt, and overlap, must agree where they do. */
static bool is_conflict(const struct deliverable *held, const struct deliverable *part)
{
    return !held->doubts && !part->doubts && parts_differ(held, part);
}

/* Where a part belongs among what is held of its side; NULL: it is there already. */
static struct held **held_place(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                                const struct deliverable *part)
{
    struct held **at = &flow->unsettled->first[side], *last = flow->unsettled->last[side];

    /* Behind a hole segments mostly come in order: only the last one matters then. */
    if (last && seq_diff(part->seq, last->part.seq + last->part.len) >= 0)
        at = &last->next;
    for (; *at && seq_diff((*at)->part.seq, part->seq) <= 0; at = &(*at)->next) {
        if (is_conflict(&(*at)->part, part))
            tell_conflict(streams, flow, side, part);
        if (is_borne_out(&(*at)->part, part)) {
            (*at)->part.doubts = 0;
            flow->unsettled->aside--;
        }
        if (is_held_already(&(*at)->part, part))
            return NULL;
    }
    if (*at && is_conflict(&(*at)->part, part))
        tell_conflict(streams, flow, side, part);
    return at;
}

static void held_insert(struct smtpscope_streams *streams, struct unsettled *unsettled, enum smtpscope_side side,
                        struct held **at, const struct deliverable *part)
{
    struct held *held = memory_resize(streams->config.allocator, NULL, sizeof *held + part->len);

    if (!held)
        return; /* it becomes a gap */
    *held = (struct held){.next = *at, .part = *part};
    held->part.data = held->data;
    if (part->len)
        memcpy(held->data, part->data, part->len);
    *at = held;
    if (!held->next)
        unsettled->last[side] = held;
    unsettled->segments++;
    unsettled->aside += part->doubts != 0;
    unsettled->octets += part->len;
    streams->held++;
    streams->stats.out_of_order += !part->doubts;
    streams->stats.held_now += part->len;
}

void held_add(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct deliverable *part)
{
    struct unsettled *unsettled = unsettled_of(streams, flow);
    struct held **at = unsettled ? held_place(streams, flow, side, part) : NULL;

    if (at)
        held_insert(streams, unsettled, side, at, part);
    else if (unsettled)
        streams->stats.retransmitted++;
    unsettled_settle(streams, flow);
}

void held_forget_old(struct smtpscope_streams *streams, struct flow *flow, int side)
{
    const struct direction *direction = &flow->direction[side];
    struct held **at = &flow->unsettled->first[side];

    while (direction->known && *at && seq_diff((*at)->part.seq, direction->nxt) <= 0) {
        if (seq_diff(part_end(&(*at)->part), direction->nxt + direction->fin) > 0) {
            at = &(*at)->next;
            continue;
        }
        streams->stats.refused += (*at)->part.doubts != 0;
        held_remove(streams, flow, side, at);
    }
}

void held_discard(struct smtpscope_streams *streams, struct flow *flow)
{
    struct unsettled *unsettled = flow->unsettled;

    if (!unsettled)
        return;
    for (int side = 0; side < 2; side++)
        while (unsettled->first[side]) {
            streams->stats.refused += unsettled->first[side]->part.doubts != 0;
            held_remove(streams, flow, side, &unsettled->first[side]);
        }
    *unsettled = (struct unsettled){.trouble = unsettled->trouble};
    unsettled_settle(streams, flow);
}
