/* SPDX-License-Identifier: BSD-2-Clause */
/* The public calls: finds the flow of a segment, or opens one; which side is which. */
#include "smtpscope/stream.h"

#include "base/memory.h"

#include "another.h"
#include "attempt.h"
#include "connecting.h"
#include "expire.h"
#include "held.h"
#include "life.h"
#include "reassembly.h"
#include "reset.h"
#include "table.h"
#include "trouble.h"
#include "waiting.h"

#define DEFAULT_FLOWS (4u << 20)              /* the most that fit beside their sessions in a few GiB */
#define DEFAULT_HELD (64u << 20)              /* octets held out of order, all flows together */
#define DEFAULT_IDLE (900 * SMTPSCOPE_SECOND) /* RFC 5321 4.5.3.2: the longest wait is 10 minutes */
#define EMBRYOS (256u << 10)                  /* of a scan; real clients send within a second or two */

struct smtpscope_streams *smtpscope_streams_new(const struct smtpscope_stream_config *config)
{
    struct smtpscope_streams *streams = memory_new(config->allocator, sizeof *streams);

    if (!streams)
        return NULL;
    streams->config = *config;
    if (!streams->config.max_flows)
        streams->config.max_flows = DEFAULT_FLOWS;
    if (!streams->config.max_held)
        streams->config.max_held = DEFAULT_HELD;
    if (!streams->config.idle)
        streams->config.idle = DEFAULT_IDLE;
    /* From the current span to that of a flow heard now there are at most as many lists as there are. */
    streams->idle_span = (uint64_t)streams->config.idle / (IDLE_LISTS - 2) + 1;
    if (expiring_grow(streams))
        return streams;
    memory_free(config->allocator, streams);
    return NULL;
}

void smtpscope_streams_free(struct smtpscope_streams *streams)
{
    if (!streams)
        return;
    for (unsigned list = 0; list < LISTS; list++)
        for (struct flow *flow = list_first(streams, list); flow; flow = flow_at(streams, flow->next)) {
            held_discard(streams, flow);
            trouble_free(streams, flow);
        }
    table_free(streams);
    memory_free(streams->config.allocator, streams->expiring.flows);
    memory_free(streams->config.allocator, streams);
}

static bool is_watched(const struct smtpscope_streams *streams, uint16_t port)
{
    return streams->config.ports[port >> 3] & (1u << (port & 7));
}

static bool is_ours(const struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    return is_watched(streams, segment->src.port) || is_watched(streams, segment->dst.port);
}

static bool looks_like_reply(const struct smtpscope_segment *segment)
{
    const uint8_t *at = segment->data;

    return segment->len >= 4 && at[0] >= '2' && at[0] <= '5' && at[1] >= '0' && at[1] <= '9' && at[2] >= '0' && at[2] <= '9' &&
           (at[3] == ' ' || at[3] == '-');
}

/* The handshake tells who is the client; else the watched port is the server's; else who greets is the server. */
static bool sent_by_server(const struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    bool src = is_watched(streams, segment->src.port), dst = is_watched(streams, segment->dst.port);

    if (segment->flags & SMTPSCOPE_TCP_SYN && !(src && !dst && !(segment->flags & SMTPSCOPE_TCP_ACK)))
        return segment->flags & SMTPSCOPE_TCP_ACK;
    if (src != dst)
        return src;
    return looks_like_reply(segment);
}

/* Gives up a flow for a new one. */
static void evict(struct smtpscope_streams *streams)
{
    struct flow *flow = flow_least_useful(streams);

    if (!flow)
        return;
    streams->stats.evicted += flow->followed && !flow->closed;
    flow_end(streams, flow, SMTPSCOPE_CLOSE_EVICTED);
}

static struct flow *flow_open(struct smtpscope_streams *streams, const struct smtpscope_segment *segment,
                              enum smtpscope_side side, uint64_t hash)
{
    struct flow *flow;

    if (streams->used >= streams->config.max_flows || streams->lists[LIST_EMBRYO].count >= EMBRYOS)
        evict(streams);
    flow = flow_add(streams, hash);
    if (!flow) {
        streams->stats.evicted++;
        return NULL;
    }
    flow->public.side[side] = segment->src;
    flow->public.side[!side] = segment->dst;
    flow->public.first_packet = segment->packet;
    flow->public.first_time = segment->time;
    flow->public.midstream = !(segment->flags & SMTPSCOPE_TCP_SYN);
    flow->public.unexpected = !is_ours(streams, segment);
    return flow;
}

static bool opens(const struct smtpscope_segment *segment)
{
    return (segment->flags & SMTPSCOPE_TCP_SYN) ||
           ((segment->len || segment->missing) && !(segment->flags & SMTPSCOPE_TCP_RST));
}

static void flow_clock_stepped(struct smtpscope_streams *streams, struct flow *flow, smtpscope_time delta)
{
    const struct smtpscope_stream_events *events = streams->config.events;

    flow->last_time += delta;
    if (flow->fin_seen)
        flow_set_fin_time(flow, flow_fin_time(flow) + delta);
    for (int side = 0; flow->unsettled && side < 2; side++)
        for (struct held *held = flow->unsettled->first[side]; held; held = held->next)
            held->part.time += delta;
    if (flow->user && events->clock_stepped)
        events->clock_stepped(streams->config.ctx, flow->user, delta);
}

void smtpscope_streams_clock_stepped(struct smtpscope_streams *streams, smtpscope_time delta)
{
    streams->stepped += delta;
    for (unsigned list = 0; list < LISTS; list++)
        for (struct flow *flow = list_first(streams, list); flow; flow = flow_at(streams, flow->next))
            flow_clock_stepped(streams, flow, delta);
}

static uint64_t hash_of(const struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    return segment->hash ? segment->hash : smtpscope_segment_hash(segment, streams->config.hash_seed);
}

/* A handshake that was seen before its connection could be told from a forged one. */
static void flow_begin(struct flow *flow, const struct rival_syn *handshake)
{
    flow->public.midstream = false;
    flow->public.first_packet = handshake->packet;
    flow->public.first_time = handshake->time;
    for (int side = 0; side < 2; side++) {
        struct direction *direction = &flow->direction[side];

        direction->known = handshake->known[side];
        direction->nxt = handshake->nxt[side];
    }
}

/* The flow of a connection that takes the place of another. */
static struct flow *flow_replace(struct smtpscope_streams *streams, struct flow *old, const struct smtpscope_segment *segment,
                                 enum smtpscope_side side, uint64_t hash)
{
    struct rival_syn handshake = old->unsettled ? old->unsettled->other : (struct rival_syn){0};
    bool answered = handshake.known[0] && handshake.known[1] && !(segment->flags & SMTPSCOPE_TCP_SYN);
    struct held *foreign[2];
    struct flow *flow;

    another_split(old, foreign);
    if (!old->followed)
        held_discard(streams, old);
    flow_end(streams, old, SMTPSCOPE_CLOSE_REUSED);
    flow = flow_open(streams, segment, side, hash);
    if (flow && answered)
        flow_begin(flow, &handshake);
    another_inherit(streams, flow, foreign);
    return flow;
}

/* The flow of a segment, and which side sent it. NULL: there is none, or the segment says nothing of it. */
static struct flow *flow_of(struct smtpscope_streams *streams, const struct smtpscope_segment *segment,
                            enum smtpscope_side *side)
{
    uint64_t hash = hash_of(streams, segment);
    struct flow *flow = flow_find(streams, segment, hash, side);
    enum belongs belongs = flow ? another_look(streams, flow, *side, segment) : BELONGS_TO_ANOTHER;

    if (belongs == BELONGS_NOWHERE)
        return NULL;
    if (belongs == BELONGS_TO_ANOTHER && !flow && !opens(segment))
        return NULL;
    if (belongs == BELONGS_TO_ANOTHER) {
        bool answered = flow && !(segment->flags & SMTPSCOPE_TCP_SYN);

        if (!answered)
            *side = sent_by_server(streams, segment) ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
        flow = flow ? flow_replace(streams, flow, segment, *side, hash) : flow_open(streams, segment, *side, hash);
    }
    return flow;
}

void smtpscope_streams_follow(struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    enum smtpscope_side side;
    struct flow *flow;
    uint32_t nxt;
    bool sound;

    streams->stats.segments++;
    now_advance(streams, segment->time);
    flow = flow_of(streams, segment, &side);
    if (flow && flow->closed) {
        struct deliverable part = reassembly_part(segment);

        another_keep(streams, flow, side, &part);
    }
    if (!flow || flow->closed) {
        streams->stats.ignored++;
        return;
    }
    if (flow_is_idle(flow))
        flow->since = streams->now;
    else if (flow->list == LIST_EMBRYO)
        connecting_note(flow, side, segment);
    flow->last_time = segment->time;
    flow->last_packet = segment->packet & BITS_48;
    nxt = flow->direction[side].nxt;
    sound = reassembly_segment(streams, flow, side, segment);
    if (segment->flags & SMTPSCOPE_TCP_RST)
        reset_note(streams, flow, side, sound, segment);
    else if (sound)
        reset_belie(streams, flow, side, flow->direction[side].nxt != nxt);
    if (flow->list == LIST_EMBRYO)
        attempt_segment(streams, flow, side, segment, flow->direction[side].nxt == nxt);
    flow_close_if_done(streams, flow);
}

/* An ICMP error is not of the flow that it is about: it opens none and ends none. */
static bool icmp_take(struct smtpscope_streams *streams, const struct smtpscope_segment *error)
{
    enum smtpscope_side side;
    struct flow *flow = flow_find(streams, error, hash_of(streams, error), &side);

    if (flow && !flow->closed)
        trouble_icmp(streams, flow, side, error);
    return flow != NULL;
}

bool smtpscope_streams_segment(struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    enum smtpscope_side side;

    if (segment->marks & SMTPSCOPE_MARK_ICMP)
        return icmp_take(streams, segment);

    bool ours = is_ours(streams, segment) || flow_find(streams, segment, hash_of(streams, segment), &side);

    if (ours)
        smtpscope_streams_follow(streams, segment);
    return ours;
}

void smtpscope_streams_stats(const struct smtpscope_streams *streams, struct smtpscope_stream_stats *stats)
{
    *stats = streams->stats;
}
