/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments of one flow -> octets of both directions in order, and gaps. Internal to stream. */
#ifndef STREAM_REASSEMBLY_H
#define STREAM_REASSEMBLY_H

#include "flow.h"

/* Takes octets, acknowledgement, SYN and FIN of one segment of the flow, which `side` sent. False: it fails a check, and is put aside. */
bool reassembly_segment(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                        const struct smtpscope_segment *segment);
/* What a segment has of its direction. RFC 9293 3.5.3: the text of a RST explains it, it is not in the stream. */
struct deliverable reassembly_part(const struct smtpscope_segment *segment);
/* Gives up every hole: delivers all that is held, with gaps, and the loss at the end that acknowledgements prove. */
void reassembly_drain(struct smtpscope_streams *streams, struct flow *flow);
/* Has a hole stopped the flow for too long? Then reassembly_tick() gives it up. */
bool reassembly_is_hopeless(const struct smtpscope_streams *streams, const struct flow *flow);
void reassembly_tick(struct smtpscope_streams *streams, struct flow *flow);
/* Would reassembly_drain() tell anything? */
bool reassembly_owes(const struct flow *flow);

#endif
