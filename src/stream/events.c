/* SPDX-License-Identifier: BSD-2-Clause */
/* All that the owner of the streams is told, and what a flow remembers of it. */
#include "events.h"

#include "attempt.h"
#include "trouble.h"
#include "waiting.h"

void tell_opened(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->followed)
        return;
    flow->followed = true;
    flow->user = streams->config.events->opened(streams->config.ctx, &flow->public);
    streams->stats.flows++;
    streams->stats.flows_now++;
    if (flow->list == LIST_EMBRYO)
        flow_wait(streams, flow, LIST_IDLE);
}

void tell_conflict(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                   const struct deliverable *deliverable)
{
    const struct direction *direction = &flow->direction[side];
    struct smtpscope_gap gap = {.side = side,
                                .offset = direction->delivered + (uint64_t)(int64_t)seq_diff(deliverable->seq, direction->nxt),
                                .time = deliverable->time,
                                .packet = deliverable->packet};

    tell_opened(streams, flow);
    streams->stats.conflicts++;
    if (flow->user)
        streams->config.events->conflict(streams->config.ctx, flow->user, &gap);
}

void tell_gap(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, uint32_t len, smtpscope_time time,
              uint64_t packet)
{
    struct direction *direction = &flow->direction[side];
    struct smtpscope_gap gap = {.side = side, .offset = direction->delivered, .len = len, .time = time, .packet = packet};

    tell_opened(streams, flow);
    streams->stats.gaps++;
    streams->stats.gap_octets += len;
    direction->recent = (struct recent){0};
    if (flow->user)
        streams->config.events->gap(streams->config.ctx, flow->user, &gap);
    direction->nxt += len;
    direction->delivered += len;
}

void tell_fin(struct flow *flow, enum smtpscope_side side)
{
    flow->direction[side].fin = true;
    if (!flow->fin_seen) {
        flow->fin_seen = true;
        flow->fin_time = flow->last_time;
        flow->fin_by = side & 1u;
    }
}

void tell_octets(struct smtpscope_streams *streams, struct flow *flow, struct smtpscope_octets *octets)
{
    struct direction *direction = &flow->direction[octets->side];

    octets->offset = direction->delivered;
    tell_opened(streams, flow);
    recent_keep(&direction->recent, recent_seed(flow), octets->data, (uint32_t)octets->len);
    direction->nxt += (uint32_t)octets->len;
    direction->delivered += octets->len;
    streams->stats.octets += octets->len;
    if (flow->user)
        streams->config.events->octets(streams->config.ctx, flow->user, octets);
}

void tell_closed(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_close why)
{
    struct smtpscope_ending ending = {
        .why = why,
        .by = (enum smtpscope_side)(flow->reset ? flow->reset_by : flow->fin_by),
        .fin = {flow->direction[0].fin, flow->direction[1].fin},
        .seen = {flow->direction[0].seen, flow->direction[1].seen},
        .fin_time = flow->fin_time,
        .time = flow->last_time,
        .packet = flow->last_packet,
        .network = trouble_end(streams, flow),
    };

    if (flow->closed)
        return;
    flow->closed = true;
    if (!flow->followed)
        attempt_tell(streams, flow, why);
    if (flow->user)
        streams->config.events->closed(streams->config.ctx, flow->user, &ending);
    flow->user = NULL;
    trouble_free(streams, flow);
    streams->stats.flows_now -= flow->followed;
}
