/* SPDX-License-Identifier: BSD-2-Clause */
/* All that the owner of the streams is told, and what a flow remembers of it. */
#include "events.h"

#include "attempt.h"
#include "connecting.h"
#include "trouble.h"
#include "waiting.h"

/* How the handshake went, to the owner, who has room for it. */
static void tell_connected(struct smtpscope_streams *streams, const struct flow *flow)
{
    struct smtpscope_connecting connecting = {
        .took_us = {connecting_us(flow, SMTPSCOPE_CLIENT), connecting_us(flow, SMTPSCOPE_SERVER)}};

    if (flow->user && streams->config.events->connected)
        streams->config.events->connected(streams->config.ctx, flow->user, &connecting);
}

void tell_opened(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->followed)
        return;
    flow->followed = true;
    flow->user = streams->config.events->opened(streams->config.ctx, &flow->public);
    streams->stats.flows++;
    streams->stats.flows_now++;
    tell_connected(streams, flow);
    if (flow->list == LIST_EMBRYO)
        flow_wait(streams, flow, LIST_IDLE);
}

static struct smtpscope_gap place_of(const struct flow *flow, enum smtpscope_side side, const struct deliverable *part)
{
    uint64_t delivered = flow->direction[side].delivered;
    int32_t ahead = seq_diff(part->seq, flow->direction[side].nxt);

    return (struct smtpscope_gap){
        .side = side, .offset = delivered + (uint64_t)(int64_t)ahead, .time = part->time, .packet = part->packet};
}

void tell_conflict(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                   const struct deliverable *part)
{
    struct smtpscope_gap place = place_of(flow, side, part);

    tell_opened(streams, flow);
    streams->stats.conflicts++;
    if (flow->user)
        streams->config.events->conflict(streams->config.ctx, flow->user, &place);
}

void tell_urgent(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct deliverable *part)
{
    struct smtpscope_gap place = place_of(flow, side, part);

    if (flow->direction[side].urgent)
        return;
    flow->direction[side].urgent = true;
    tell_opened(streams, flow);
    if (flow->user && streams->config.events->urgent)
        streams->config.events->urgent(streams->config.ctx, flow->user, &place);
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
    direction_advance(direction, len);
}

void tell_fin(struct flow *flow, enum smtpscope_side side)
{
    flow->direction[side].fin = true;
    if (!flow->fin_seen) {
        flow->fin_seen = true;
        flow_set_fin_time(flow, flow->last_time);
        flow->fin_by = side & 1u;
    }
}

void tell_octets(struct smtpscope_streams *streams, struct flow *flow, struct smtpscope_octets *octets)
{
    struct direction *direction = &flow->direction[octets->side];

    octets->offset = direction->delivered;
    tell_opened(streams, flow);
    recent_keep(&direction->recent, recent_seed(flow), octets->data, (uint32_t)octets->len);
    direction_advance(direction, (uint32_t)octets->len);
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
        .fin_time = flow_fin_time(flow),
        .time = flow->last_time,
        .packet = flow->last_packet,
        .mss = {flow->direction[0].mss, flow->direction[1].mss},
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
