/* SPDX-License-Identifier: BSD-2-Clause */
/* What acknowledgements say of the octets of the other direction. Internal to stream. */
#ifndef STREAM_ACKS_H
#define STREAM_ACKS_H

#include "flow.h"

/*
 * An acknowledgement of octets that were not seen says that the capture lost them; or it is forged, or broken, and the other side
 * drops it (RFC 9293 3.10.7.4: of what was not sent). So it counts until a later segment of its sender acknowledges less, or the
 * one that it speaks of goes on where it was. A receiver never takes an acknowledgement back.
 */
static inline void acks_note(struct direction *other, uint32_t ack, bool later)
{
    if (!other->known && (!other->has_acked || seq_diff(ack, other->nxt) < 0))
        other->nxt = ack;
    if (!other->has_acked || seq_diff(ack, other->acked) > 0 ||
        (later && other->known && seq_diff(other->acked, other->nxt) > 0)) {
        other->has_acked = true;
        other->acked = ack;
    }
}

/* A sender that stands where the last octet seen of it ends has sent no more. */
static inline void acks_belied(struct direction *direction, uint32_t seq)
{
    if (direction->known && seq == direction->nxt && seq_diff(direction->acked, seq) > 0)
        direction->acked = seq;
}

#endif
