/* SPDX-License-Identifier: BSD-2-Clause */
#include "trouble.h"

#include "base/memory.h"

#include "unsettled.h"

#include <string.h>

/* A capture of two interfaces, or by two clocks, may be out of order by less. */
#define FILLED_LATE (1 * SMTPSCOPE_SECOND)

/* NULL when out of memory: then there was none, as far as anyone can tell. */
static struct trouble *trouble_begin(struct smtpscope_streams *streams, struct flow *flow)
{
    struct unsettled *unsettled = unsettled_of(streams, flow);

    if (unsettled && !unsettled->trouble)
        unsettled->trouble = memory_new(streams->config.allocator, sizeof *unsettled->trouble);
    return unsettled ? unsettled->trouble : NULL;
}

void trouble_syn(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side)
{
    struct trouble *trouble = trouble_begin(streams, flow);

    if (trouble)
        trouble->syns[side] += trouble->syns[side] ? 1 : 2;
}

void trouble_not_arrived(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, uint32_t len,
                         uint32_t behind)
{
    struct trouble *trouble = trouble_begin(streams, flow);

    if (!trouble)
        return;
    if (!trouble->network.side[side].not_arrived) {
        trouble->hole[side].seq = flow->direction[side].nxt;
        trouble->network.side[side].arrived_behind = behind;
    }
    trouble->network.side[side].not_arrived += len;
}

/* What the other side has acknowledged is no trouble any more. */
static bool is_acked(const struct direction *direction, uint32_t seq)
{
    return direction->has_acked && seq_diff(direction->acked, seq) > 0;
}

/* What kept the flow from going on, now. */
static void hindrance_note(struct trouble *trouble, enum smtpscope_stall_kind kind, enum smtpscope_side side,
                           smtpscope_time since, smtpscope_time now)
{
    trouble->hindrance = (struct smtpscope_stall){.kind = kind, .side = side, .since = since, .lasted = now - since};
}

/*
 * What was sent again has arrived: `lasted` from the first time to the last. Its acknowledgement may come later than it did, with
 * a reply.
 */
static void trouble_recovered(struct trouble *trouble, enum smtpscope_side side, smtpscope_time lasted, smtpscope_time now)
{
    struct smtpscope_network_side *figures = &trouble->network.side[side];

    figures->recovered += lasted;
    if (lasted > figures->recovered_longest)
        figures->recovered_longest = lasted;
    if (lasted)
        hindrance_note(trouble, SMTPSCOPE_STALL_NETWORK, side, now - lasted, now);
}

void trouble_filled(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                    const struct smtpscope_segment *segment, smtpscope_time waited)
{
    struct trouble *trouble = waited >= FILLED_LATE ? trouble_begin(streams, flow) : NULL;

    if (!trouble)
        return;
    trouble->network.side[side].resent += segment->len + segment->missing;
    trouble->network.side[side].resent_segments++;
    trouble_recovered(trouble, side, waited, segment->time);
}

void trouble_probe(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                   const struct smtpscope_segment *segment)
{
    struct trouble *trouble = trouble_begin(streams, flow);
    struct smtpscope_network_side *figures;

    if (!trouble)
        return;
    figures = &trouble->network.side[side];
    if (!figures->probes++)
        trouble->probed[side] = segment->time;
    figures->probes_time = segment->time - trouble->probed[side];
}

void trouble_resent(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                    const struct smtpscope_segment *segment)
{
    struct trouble *trouble = trouble_begin(streams, flow);
    struct unacked *unacked;

    if (!trouble)
        return;
    trouble->network.side[side].resent += segment->len + segment->missing;
    trouble->network.side[side].resent_segments++;
    rtt_resent(&trouble->rtt[side], segment->seq);
    unacked = &trouble->unacked[side];
    if (is_acked(&flow->direction[side], segment->seq))
        return; /* a copy on its way while the acknowledgement came, or one that the sender did not get */
    if (trouble->closed_since[!side])
        return; /* it asks whether the window is open again */
    if (!unacked->tries || is_acked(&flow->direction[side], unacked->seq))
        *unacked = (struct unacked){.seq = segment->seq, .tries = 1, .first = segment->time};
    if (segment->seq != unacked->seq)
        return;
    unacked->tries++;
    unacked->last = segment->time;
    if (unacked->tries > 2) /* one copy may be of the capture's making */
        hindrance_note(trouble, SMTPSCOPE_STALL_NETWORK, side, unacked->first, segment->time);
    if (segment->len + segment->missing > unacked->len)
        unacked->len = segment->len + segment->missing;
}

static void icmp_sender(const struct smtpscope_segment *error, uint8_t from[16])
{
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

    memset(from, 0, 16);
    if (error->header == 4)
        memcpy(from, mapped, 12);
    if (error->header == 4 || error->header == 16)
        memcpy(from + 16 - error->header, error->data, error->header);
}

void trouble_icmp(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                  const struct smtpscope_segment *error)
{
    struct trouble *trouble = trouble_begin(streams, flow);
    struct smtpscope_icmp_seen *seen;

    if (!trouble)
        return;
    seen = &trouble->network.side[side].icmp;
    seen->icmp = (enum smtpscope_icmp)error->scale;
    seen->by_peer = error->stamp;
    seen->mtu = error->window;
    icmp_sender(error, seen->from);
    seen->count++;
    seen->time = error->time;
}

const char *smtpscope_icmp_name(enum smtpscope_icmp icmp)
{
    static const char *const names[] = {"no error",         "network unreachable",         "host unreachable",
                                        "port unreachable", "administratively prohibited", "packet too big",
                                        "time exceeded"};

    return names[icmp];
}

const char *smtpscope_stall_name(enum smtpscope_stall_kind kind)
{
    static const char *const names[] = {NULL, "receiver-limited", "network-limited", "sender-limited", "reply-late"};

    return names[kind];
}

static void window_opened(struct trouble *trouble, enum smtpscope_side side, smtpscope_time now)
{
    struct smtpscope_network_side *figures = &trouble->network.side[side];
    smtpscope_time closed = now - trouble->closed_since[side];

    hindrance_note(trouble, SMTPSCOPE_STALL_RECEIVER, side, trouble->closed_since[side], now);
    trouble->closed_since[side] = 0;
    figures->window_closed += closed;
    if (closed > figures->window_longest)
        figures->window_longest = closed;
}

static void note_window_smallest(const struct flow *flow, struct trouble *trouble, enum smtpscope_side side,
                                 const struct smtpscope_segment *segment)
{
    struct smtpscope_network_side *figures = &trouble->network.side[side];
    uint32_t scale = flow->direction[side].scale, window = (uint32_t)segment->window << (scale ? scale - 1 : 0);

    if (segment->flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_RST))
        return;
    if (!trouble->windows[side] || window < figures->window_smallest)
        figures->window_smallest = window;
    trouble->windows[side] = true;
}

/* New octets of this side. */
static void trouble_sent(struct trouble *trouble, const struct direction *direction, enum smtpscope_side side,
                         const struct smtpscope_segment *segment)
{
    uint32_t end = segment->seq + segment->len + segment->missing;

    if (!segment->len && !segment->missing)
        return;
    trouble->network.side[side].segments++;
    if (direction->known && seq_diff(segment->seq, direction->nxt) >= 0)
        rtt_sent(&trouble->rtt[side], end, segment->time);
}

/* The other side acknowledges octets of this one. */
static void trouble_acked(struct trouble *trouble, enum smtpscope_side side, const struct smtpscope_segment *segment)
{
    struct unacked *unacked = &trouble->unacked[side];

    rtt_acked(&trouble->rtt[side], segment->ack, segment->time);
    if (!unacked->tries || seq_diff(segment->ack, unacked->seq) <= 0)
        return;
    unacked->tries = 0;
    trouble_recovered(trouble, side, unacked->last - unacked->first, unacked->last);
}

void trouble_segment(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                     const struct smtpscope_segment *segment)
{
    bool closed = !segment->window && !(segment->flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_RST));
    struct trouble *trouble = closed ? trouble_begin(streams, flow) : trouble_of(flow);

    if (!trouble)
        return;
    if (closed && !trouble->closed_since[side]) {
        trouble->closed_since[side] = segment->time;
        trouble->network.side[side].window_closings++;
        hindrance_note(trouble, SMTPSCOPE_STALL_RECEIVER, side, segment->time, segment->time);
    } else if (segment->window && trouble->closed_since[side]) {
        window_opened(trouble, side, segment->time);
    }
    note_window_smallest(flow, trouble, side, segment);
    trouble_sent(trouble, &flow->direction[side], side, segment);
    if (!(segment->flags & SMTPSCOPE_TCP_ACK))
        return;
    trouble_acked(trouble, (enum smtpscope_side) !side, segment);
    trouble->network.side[!side].probes = 0;
    trouble->unacked[!side].heard |= trouble->unacked[!side].tries > 0;
    trouble->hole[!side].heard |= trouble->network.side[!side].not_arrived > 0;
}

const struct smtpscope_network *trouble_end(const struct smtpscope_streams *streams, struct flow *flow)
{
    struct trouble *trouble = trouble_of(flow);

    (void)streams;
    if (!trouble)
        return NULL;
    for (int side = 0; side < 2; side++) {
        const struct direction *direction = &flow->direction[side];
        const struct unacked *unacked = &trouble->unacked[side];
        struct smtpscope_network_side *figures = &trouble->network.side[side];

        if (is_acked(direction, trouble->hole[side].seq) || !trouble->hole[side].heard)
            figures->not_arrived = 0; /* it arrived after all, or nobody has said that it did not */
        figures->rtt_min_us = trouble->rtt[side].min_us;
        figures->rtt_95_us = rtt_95(&trouble->rtt[side]);
        if (trouble->closed_since[side])
            window_opened(trouble, (enum smtpscope_side)side, flow->last_time);
        if (!unacked->tries || is_acked(direction, unacked->seq) || !direction->has_acked)
            continue;
        figures->unacked = (uint32_t)seq_diff(direction->nxt, unacked->seq);
        figures->unacked_len = unacked->len;
        figures->unacked_tries = unacked->tries;
        figures->unacked_time = unacked->last - unacked->first;
        figures->unacked_heard = unacked->heard;
    }
    return &trouble->network;
}

void trouble_free(struct smtpscope_streams *streams, struct flow *flow)
{
    if (!flow->unsettled)
        return;
    memory_free(streams->config.allocator, flow->unsettled->trouble);
    flow->unsettled->trouble = NULL;
    unsettled_settle(streams, flow);
}
