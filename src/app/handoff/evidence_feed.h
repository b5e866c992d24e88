/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * -w: frames on their way into a store (capture/evidence.h), a store a thread that reads frames. The thread that publishes
 * findings takes them out: publish/evidence_writer.h.
 */
#ifndef APP_HANDOFF_EVIDENCE_FEED_H
#define APP_HANDOFF_EVIDENCE_FEED_H

#include "capture/evidence.h"
#include "smtpscope/segment.h"
#include "smtpscope/stream.h"

/* The segment that the frame brought, with its hash; `datagram` is decoder_datagram()'s. */
void evidence_feed_frame(struct evidence *store, const struct smtpscope_segment *segment, uint64_t datagram,
                         const struct frame *frame);
/* The frame brought none. It is kept if it is a fragment; `store` may be NULL. */
void evidence_feed_fragment(struct evidence *store, uint64_t datagram, const struct frame *frame);
/* The flow has ended. */
void evidence_feed_closed(struct evidence *store, uint64_t hash_seed, const struct smtpscope_flow *flow, smtpscope_time now);
/* The hash of the flow's segments: what its frames are kept under. */
uint64_t evidence_feed_hash(const struct smtpscope_flow *flow, uint64_t seed);

#endif
