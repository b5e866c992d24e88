/* SPDX-License-Identifier: BSD-2-Clause */
#include "trouble.h"

#include "base/memory.h"

#include "unsettled.h"

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

void trouble_resent(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                    const struct smtpscope_segment *segment)
{
    struct trouble *trouble = trouble_begin(streams, flow);
    struct unacked *unacked;

    if (!trouble)
        return;
    trouble->network.side[side].resent += segment->len + segment->missing;
    trouble->network.side[side].resent_segments++;
    unacked = &trouble->unacked[side];
    if (is_acked(&flow->direction[side], segment->seq))
        return; /* a copy on its way while the acknowledgement came, or one that the sender did not get */
    if (!unacked->tries || is_acked(&flow->direction[side], unacked->seq))
        *unacked = (struct unacked){.seq = segment->seq, .tries = 1, .first = segment->time};
    if (segment->seq != unacked->seq)
        return;
    unacked->tries++;
    unacked->last = segment->time;
    if (segment->len + segment->missing > unacked->len)
        unacked->len = segment->len + segment->missing;
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
    seen->from = error->ack;
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

static void window_opened(struct trouble *trouble, enum smtpscope_side side, smtpscope_time now)
{
    struct smtpscope_network_side *figures = &trouble->network.side[side];
    smtpscope_time closed = now - trouble->closed_since[side];

    trouble->closed_since[side] = 0;
    figures->window_closed += closed;
    if (closed > figures->window_longest)
        figures->window_longest = closed;
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
    } else if (segment->window && trouble->closed_since[side]) {
        window_opened(trouble, side, segment->time);
    }
    if (!(segment->flags & SMTPSCOPE_TCP_ACK))
        return;
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
