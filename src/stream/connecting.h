/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long each side took in the handshake. A flow has no room for it but where its first FIN's time will stand, and it is told
 * long before that: with the first octets.
 */
#ifndef STREAM_CONNECTING_H
#define STREAM_CONNECTING_H

#include "flow.h"

#define CONNECTING_BITS 24
#define CONNECTING_MAX ((1u << CONNECTING_BITS) - 1)

static inline uint32_t connecting_us(const struct flow *flow, enum smtpscope_side side)
{
    return flow->fin_seen ? 0 : (uint32_t)(flow->fin_after >> (side * CONNECTING_BITS)) & CONNECTING_MAX;
}

/* A segment of a flow that is being made, not taken yet: it answers the one before, if that came from the other side. */
static inline void connecting_note(struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    smtpscope_time took = (segment->time - flow->last_time + 999) / 1000;
    bool answers = side == SMTPSCOPE_SERVER ? segment->flags & SMTPSCOPE_TCP_SYN && flow->direction[SMTPSCOPE_CLIENT].seen
                                            : flow->direction[SMTPSCOPE_SERVER].seen;

    if (!answers || flow->direction[!side].has_acked || flow->public.midstream || flow->fin_seen || took <= 0)
        return;
    if (took > CONNECTING_MAX)
        took = CONNECTING_MAX;
    flow->fin_after = (flow->fin_after | (uint64_t)took << (side * CONNECTING_BITS)) & BITS_48;
}

#endif
