/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a flow: what opens it, which side is which, what ends it.
 *
 * A RST does not end a flow at once: octets of the other side that were on their way still come, and a capture may have
 * the RST before the data it follows. The flow lingers for a second of packet time, or until its ports are used again.
 */
#include "flow.h"

#include "base/memory.h"

#define DEFAULT_FLOWS (4u << 20)        /* the most that fit beside their sessions in a few GiB */
#define DEFAULT_HELD (64u << 20)        /* octets held out of order, all flows together */
#define DEFAULT_IDLE (900 * SMTPSCOPE_SECOND) /* RFC 5321 4.5.3.2: the longest wait is 10 minutes */
#define LINGER_TIME (1 * SMTPSCOPE_SECOND)
#define STUCK_TIME (2 * SMTPSCOPE_SECOND)

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
    return streams;
}

void smtpscope_streams_free(struct smtpscope_streams *streams)
{
    if (!streams)
        return;
    for (int list = 0; list < LISTS; list++)
        for (struct flow *flow = streams->lists[list].first; flow; flow = flow->next)
            reassembly_discard(streams, flow);
    table_free(streams);
    memory_free(streams->config.allocator, streams);
}

void flow_close(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_close why)
{
    struct smtpscope_ending ending = {
        .why = why, .by = (enum smtpscope_side)(flow->reset ? flow->reset_by : flow->fin_by),
        .fin = { flow->half[0].fin, flow->half[1].fin }, .seen = { flow->half[0].seen, flow->half[1].seen },
        .time = flow->last_time, .packet = flow->last_packet,
    };

    if (flow->closed)
        return;
    flow->closed = true;
    if (flow->user)
        streams->config.events->closed(streams->config.ctx, flow->user, &ending);
    flow->user = NULL;
    streams->stats.flows_now--;
}

/* Closes a flow that ends for whatever reason: what is held is delivered first. */
static void flow_end(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_close why)
{
    if (!flow->closed) {
        reassembly_drain(streams, flow);
        if (flow->reset)
            why = SMTPSCOPE_CLOSE_RESET;
        else if (flow->half[0].fin || flow->half[1].fin)
            why = SMTPSCOPE_CLOSE_FIN;
        flow_close(streams, flow, why);
    }
    flow_remove(streams, flow);
}

static bool is_watched(const struct smtpscope_streams *streams, uint16_t port)
{
    return streams->config.ports[port >> 3] & (1u << (port & 7));
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

/* Gives up a flow for a new one: one that lingers, else the one that has been silent longest. */
static void evict(struct smtpscope_streams *streams)
{
    static const enum flow_list order[] = { LIST_LINGER, LIST_IDLE, LIST_STUCK };

    for (unsigned i = 0; i < LISTS; i++) {
        struct flow *flow = streams->lists[order[i]].first;

        if (flow) {
            streams->stats.evicted += !flow->closed;
            flow_end(streams, flow, SMTPSCOPE_CLOSE_EVICTED);
            return;
        }
    }
}

static struct flow *flow_open(struct smtpscope_streams *streams, const struct smtpscope_segment *segment, uint64_t hash)
{
    struct flow *flow;
    bool server = sent_by_server(streams, segment);

    if (streams->used >= streams->config.max_flows)
        evict(streams);
    flow = flow_add(streams, hash, streams->now);
    if (!flow) {
        streams->stats.evicted++;
        return NULL;
    }
    flow->public.side[server] = segment->src;
    flow->public.side[!server] = segment->dst;
    flow->public.first_packet = segment->packet;
    flow->public.first_time = segment->time;
    flow->public.midstream = !(segment->flags & SMTPSCOPE_TCP_SYN);
    flow->user = streams->config.events->opened(streams->config.ctx, &flow->public);
    streams->stats.flows++;
    streams->stats.flows_now++;
    return flow;
}

/* Does this SYN begin another connection on the same ports? */
static bool is_reuse(struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    const struct half *half = &flow->half[side];
    uint32_t first = half->nxt - (uint32_t)half->delivered;

    if (flow->closed)
        return true;
    if (half->known && segment->seq + 1 != first)
        return true;
    flow->public.midstream = false; /* the same SYN again, or one that the capture has late */
    return false;
}

static void note_reset(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side)
{
    if (!flow->reset) {
        flow->reset = true;
        flow->reset_by = (uint8_t)side;
        flow_move(streams, flow, LIST_LINGER, streams->now);
    }
}

static void close_if_done(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->half[0].fin && flow->half[1].fin && !flow->held_segments && !flow->closed) {
        flow_close(streams, flow, flow->reset ? SMTPSCOPE_CLOSE_RESET : SMTPSCOPE_CLOSE_FIN);
        flow_move(streams, flow, LIST_LINGER, streams->now);
    }
}

static bool opens(const struct smtpscope_segment *segment)
{
    return (segment->flags & SMTPSCOPE_TCP_SYN) || ((segment->len || segment->missing) && !(segment->flags & SMTPSCOPE_TCP_RST));
}

void smtpscope_streams_segment(struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    uint64_t hash;
    struct flow *flow;
    enum smtpscope_side side;

    if (!is_watched(streams, segment->src.port) && !is_watched(streams, segment->dst.port))
        return;
    streams->stats.segments++;
    if (segment->time > streams->now)
        streams->now = segment->time;
    hash = flow_hash(streams, segment);
    flow = flow_find(streams, segment, hash);
    if (flow && (segment->flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK)) == SMTPSCOPE_TCP_SYN) {
        side = memcmp(&flow->public.side[0], &segment->src, sizeof segment->src) != 0;
        if (is_reuse(flow, side, segment)) {
            flow_end(streams, flow, SMTPSCOPE_CLOSE_REUSED);
            flow = NULL;
        }
    }
    if (!flow && (!opens(segment) || !(flow = flow_open(streams, segment, hash)))) {
        streams->stats.ignored++;
        return;
    }
    if (flow->closed) {
        streams->stats.ignored++;
        return;
    }
    side = memcmp(&flow->public.side[0], &segment->src, sizeof segment->src) != 0;
    flow->last_time = segment->time;
    flow->last_packet = segment->packet;
    reassembly_segment(streams, flow, side, segment);
    if (segment->flags & SMTPSCOPE_TCP_RST)
        note_reset(streams, flow, side);
    close_if_done(streams, flow);
}

static void expire_idle(struct smtpscope_streams *streams, smtpscope_time now)
{
    for (struct flow *flow; (flow = streams->lists[LIST_IDLE].first) && flow->since + streams->config.idle <= now;) {
        /* The list is not reordered for each segment: whoever spoke meanwhile waits once more. */
        if (flow->last_time + streams->config.idle > now)
            flow_move(streams, flow, LIST_IDLE, flow->last_time);
        else
            flow_end(streams, flow, SMTPSCOPE_CLOSE_IDLE);
    }
}

void smtpscope_streams_expire(struct smtpscope_streams *streams, smtpscope_time now)
{
    if (now > streams->now)
        streams->now = now;
    if (streams->now < streams->next_tick)
        return;
    now = streams->now;
    streams->next_tick = now + SMTPSCOPE_SECOND;
    for (struct flow *flow; (flow = streams->lists[LIST_LINGER].first) && flow->since + LINGER_TIME <= now;)
        flow_end(streams, flow, SMTPSCOPE_CLOSE_RESET);
    for (struct flow *flow = streams->lists[LIST_STUCK].first, *next; flow && flow->since + STUCK_TIME <= now; flow = next) {
        next = flow->next;
        reassembly_tick(streams, flow);
        close_if_done(streams, flow);
    }
    expire_idle(streams, now);
}

/* The lists' heads are their oldest entries; among them the flow whose first packet came first goes first. */
static struct flow *oldest(const struct smtpscope_streams *streams)
{
    struct flow *best = NULL;

    for (int list = 0; list < LISTS; list++) {
        struct flow *flow = streams->lists[list].first;

        if (flow && (!best || flow->public.first_packet < best->public.first_packet))
            best = flow;
    }
    return best;
}

void smtpscope_streams_flush(struct smtpscope_streams *streams)
{
    for (struct flow *flow; (flow = oldest(streams));)
        flow_end(streams, flow, SMTPSCOPE_CLOSE_END);
}

void smtpscope_streams_stats(const struct smtpscope_streams *streams, struct smtpscope_stream_stats *stats)
{
    *stats = streams->stats;
}
