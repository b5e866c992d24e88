/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks by which a receiver drops a segment, so far as they show in a capture. Internal to stream.
 *
 * What fails a check is put aside and not dropped (aside.h), since nobody but the receiver knows. Where a receiver turns out to
 * take what fails a check, or the very first segment of a direction fails it, the check is about the capture, or about this
 * pair of hosts, and it is excused from then on.
 */
#ifndef STREAM_CHECKS_H
#define STREAM_CHECKS_H

#include "flow.h"

/* From what a receiver may well take to what none takes. */
enum doubt {
    DOUBT_VLAN = 0x01,      /* another network with the same addresses */
    DOUBT_UNSTAMPED = 0x02, /* RFC 7323 3.2: no timestamps where both SYNs had them */
    DOUBT_OLD = 0x04,       /* RFC 7323 5.3 (PAWS): an older timestamp than what was accepted before */
    DOUBT_SIGNATURE = 0x08, /* RFC 2385 2.0: signed where the SYN was not, or the other way round */
    DOUBT_TOO_LONG = 0x10,  /* the IP length goes beyond the frame; some tools cut frames without telling */
    DOUBT_DAMAGED = 0x20,   /* the checksum of the IP header */
    DOUBT_NO_ACK = 0x40,    /* RFC 9293 3.10.7.4: "if the ACK bit is off, drop the segment" */
    DOUBT_CHECKSUM = 0x80,  /* of TCP; a host's own segments are captured before offload fills it in */
    DOUBTS_EXCUSABLE = 0xff,
    DOUBT_HOPS = 0x100,      /* fewer hops left than any that has reached the receiver */
    DOUBT_WINDOW = 0x200,    /* RFC 9293 3.10.7.4: beyond the window; or belied by where its sender stands */
    DOUBT_CONTESTED = 0x400, /* IP fragments that contradict one another */
    DOUBT_ACK = 0x800,       /* RFC 5961 5.2: it acknowledges what was not sent, or what is far too old */
    DOUBTS_GRAVE = 0xff0,    /* few receivers take these */
};

/* The checks that a segment fails, but for those that are excused: enum doubt. */
uint16_t checks_failed(const struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment);

/* Notes what the first segment of a direction is like: what it fails is no sign of anything. */
void checks_begin(struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment);

/* Notes what a SYN has agreed. */
void checks_handshake(struct direction *direction, struct direction *other, const struct smtpscope_segment *segment);

/* The receiver took a segment of this direction that failed these checks. */
void checks_excuse(struct direction *direction, uint16_t doubts, uint8_t hops);

/* Is its checksum right, where that can be told and matters? */
bool checks_sum(const struct direction *direction, const struct smtpscope_segment *segment);

/* Both SYNs had timestamps, and so has this segment: an older one than before? */
static inline bool stamp_is_old(const struct direction *direction, const struct direction *other,
                                const struct smtpscope_segment *segment)
{
    return segment->marks & SMTPSCOPE_MARK_STAMPED && direction->stamped && other->stamped &&
           seq_diff(segment->stamp, direction->stamp) < 0;
}

/* No check fails, of those for which a segment that is next, and acknowledges what was delivered, need be looked at. */
static inline bool checks_are_plain(const struct direction *direction, const struct direction *other,
                                    const struct smtpscope_segment *segment)
{
    const uint8_t odd = SMTPSCOPE_MARK_DAMAGED | SMTPSCOPE_MARK_TOO_LONG | SMTPSCOPE_MARK_CONTESTED | SMTPSCOPE_MARK_SIGNED;

    return !(segment->marks & odd) && !direction->secured && segment->vlan == direction->vlan &&
           segment->hops >= direction->hops && !stamp_is_old(direction, other, segment) &&
           (segment->marks & SMTPSCOPE_MARK_STAMPED || !(direction->stamped && other->stamped)) &&
           checks_sum(direction, segment);
}

#endif
