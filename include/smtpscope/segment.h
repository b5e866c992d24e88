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
    SMTPSCOPE_TCP_URG = 0x20,
};

/* What else a receiver, or what stands before it, judges a segment by. */
enum smtpscope_segment_mark {
    SMTPSCOPE_MARK_DAMAGED = 0x01,   /* the checksum of the IP header is wrong; 0 there is what offload leaves, and no mark */
    SMTPSCOPE_MARK_TOO_LONG = 0x02,  /* the IP header claims more octets than the frame had on the wire */
    SMTPSCOPE_MARK_CONTESTED = 0x04, /* it came in IP fragments that contradict one another */
    SMTPSCOPE_MARK_SIGNED = 0x08,    /* it has the option of RFC 2385 or RFC 5925 */
    SMTPSCOPE_MARK_STAMPED = 0x10,   /* it has timestamps, RFC 7323 3 */
    SMTPSCOPE_MARK_SCALED = 0x20,    /* it has a window scale, RFC 7323 2 */
    SMTPSCOPE_MARK_ICMP = 0x40,      /* no segment, but an ICMP error about one: see enum smtpscope_icmp */
};

/*
 * What an ICMP error says of the segment that it quotes (RFC 792, 1191 4, 1812 5.2.7.1, 4443 3). With MARK_ICMP `src`, `dst` and
 * `seq` are those of the segment quoted, and there are no octets; `scale` is one of these, `window` the MTU that TOO_BIG names (0:
 * none), `stamp` 1 when `dst` itself says so and 0 when a router does. `data` is the address of who says so, of `header` octets: 4,
 * 16, or 0 when it is not known.
 */
enum smtpscope_icmp {
    SMTPSCOPE_ICMP_NONE,
    SMTPSCOPE_ICMP_NETWORK,    /* no route */
    SMTPSCOPE_ICMP_HOST,       /* the host does not answer */
    SMTPSCOPE_ICMP_PORT,       /* nothing listens there, or TCP is not spoken */
    SMTPSCOPE_ICMP_PROHIBITED, /* a filter forbids it */
    SMTPSCOPE_ICMP_TOO_BIG,    /* fragmentation would be needed, and is not allowed */
    SMTPSCOPE_ICMP_EXPIRED,    /* too many hops */
};

/* "network unreachable" and the like; static. */
const char *smtpscope_icmp_name(enum smtpscope_icmp icmp);

/*
 * A segment as it was captured. `data` points into the caller's frame and is valid during the call only.
 * `len` octets of payload were captured; `missing` more were on the wire behind them, cut off by the snapshot length.
 */
struct smtpscope_segment {
    struct smtpscope_endpoint src, dst;
    uint32_t seq, ack;
    uint8_t flags;   /* enum smtpscope_tcp_flag */
    uint16_t window; /* as it stands in the header; 0: closed, nothing more is taken */
    const uint8_t *data;
    uint32_t len;
    uint32_t missing;
    smtpscope_time time;
    uint64_t packet; /* the caller's number for the frame, returned in facts and findings */
    uint64_t hash;   /* smtpscope_segment_hash(), where the caller has it already; 0: not computed */

    /* Zero where the caller does not know them: then the segment is not judged by them. */
    uint8_t marks;  /* enum smtpscope_segment_mark */
    uint8_t header; /* so many octets of TCP header stand right before `data`, captured whole; for the checksum */
    uint8_t hops;   /* the time to live, or hop limit, of the innermost IP header */
    uint8_t scale;  /* of the window, with MARK_SCALED */
    uint16_t mss;   /* of a SYN: the longest segment that its sender takes (RFC 9293 3.7.1) */
    uint16_t vlan;  /* of VLAN tags and the like: one value for each network that may use the same addresses; 12 bits */
    uint32_t stamp; /* TSval, with MARK_STAMPED */
};

/*
 * A hash of the connection: the same for both directions, never 0, as good in its high bits as in its low ones. `seed` is
 * anything an attacker cannot know. The streams look a flow up by its low bits: callers that spread connections over several
 * streams take the high ones.
 */
uint64_t smtpscope_segment_hash(const struct smtpscope_segment *segment, uint64_t seed);

SMTPSCOPE_C_END

#endif
