/* SPDX-License-Identifier: BSD-2-Clause */
#include "deliver.h"

#include "events.h"
#include "trouble.h"

/* Takes off what was delivered before. */
static void cut_front(struct deliverable *part, uint32_t cut)
{
    uint32_t cut_data = cut < part->len ? cut : part->len, rest = cut - cut_data;

    part->data += cut_data;
    part->len -= cut_data;
    part->missing -= rest < part->missing ? rest : part->missing;
    part->seq += cut;
}

static void deliver_octets(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                           const struct deliverable *part)
{
    tell_octets(streams, flow,
                &(struct smtpscope_octets){
                    .side = side,
                    .data = part->data,
                    .len = part->len,
                    .acked = acked_offset(&flow->direction[!side], part->has_ack, part->ack),
                    .time = part->time,
                    .packet = part->packet,
                    .hindrance = trouble_hindrance(flow),
                });
}

void deliver(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct deliverable *whole)
{
    struct deliverable part = *whole;
    int32_t old = seq_diff(flow->direction[side].nxt, part.seq);

    if (old > 0)
        cut_front(&part, (uint32_t)old);
    if (part.len && part.urgent)
        tell_urgent(streams, flow, side, &part);
    if (part.len)
        deliver_octets(streams, flow, side, &part);
    if (part.missing)
        tell_gap(streams, flow, side, part.missing, part.time, part.packet);
    if (part.fin && seq_diff(part.seq + part.len + part.missing, flow->direction[side].nxt) == 0) {
        tell_opened(streams, flow); /* it was established, if only to be closed */
        tell_fin(flow, side);
    }
}
