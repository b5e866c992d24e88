/* SPDX-License-Identifier: BSD-2-Clause */
/* What the owner of the streams is told. Internal to stream. */
#ifndef STREAM_EVENTS_H
#define STREAM_EVENTS_H

#include "flow.h"

/*
 * What a flow's octets are remembered by: the same in each reading of a capture, so that the same is found in it, and no sender
 * knows to the microsecond when its first packet is captured.
 */
static inline uint64_t recent_seed(const struct flow *flow)
{
    return (uint64_t)flow->public.first_time * 0x9e3779b97f4a7c15u;
}

/* The flow's beginning, once: with its first octets, or its FIN; not with its SYN. */
void tell_opened(struct smtpscope_streams *streams, struct flow *flow);
/* The next octets of a side; fills in their offset. */
void tell_octets(struct smtpscope_streams *streams, struct flow *flow, struct smtpscope_octets *octets);
/* `len` octets that will not come, where the next ones were expected. */
void tell_gap(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, uint32_t len, smtpscope_time time,
              uint64_t packet);
/* Octets that came before, or are held, are not the same as those of this one. */
void tell_conflict(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                   const struct deliverable *part);
/* The direction's first urgent octets, which are among those that come next (RFC 6093: they stay in line). */
void tell_urgent(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                 const struct deliverable *part);
/* All octets before the FIN were told: it is remembered for the close. */
void tell_fin(struct flow *flow, enum smtpscope_side side);
/* The flow's end, once. */
void tell_closed(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_close why);

#endif
