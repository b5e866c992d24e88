/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/totals.h"

static void stream_stats_add(struct smtpscope_stream_stats *to, const struct smtpscope_stream_stats *from)
{
    to->segments += from->segments;
    to->octets += from->octets;
    to->flows += from->flows;
    to->out_of_order += from->out_of_order;
    to->retransmitted += from->retransmitted;
    to->gaps += from->gaps;
    to->gap_octets += from->gap_octets;
    to->conflicts += from->conflicts;
    to->evicted += from->evicted;
    to->held_now += from->held_now;
    to->held_max += from->held_max;
    to->flows_now += from->flows_now;
    to->ignored += from->ignored;
}

/* Without a packet there is no time. */
static void times_add(struct summary *to, const struct summary *from)
{
    if (from->packets && (!to->packets || from->first_time < to->first_time))
        to->first_time = from->first_time;
    if (from->packets && (!to->packets || from->last_time > to->last_time))
        to->last_time = from->last_time;
}

void totals_add(struct totals *to, const struct totals *from)
{
    times_add(&to->summary, &from->summary);
    summary_add(&to->summary, &from->summary);
    stream_stats_add(&to->streams, &from->streams);
    candidates_stats_add(&to->detect, &from->detect);
    reply_times_add(&to->reply_times, &from->reply_times);
    decoder_stats_add(&to->decoder, &from->decoder);
    to->capture.received += from->capture.received;
    to->capture.dropped += from->capture.dropped;
    to->capture.interface_dropped += from->capture.interface_dropped;
    if (from->clock_steps > to->clock_steps) /* each worker has seen the same ones */
        to->clock_steps = from->clock_steps;
    to->lost += from->lost;
}
