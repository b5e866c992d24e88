/* SPDX-License-Identifier: BSD-2-Clause */
/* The segments of a flow that cannot be delivered yet, by direction and in order of their sequence numbers. Internal to stream. */
#ifndef STREAM_HELD_H
#define STREAM_HELD_H

#include "unsettled.h"

/* The number behind the last one that it takes; a FIN takes one. */
static inline uint32_t part_end(const struct deliverable *part)
{
    return part->seq + part->len + part->missing + part->fin;
}

/* The first segment of this side that waits for its turn, or NULL. */
static inline struct held *held_first(const struct flow *flow, int side)
{
    struct held *held = flow->unsettled ? flow->unsettled->first[side] : NULL;

    while (held && held->part.doubts)
        held = held->next;
    return held;
}

/* Keeps a copy, unless it is there already or there is no memory, which makes it a gap. */
void held_add(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct deliverable *part);
/* Takes out the one that `at` leads to; it is the caller's then, for held_release(). */
struct held *held_detach(struct flow *flow, int side, struct held **at);
void held_release(struct smtpscope_streams *streams, struct held *held);
/* Forgets the one that `at` leads to. */
void held_remove(struct smtpscope_streams *streams, struct flow *flow, int side, struct held **at);
/* Forgets what was delivered in the meantime. */
void held_forget_old(struct smtpscope_streams *streams, struct flow *flow, int side);
/* Forgets everything that is not settled, but for the trouble. */
void held_discard(struct smtpscope_streams *streams, struct flow *flow);

#endif
