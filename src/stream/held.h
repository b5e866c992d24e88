/* SPDX-License-Identifier: BSD-2-Clause */
/* The segments of a flow that cannot be delivered yet, by direction and in order of their sequence numbers. Internal to stream. */
#ifndef STREAM_HELD_H
#define STREAM_HELD_H

#include "flow.h"

static inline struct deliverable held_deliverable(const struct held *held)
{
    return (struct deliverable){.data = held->data,
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
static inline struct held *held_first(const struct flow *flow, int side)
{
    return flow->held_queue ? flow->held_queue->first[side] : NULL;
}

/* Forgets the first one of this side. */
void held_pop(struct smtpscope_streams *streams, struct flow *flow, int side);
/* Keeps a copy, unless it is there already or there is no memory, which makes it a gap. */
void hold(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
          const struct deliverable *deliverable);
/* Forgets all. */
void held_discard(struct smtpscope_streams *streams, struct flow *flow);

#endif
