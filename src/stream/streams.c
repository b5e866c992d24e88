/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The public calls: finds the flow of a segment, or opens one; which side is which; what resets or replaces a connection.
 *
 * A RST does not end a flow at once: octets of the other side that were on their way still come, and a capture may have
 * the RST before the data it follows. The flow lingers for a second of packet time, or until its ports are used again.
 */
#include "smtpscope/stream.h"

#include "base/memory.h"

#include "attempt.h"
#include "expire.h"
#include "held.h"
#include "life.h"
#include "reassembly.h"
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

/* What a SYN is to a connection that is known. */
enum syn { SYN_REPEATED, SYN_REUSE, SYN_DOUBTFUL };

/*
 * RFC 5961 4: anyone can send a SYN into a connection. Only one that ended is replaced at once; for a live one the server's
 * answer decides, or octets in the new sequence space.
 */
static enum syn syn_of(struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    const struct direction *direction = &flow->direction[side];
    uint32_t first = direction->nxt - (uint32_t)direction->delivered;

    if (flow->closed)
        return SYN_REUSE;
    if (!direction->known || segment->seq + 1 == first) {
        flow->public.midstream = false; /* the same SYN again, or one that the capture has late */
        return SYN_REPEATED;
    }
    return flow->reset || flow->fin_seen ? SYN_REUSE : SYN_DOUBTFUL;
}

/* Does this segment bear out the doubtful SYN? */
static bool syn_confirmed(const struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    uint8_t both = SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK;

    if (!flow->syn_pending)
        return false;
    if (side == SMTPSCOPE_SERVER)
        return (segment->flags & both) == both && segment->ack == flow->syn_nxt;
    return segment->len && segment->seq == flow->syn_nxt;
}

/* Within reach of the window (RFC 5961 3): others send RSTs too. */
#define RST_REACH (1 << 20)

static bool reset_is_valid(const struct direction *direction, const struct smtpscope_segment *segment)
{
    int32_t ahead = seq_diff(segment->seq, direction->nxt);

    return !direction->known || (ahead >= 0 && ahead <= RST_REACH);
}

static void note_reset(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side)
{
    if (!flow->reset) {
        flow->reset = true;
        flow->reset_by = side & 1u;
        flow_wait(streams, flow, LIST_LINGER);
    }
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
        flow->fin_time += delta;
    for (int side = 0; flow->held_queue && side < 2; side++)
        for (struct held *held = flow->held_queue->first[side]; held; held = held->next)
            held->time += delta;
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

/* Is the segment the beginning of another connection on the flow's ports? A SYN that may be is remembered. */
static bool is_reuse(struct flow *flow, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    if ((segment->flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK)) != SMTPSCOPE_TCP_SYN)
        return syn_confirmed(flow, side, segment);
    switch (syn_of(flow, side, segment)) {
    case SYN_REUSE: return true;
    case SYN_REPEATED: return false;
    case SYN_DOUBTFUL:
        flow->syn_pending = true;
        flow->syn_nxt = segment->seq + 1;
        return false;
    }
    return false;
}

static uint64_t hash_of(const struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    return segment->hash ? segment->hash : smtpscope_segment_hash(segment, streams->config.hash_seed);
}

/* The flow of a segment, and who sent it; NULL: none, or one that ended. */
static struct flow *flow_of(struct smtpscope_streams *streams, const struct smtpscope_segment *segment,
                            enum smtpscope_side *side)
{
    uint64_t hash = hash_of(streams, segment);
    struct flow *flow = flow_find(streams, segment, hash, side);
    bool reuse = flow && is_reuse(flow, *side, segment);

    if (reuse) {
        flow_end(streams, flow, SMTPSCOPE_CLOSE_REUSED);
        flow = NULL;
    }
    if (!flow && opens(segment)) {
        *side = sent_by_server(streams, segment) ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
        flow = flow_open(streams, segment, *side, hash);
        if (flow && reuse)
            flow->public.midstream = false;
    }
    return flow && !flow->closed ? flow : NULL;
}

void smtpscope_streams_follow(struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    struct flow *flow;
    enum smtpscope_side side;

    streams->stats.segments++;
    now_advance(streams, segment->time);
    flow = flow_of(streams, segment, &side);
    /* A SYN that only may begin a connection says nothing about this one. */
    if (!flow || (flow->syn_pending && segment->flags & SMTPSCOPE_TCP_SYN)) {
        streams->stats.ignored++;
        return;
    }
    if (flow_is_idle(flow))
        flow->since = streams->now;
    flow->last_time = segment->time;
    flow->last_packet = segment->packet;
    reassembly_segment(streams, flow, side, segment);
    if (segment->flags & SMTPSCOPE_TCP_RST && reset_is_valid(&flow->direction[side], segment))
        note_reset(streams, flow, side);
    if (flow->list == LIST_EMBRYO)
        attempt_segment(streams, flow, side, segment);
    flow_close_if_done(streams, flow);
}

bool smtpscope_streams_segment(struct smtpscope_streams *streams, const struct smtpscope_segment *segment)
{
    enum smtpscope_side side;
    bool ours = is_ours(streams, segment) || flow_find(streams, segment, hash_of(streams, segment), &side);

    if (ours)
        smtpscope_streams_follow(streams, segment);
    return ours;
}

void smtpscope_streams_stats(const struct smtpscope_streams *streams, struct smtpscope_stream_stats *stats)
{
    *stats = streams->stats;
}
