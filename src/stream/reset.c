/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 5961 3: a RST counts when it has exactly the next number; one within the window is answered by a challenge, and others are
 * dropped. A capture may lack what came before it, and anyone can send one that does not reach the receiver: so one within the
 * window, or that fails a check, is remembered, and counts when its sender goes on no more.
 *
 * A RST does not end a flow at once: octets of the other side that were on their way still come, and a capture may have
 * the RST before the data it follows. The flow lingers for a second of packet time, or until its ports are used again.
 */
#include "reset.h"

#include "held.h"
#include "waiting.h"

/* The largest window without a scale, many times. */
#define RESET_REACH (1 << 20)
/* What its sender sent before it may be captured behind it for so long. */
#define RESET_REORDER (SMTPSCOPE_SECOND / 4)
/* Both sides are silent for so long: it is over, whatever the RST was like. */
#define RESET_TIME (60 * SMTPSCOPE_SECOND)

static void reset_now(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side)
{
    if (flow->reset)
        return;
    flow->reset = true;
    flow->reset_by = side & 1u;
    if (flow->unsettled)
        flow->unsettled->reset = (struct doubtful_reset){0};
    flow_wait(streams, flow, LIST_LINGER);
}

static void remember(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, bool sound, uint32_t seq)
{
    struct unsettled *unsettled = flow->reset ? NULL : unsettled_of(streams, flow);

    if (!unsettled || unsettled->reset.pending)
        return;
    unsettled->reset =
        (struct doubtful_reset){.pending = true, .since = streams->now, .seq = seq, .by = side & 1u, .sound = sound};
    if (flow->list != LIST_LINGER)
        flow_wait(streams, flow, LIST_STUCK);
}

void reset_note(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, bool sound,
                const struct smtpscope_segment *segment)
{
    const struct direction *direction = &flow->direction[side];
    int32_t ahead = direction->known ? seq_diff(segment->seq, direction->nxt) - direction->fin : 0;

    if (ahead < 0 || ahead > RESET_REACH)
        return;
    if (sound && (ahead == 0 || !flow->direction[!side].seen))
        reset_now(streams, flow, side);
    else
        remember(streams, flow, side, sound, segment->seq);
}

static void reset_take_back(struct smtpscope_streams *streams, struct flow *flow)
{
    flow->reset = false;
    if (flow->unsettled)
        flow->unsettled->reset = (struct doubtful_reset){0};
    unsettled_settle(streams, flow);
    if (flow->list == LIST_LINGER || flow->list == LIST_STUCK)
        flow_wait(streams, flow, LIST_IDLE);
}

static bool has_gone_on(const struct smtpscope_streams *streams, const struct direction *direction,
                        const struct doubtful_reset *reset)
{
    return streams->now - reset->since > RESET_REORDER ||
           (direction->known && seq_diff(direction->nxt + direction->fin, reset->seq) > 0);
}

void reset_belie(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, bool moved)
{
    const struct doubtful_reset *reset = flow->unsettled ? &flow->unsettled->reset : NULL;
    const struct direction *direction = &flow->direction[side];

    if (flow->reset && flow->reset_by == (side & 1u) && moved)
        reset_take_back(streams, flow);
    else if (!reset || !reset->pending || reset->by != (side & 1u))
        return;
    else if (has_gone_on(streams, direction, reset))
        reset_take_back(streams, flow);
    else if (reset->sound && direction->known && reset->seq == direction->nxt + direction->fin)
        reset_now(streams, flow, side);
}

static bool is_silent(const struct smtpscope_streams *streams, const struct doubtful_reset *reset)
{
    return reset->pending && streams->now - reset->since > RESET_TIME;
}

bool reset_is_due(const struct smtpscope_streams *streams, const struct flow *flow)
{
    return flow->unsettled && is_silent(streams, &flow->unsettled->reset);
}

void reset_believe(const struct smtpscope_streams *streams, struct flow *flow, const struct doubtful_reset *reset)
{
    const struct direction *direction = &flow->direction[reset->by];
    bool next = reset->pending && reset->sound && direction->known && reset->seq == direction->nxt + direction->fin;

    if (!next && !is_silent(streams, reset))
        return;
    flow->reset = true;
    flow->reset_by = reset->by & 1u;
}
