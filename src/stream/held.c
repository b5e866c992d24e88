/* SPDX-License-Identifier: BSD-2-Clause */
#include "held.h"

#include "base/memory.h"

#include "events.h"

void held_pop(struct smtpscope_streams *streams, struct flow *flow, int side)
{
    struct held_queue *queue = flow->held_queue;
    struct held *held = queue->first[side];

    queue->first[side] = held->next;
    if (!held->next)
        queue->last[side] = NULL;
    queue->octets -= held->len;
    streams->stats.held_now -= held->len;
    streams->held--;
    memory_free(streams->config.allocator, held);
    if (--queue->segments)
        return;
    memory_free(streams->config.allocator, queue);
    flow->held_queue = NULL;
}

/* Two held segments that overlap must agree where they do. */
static bool held_differs(const struct held *held, const struct deliverable *deliverable)
{
    int32_t shift = seq_diff(deliverable->seq, held->seq);
    uint32_t from = shift > 0 ? (uint32_t)shift : 0, skip = shift < 0 ? (uint32_t)-shift : 0;
    uint32_t mine = deliverable->len > skip ? deliverable->len - skip : 0, theirs = held->len > from ? held->len - from : 0;

    return memcmp(held->data + (from < held->len ? from : held->len),
                  deliverable->data + (skip < deliverable->len ? skip : deliverable->len), mine < theirs ? mine : theirs) != 0;
}

/* Where a deliverable belongs among what is held of its side; NULL: it is there already. */
static struct held **held_place(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                                const struct deliverable *deliverable)
{
    struct held **at = &flow->held_queue->first[side], *last = flow->held_queue->last[side];

    /* Behind a hole segments mostly come in order: only the last one matters then. */
    if (last && seq_diff(deliverable->seq, last->seq + last->len) >= 0)
        at = &last->next;
    for (; *at && seq_diff((*at)->seq, deliverable->seq) <= 0; at = &(*at)->next) {
        if (held_differs(*at, deliverable))
            tell_conflict(streams, flow, side, deliverable);
        if ((*at)->seq == deliverable->seq && (*at)->len >= deliverable->len && (*at)->fin >= deliverable->fin &&
            (*at)->missing <= deliverable->missing)
            return NULL;
    }
    if (*at && held_differs(*at, deliverable))
        tell_conflict(streams, flow, side, deliverable);
    return at;
}

static void held_insert(struct smtpscope_streams *streams, struct held_queue *queue, enum smtpscope_side side, struct held **at,
                        const struct deliverable *deliverable)
{
    struct held *held = memory_resize(streams->config.allocator, NULL, sizeof *held + deliverable->len);

    if (!held)
        return; /* it becomes a gap */
    *held = (struct held){.next = *at,
                          .time = deliverable->time,
                          .packet = deliverable->packet,
                          .seq = deliverable->seq,
                          .ack = deliverable->ack,
                          .len = deliverable->len,
                          .missing = deliverable->missing,
                          .has_ack = deliverable->has_ack,
                          .fin = deliverable->fin};
    if (deliverable->len)
        memcpy(held->data, deliverable->data, deliverable->len);
    *at = held;
    if (!held->next)
        queue->last[side] = held;
    queue->segments++;
    queue->octets += deliverable->len;
    streams->held++;
    streams->stats.out_of_order++;
    streams->stats.held_now += deliverable->len;
}

void hold(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct deliverable *deliverable)
{
    struct held **at;

    if (!flow->held_queue && !(flow->held_queue = memory_new(streams->config.allocator, sizeof *flow->held_queue)))
        return;
    at = held_place(streams, flow, side, deliverable);
    if (at)
        held_insert(streams, flow->held_queue, side, at, deliverable);
    else
        streams->stats.retransmitted++;
    if (flow->held_queue->segments)
        return;
    memory_free(streams->config.allocator, flow->held_queue);
    flow->held_queue = NULL;
}

void held_discard(struct smtpscope_streams *streams, struct flow *flow)
{
    for (int side = 0; side < 2; side++)
        while (held_first(flow, side))
            held_pop(streams, flow, side);
}
