/* SPDX-License-Identifier: BSD-2-Clause */
/* What is next in a direction goes to the owner. Internal to stream. */
#ifndef STREAM_DELIVER_H
#define STREAM_DELIVER_H

#include "flow.h"

/* How far the other side's stream was acknowledged by a sender, as an offset. */
static inline uint64_t acked_offset(const struct direction *other, bool has_ack, uint32_t ack)
{
    int32_t behind = has_ack && other->known ? seq_diff(other->nxt, ack) : 0;
    uint64_t delivered = other->delivered;

    if (behind < 0 && other->fin)
        return delivered + 1;
    return behind > 0 && (uint64_t)behind <= delivered ? delivered - (uint64_t)behind : delivered;
}

/* All that it acknowledges was delivered. The FIN takes a sequence number of its own. */
static inline bool ack_is_covered(const struct direction *other, bool has_ack, uint32_t ack)
{
    return !has_ack || (other->known && seq_diff(ack, other->nxt) <= (int32_t)other->fin);
}

/* Delivers a part before which nothing is missing; what was delivered before is left out: the first octets win. */
void deliver(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct deliverable *part);

#endif
