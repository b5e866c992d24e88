/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round trips of a direction: from a segment with octets to its acknowledgement. One segment is timed at a time, and none that
 * was sent again (RFC 6298 3, Karn). Internal to stream.
 */
#ifndef STREAM_RTT_H
#define STREAM_RTT_H

#include "flow.h"

/* A quarter of a power of two of microseconds each, the last one for all beyond two minutes: no figure is off by more than a fifth. */
#define RTT_CLASSES 104u

struct rtt {
    uint32_t end; /* the number behind the timed segment */
    bool timed;
    smtpscope_time since;
    uint32_t min_us, samples;
    uint16_t classes[RTT_CLASSES];
};

/* A new segment that ends before `end` is sent. */
void rtt_sent(struct rtt *rtt, uint32_t end, smtpscope_time now);
/* A segment that begins at `seq` is sent again. */
void rtt_resent(struct rtt *rtt, uint32_t seq);
void rtt_acked(struct rtt *rtt, uint32_t ack, smtpscope_time now);
/* The upper end of the class in which the 95th of a hundred stands, in microseconds; 0: there is none. */
uint32_t rtt_95(const struct rtt *rtt);

#endif
