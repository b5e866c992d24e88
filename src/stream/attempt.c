/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is said of a connection without a word rests on both sides: a client that acknowledges what the capture lacks was
 * answered, and a capture of one side shows nothing of the other. A SYN at the end of the capture may yet be answered.
 */
#include "attempt.h"

#include "trouble.h"
#include "waiting.h"

/* Linux sends a SYN again after one and three seconds; then a single one that had no answer is no accident. */
#define ANSWER_TIME (3 * SMTPSCOPE_SECOND)
/* A server's SYN that was sent so often has met a client that does not get it, or that sent none. */
#define HALF_OPEN_TRIES 3u
/* A greeting may take long (RFC 5321 4.5.3.2.1: 5 minutes), but a client has begun to wait by then. */
#define GREETING_TIME (30 * SMTPSCOPE_SECOND)

static bool is_answered(const struct flow *flow)
{
    return flow->direction[SMTPSCOPE_CLIENT].has_acked && !flow->public.midstream;
}

/* The client has acknowledged the server's SYN. */
static bool is_established(const struct flow *flow)
{
    return is_answered(flow) && flow->direction[SMTPSCOPE_SERVER].has_acked;
}

/* What ICMP said of the client's SYNs. */
static const struct smtpscope_icmp_seen *icmp_of(const struct flow *flow)
{
    static const struct smtpscope_icmp_seen none;

    return trouble_of(flow) ? &trouble_of(flow)->network.side[SMTPSCOPE_CLIENT].icmp : &none;
}

void attempt_segment(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                     const struct smtpscope_segment *segment, bool again)
{
    if (again && segment->flags & SMTPSCOPE_TCP_SYN) {
        trouble_syn(streams, flow, side);
        flow_wait(streams, flow, LIST_EMBRYO);
    } else if (is_established(flow) && !(segment->flags & SMTPSCOPE_TCP_RST)) {
        flow_wait(streams, flow, LIST_IDLE);
    }
}

/* How often this side sent its SYN. */
static uint32_t tries_of(const struct flow *flow, enum smtpscope_side side)
{
    return trouble_of(flow) && trouble_of(flow)->syns[side] ? trouble_of(flow)->syns[side] : 1;
}

/* false: the capture does not show it. */
static bool attempt_end(const struct smtpscope_streams *streams, const struct flow *flow, enum smtpscope_close why,
                        enum smtpscope_attempt_end *end)
{
    bool client = flow->direction[SMTPSCOPE_CLIENT].seen, server = flow->direction[SMTPSCOPE_SERVER].seen;
    smtpscope_time waited = streams->now + streams->stepped - flow->last_time;
    bool tried = flow->last_time - flow->public.first_time >= ANSWER_TIME;

    if (!client || flow->public.midstream || why == SMTPSCOPE_CLOSE_EVICTED)
        return false;
    if (icmp_of(flow)->icmp != SMTPSCOPE_ICMP_NONE && icmp_of(flow)->icmp != SMTPSCOPE_ICMP_TOO_BIG && !is_established(flow)) {
        *end = SMTPSCOPE_ATTEMPT_REJECTED;
        return true;
    }
    if (!server) {
        *end = SMTPSCOPE_ATTEMPT_UNANSWERED;
        return !flow->direction[SMTPSCOPE_SERVER].has_acked && !flow->reset && (tried || waited >= ANSWER_TIME);
    }
    if (!flow->reset && !flow->direction[SMTPSCOPE_SERVER].has_acked) {
        *end = SMTPSCOPE_ATTEMPT_HALF_OPEN;
        return is_answered(flow) && tries_of(flow, SMTPSCOPE_SERVER) >= HALF_OPEN_TRIES;
    }
    if (flow->reset) {
        *end = flow->reset_by == SMTPSCOPE_CLIENT ? SMTPSCOPE_ATTEMPT_CLIENT_RESET
               : is_established(flow)             ? SMTPSCOPE_ATTEMPT_SERVER_RESET
                                                  : SMTPSCOPE_ATTEMPT_REFUSED;
        return flow->reset_by != SMTPSCOPE_CLIENT || is_established(flow);
    }
    *end = SMTPSCOPE_ATTEMPT_SILENT;
    return is_established(flow) && waited >= GREETING_TIME;
}

static void attempt_count(struct smtpscope_stream_stats *stats, enum smtpscope_attempt_end end)
{
    stats->attempts++;
    stats->unanswered += end == SMTPSCOPE_ATTEMPT_UNANSWERED || end == SMTPSCOPE_ATTEMPT_HALF_OPEN;
    stats->rejected += end == SMTPSCOPE_ATTEMPT_REFUSED || end == SMTPSCOPE_ATTEMPT_REJECTED;
}

void attempt_tell(struct smtpscope_streams *streams, const struct flow *flow, enum smtpscope_close why)
{
    smtpscope_time now = streams->now + streams->stepped;
    struct smtpscope_attempt attempt = {.flow = &flow->public, .time = flow->last_time, .packet = flow->last_packet};

    if (!streams->config.events->attempted || !attempt_end(streams, flow, why, &attempt.end))
        return;
    attempt.icmp = *icmp_of(flow);
    attempt.tries = tries_of(flow, attempt.end == SMTPSCOPE_ATTEMPT_HALF_OPEN ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT);
    attempt.waited = (attempt.end == SMTPSCOPE_ATTEMPT_SILENT ? now : flow->last_time) - flow->public.first_time;
    if (attempt.end == SMTPSCOPE_ATTEMPT_REJECTED)
        attempt.waited = attempt.icmp.time - flow->last_time > 0 ? attempt.icmp.time - flow->last_time : 0;
    attempt_count(&streams->stats, attempt.end);
    streams->config.events->attempted(streams->config.ctx, &attempt);
}
