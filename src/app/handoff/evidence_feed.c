/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/evidence_feed.h"

void evidence_feed_fragment(struct evidence *store, uint64_t datagram, const struct frame *frame)
{
    if (store && datagram)
        evidence_fragment(store, datagram, frame);
}

void evidence_feed_frame(struct evidence *store, const struct smtpscope_segment *segment, uint64_t datagram,
                         const struct frame *frame)
{
    evidence_frame(
        store,
        &(struct evidence_place){.connection = segment->hash,
                                 .ordinal = segment->packet,
                                 .seq = segment->seq,
                                 .datagram = datagram,
                                 .opens = (segment->flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK)) == SMTPSCOPE_TCP_SYN},
        frame);
}

uint64_t evidence_feed_hash(const struct smtpscope_flow *flow, uint64_t seed)
{
    const struct smtpscope_segment segment = {.src = flow->side[SMTPSCOPE_CLIENT], .dst = flow->side[SMTPSCOPE_SERVER]};

    return smtpscope_segment_hash(&segment, seed);
}

void evidence_feed_closed(struct evidence *store, uint64_t hash_seed, const struct smtpscope_flow *flow, smtpscope_time now)
{
    evidence_closed(store, evidence_feed_hash(flow, hash_seed), flow->first_packet, now);
}
