/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a flow in trouble remembers: SYNs and segments that were sent again, octets that did not arrive, closed windows. Most
 * flows never have any of it, and pay a pointer. Which segments are looked at is decided where they are not the plain next one.
 */
#ifndef STREAM_TROUBLE_H
#define STREAM_TROUBLE_H

#include "flow.h"
#include "rtt.h"

/* The first segment of a direction that is not acknowledged, once it was sent again. */
struct unacked {
    uint32_t seq, len, tries; /* tries 0: there is none */
    smtpscope_time first, last;
    bool heard; /* the other side was heard since its first repetition */
};

struct trouble {
    struct smtpscope_network network;
    struct unacked unacked[2];
    struct {
        uint32_t seq; /* where the first of the octets stood that did not arrive */
        bool heard;   /* the other side was heard since */
    } hole[2];
    smtpscope_time closed_since[2]; /* when the window of this side closed; 0: it is open */
    uint32_t syns[2];               /* 0: one at most */
    smtpscope_time probed[2];       /* when the first of the unanswered probes came */
    bool windows[2];                /* window_smallest is known */
    struct rtt rtt[2];
    struct smtpscope_stall hindrance; /* the last one, so far */
};

/* NULL: there was none. */
static inline struct trouble *trouble_of(const struct flow *flow)
{
    return flow->unsettled ? flow->unsettled->trouble : NULL;
}

/* See struct smtpscope_octets. */
static inline const struct smtpscope_stall *trouble_hindrance(const struct flow *flow)
{
    const struct trouble *trouble = trouble_of(flow);

    return trouble && trouble->hindrance.kind ? &trouble->hindrance : NULL;
}

/* A segment that is sent again, wholly or in part: `segment` begins before `nxt`. */
void trouble_resent(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                    const struct smtpscope_segment *segment);
/*
 * A segment that fills a hole, for which others that were captured have waited so long, and which the other side had not
 * acknowledged: it was lost before it came to where the capture was made, and is sent again.
 */
void trouble_filled(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                    const struct smtpscope_segment *segment, smtpscope_time waited);
/* A keep-alive, or a probe of a closed window: what was sent last, or nothing, in front of what comes next (RFC 9293 3.8.4). */
void trouble_probe(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                   const struct smtpscope_segment *segment);
/* The SYN of this side came again. */
void trouble_syn(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side);
/*
 * `len` octets of `side` that stand next, and that neither the capture nor, so far, the other side has; a segment of `behind`
 * octets stands behind them, if that is not 0.
 */
void trouble_not_arrived(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, uint32_t len,
                         uint32_t behind);
/* An ICMP error about a segment of `side`: see MARK_ICMP. */
void trouble_icmp(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                  const struct smtpscope_segment *error);
/* Any segment with a closed window; and any segment of a flow with trouble, before it is delivered. */
void trouble_segment(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                     const struct smtpscope_segment *segment);
/* The figures, as they are when the flow ends; NULL: there was no trouble under its octets. Valid until trouble_free(). */
const struct smtpscope_network *trouble_end(const struct smtpscope_streams *streams, struct flow *flow);
void trouble_free(struct smtpscope_streams *streams, struct flow *flow);

#endif
