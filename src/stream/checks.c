/* SPDX-License-Identifier: BSD-2-Clause */
#include "checks.h"

#include "base/checksum.h"

#define SCALE_MAX 14 /* RFC 7323 2.3 */

/* The largest window that this side can announce; as if it had the largest scale where its SYN was not captured. */
static uint32_t window_most(const struct direction *announcing)
{
    return (uint32_t)UINT16_MAX << (announcing->scale ? announcing->scale - 1 : SCALE_MAX);
}

/*
 * How many octets ahead the receiver of this direction takes at most. A window that was not captured may have been larger than the
 * last one that was, so it is never less than what has no scale.
 */
static uint32_t window_of(const struct direction *direction, const struct direction *other)
{
    uint32_t window = other->scale ? (uint32_t)direction->window << (other->scale - 1) : window_most(other);

    return window > UINT16_MAX ? window : UINT16_MAX;
}

bool checks_sum(const struct direction *direction, const struct smtpscope_segment *segment)
{
    return !segment->header || direction->excused & DOUBT_CHECKSUM ||
           checksum_of_tcp_is_right(segment->src.addr, segment->dst.addr, segment->data - segment->header,
                                    segment->header + segment->len);
}

/* Octets behind a hole, beyond all that the receiver could take. What comes next is not asked: see aside.h. */
static bool is_beyond_window(const struct direction *direction, const struct direction *other,
                             const struct smtpscope_segment *segment)
{
    uint32_t end = segment->seq + segment->len + segment->missing;
    uint32_t from = direction->has_acked && seq_diff(direction->acked, direction->nxt) > 0 ? direction->acked : direction->nxt;

    return direction->known && seq_diff(segment->seq, direction->nxt) > 0 &&
           seq_diff(end, from) > (int32_t)window_of(direction, other);
}

/*
 * RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT. What was sent and not captured is no more than the window that the
 * sender of this acknowledgement can have left open.
 */
static bool is_ack_odd(const struct direction *direction, const struct direction *other,
                       const struct smtpscope_segment *segment)
{
    int32_t ahead = other->known && segment->flags & SMTPSCOPE_TCP_ACK ? seq_diff(segment->ack, other->nxt) : 0;
    int32_t most = (int32_t)window_most(direction);

    return ahead > most || ahead < -most;
}

static uint16_t failed_options(const struct direction *direction, const struct direction *other,
                               const struct smtpscope_segment *segment)
{
    bool stamped = segment->marks & SMTPSCOPE_MARK_STAMPED, secured = segment->marks & SMTPSCOPE_MARK_SIGNED;
    uint16_t doubts = secured != direction->secured ? DOUBT_SIGNATURE : 0;

    if (segment->flags & SMTPSCOPE_TCP_RST) /* RFC 7323 5.3: exempt */
        return doubts;
    if (!stamped && direction->stamped && other->stamped)
        doubts |= DOUBT_UNSTAMPED;
    if (stamp_is_old(direction, other, segment))
        doubts |= DOUBT_OLD;
    return doubts;
}

/* What does not depend on the state of the connection. */
static uint16_t failed_alone(const struct direction *direction, const struct smtpscope_segment *segment)
{
    uint16_t doubts = 0;

    if (segment->marks & SMTPSCOPE_MARK_DAMAGED)
        doubts |= DOUBT_DAMAGED;
    if (segment->marks & SMTPSCOPE_MARK_TOO_LONG)
        doubts |= DOUBT_TOO_LONG;
    if (segment->marks & SMTPSCOPE_MARK_CONTESTED)
        doubts |= DOUBT_CONTESTED;
    if (!(segment->flags & (SMTPSCOPE_TCP_ACK | SMTPSCOPE_TCP_RST | SMTPSCOPE_TCP_SYN)))
        doubts |= DOUBT_NO_ACK;
    if (!checks_sum(direction, segment))
        doubts |= DOUBT_CHECKSUM;
    return doubts;
}

uint16_t checks_failed(const struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    const struct direction *direction = &flow->direction[side], *other = &flow->direction[!side];
    uint16_t doubts = failed_alone(direction, segment);

    if (!(segment->flags & SMTPSCOPE_TCP_SYN))
        doubts |= failed_options(direction, other, segment);
    if (segment->vlan != direction->vlan)
        doubts |= DOUBT_VLAN;
    if (segment->hops < direction->hops)
        doubts |= DOUBT_HOPS;
    if (is_beyond_window(direction, other, segment))
        doubts |= DOUBT_WINDOW;
    if (is_ack_odd(direction, other, segment))
        doubts |= DOUBT_ACK;
    return doubts & (uint16_t)~direction->excused;
}

void checks_begin(struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    struct direction *direction = &flow->direction[side];

    direction->seen = true;
    direction->vlan = segment->vlan & 0xfffu;
    direction->hops = segment->hops;
    direction->excused = (uint8_t)(failed_alone(direction, segment) & DOUBTS_EXCUSABLE);
}

void checks_handshake(struct direction *direction, struct direction *other, const struct smtpscope_segment *segment)
{
    direction->secured = segment->marks & SMTPSCOPE_MARK_SIGNED;
    direction->stamped = segment->marks & SMTPSCOPE_MARK_STAMPED;
    direction->stamp = segment->stamp;
    direction->mss = segment->mss;
    direction->scale = (segment->marks & SMTPSCOPE_MARK_SCALED ? segment->scale + 1u : 1u) & 15;
    if (direction->scale == 1 && !(segment->marks & SMTPSCOPE_MARK_SCALED) && segment->flags & SMTPSCOPE_TCP_ACK)
        other->scale = 1; /* RFC 7323 2.2: both, or none */
}

void checks_excuse(struct direction *direction, uint16_t doubts, uint8_t hops)
{
    direction->excused = (uint8_t)((direction->excused | doubts) & DOUBTS_EXCUSABLE);
    if (hops < direction->hops)
        direction->hops = hops;
}
