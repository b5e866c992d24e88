/* SPDX-License-Identifier: BSD-2-Clause */
/* One TCP segment: what `decode` gives and `stream` takes. */
#ifndef SMTPSCOPE_SEGMENT_H
#define SMTPSCOPE_SEGMENT_H

#include "smtpscope/types.h"

SMTPSCOPE_C_BEGIN

/* RFC 9293 3.1 */
enum smtpscope_tcp_flag {
    SMTPSCOPE_TCP_FIN = 0x01,
    SMTPSCOPE_TCP_SYN = 0x02,
    SMTPSCOPE_TCP_RST = 0x04,
    SMTPSCOPE_TCP_PSH = 0x08,
    SMTPSCOPE_TCP_ACK = 0x10,
};

/*
 * A segment as it was captured. `data` points into the caller's frame and is valid during the call only.
 * `len` octets of payload were captured; `missing` more were on the wire behind them, cut off by the snapshot length.
 */
struct smtpscope_segment {
    struct smtpscope_endpoint src, dst;
    uint32_t seq, ack;
    uint8_t flags; /* enum smtpscope_tcp_flag */
    uint16_t window;
    const uint8_t *data;
    uint32_t len;
    uint32_t missing;
    smtpscope_time time;
    uint64_t packet; /* the caller's number for the frame, returned in facts and findings */
    uint64_t hash;   /* smtpscope_segment_hash(), where the caller has it already; 0: not computed */
};

/*
 * A hash of the connection: the same for both directions, never 0, as good in its high bits as in its low ones. `seed` is
 * anything an attacker cannot know. The streams look a flow up by its low bits: callers that spread connections over several
 * streams take the high ones.
 */
uint64_t smtpscope_segment_hash(const struct smtpscope_segment *segment, uint64_t seed);

SMTPSCOPE_C_END

#endif
