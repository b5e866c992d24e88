/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What packet time ends. One call reports its flows in the order of their first packets, over all lists together: the order in
 * which flows came into their lists differs when flows are spread over workers.
 */
#include "expire.h"

#include "base/memory.h"

#include "life.h"
#include "reassembly.h"
#include "reset.h"
#include "waiting.h"

#define EMBRYO_TIME (60 * SMTPSCOPE_SECOND) /* TCP gives up an unanswered SYN about then */
#define LINGER_TIME (1 * SMTPSCOPE_SECOND)
#define STUCK_TIME (2 * SMTPSCOPE_SECOND)
#define EXPIRING_INITIAL 64u

/* --- the heap of flows that expire now */

bool expiring_grow(struct smtpscope_streams *streams)
{
    struct expiring *expiring = &streams->expiring;
    size_t capacity = expiring->capacity ? expiring->capacity * 2 : EXPIRING_INITIAL;
    struct expiring_flow *flows = memory_resize(streams->config.allocator, expiring->flows, capacity * sizeof *flows);

    if (!flows)
        return false;
    expiring->flows = flows;
    expiring->capacity = capacity;
    return true;
}

/* false: it is full. */
static bool expiring_push(struct smtpscope_streams *streams, struct flow *flow)
{
    struct expiring *expiring = &streams->expiring;
    size_t at;

    if (expiring->count == expiring->capacity && !expiring_grow(streams))
        return false;
    for (at = expiring->count++; at && expiring->flows[(at - 1) / 2].first_packet > flow->public.first_packet;
         at = (at - 1) / 2)
        expiring->flows[at] = expiring->flows[(at - 1) / 2];
    expiring->flows[at] = (struct expiring_flow){.first_packet = flow->public.first_packet, .flow = flow};
    return true;
}

/* The one whose first packet came first, or NULL. */
static struct flow *expiring_pop(struct expiring *expiring)
{
    struct flow *first;
    struct expiring_flow last;
    size_t at = 0;

    if (!expiring->count)
        return NULL;
    first = expiring->flows[0].flow;
    last = expiring->flows[--expiring->count];
    for (size_t child; (child = 2 * at + 1) < expiring->count; at = child) {
        child += child + 1 < expiring->count && expiring->flows[child + 1].first_packet < expiring->flows[child].first_packet;
        if (last.first_packet <= expiring->flows[child].first_packet)
            break;
        expiring->flows[at] = expiring->flows[child];
    }
    expiring->flows[at] = last;
    return first;
}

/* --- what expires */

/* A flow whose end tells nothing has no place in the order. Most are of this kind: what closed a second ago. */
static bool ends_silently(const struct flow *flow)
{
    return flow->closed || (!flow->followed && !flow->direction[SMTPSCOPE_CLIENT].seen && !reassembly_owes(flow));
}

/* Ends the flow, or puts it among those that expire; false: there is no room for it now. */
static bool expiring_end(struct smtpscope_streams *streams, struct flow *flow)
{
    if (!ends_silently(flow))
        return expiring_push(streams, flow);
    flow_end(streams, flow, SMTPSCOPE_CLOSE_IDLE);
    return true;
}

/* Those of a list that have waited for `wait`; false: there was no room for all. */
static bool expiring_of_list(struct smtpscope_streams *streams, enum flow_list list, smtpscope_time wait)
{
    for (struct flow *flow = list_first(streams, list), *next; flow && flow->since + wait <= streams->now; flow = next) {
        next = flow_at(streams, flow->next);
        if (!expiring_end(streams, flow))
            return false;
    }
    return true;
}

static bool expiring_stuck(struct smtpscope_streams *streams)
{
    for (struct flow *flow = list_first(streams, LIST_STUCK); flow && flow->since + STUCK_TIME <= streams->now;
         flow = flow_at(streams, flow->next))
        if ((reassembly_is_hopeless(streams, flow) || reset_is_due(streams, flow)) && !expiring_push(streams, flow))
            return false;
    return true;
}

static bool expiring_idle_list(struct smtpscope_streams *streams, unsigned list)
{
    for (struct flow *flow = list_first(streams, list), *next; flow; flow = next) {
        next = flow_at(streams, flow->next);
        if (flow->since + streams->config.idle > streams->now)
            flow_put_off(streams, flow);
        else if (!expiring_end(streams, flow))
            return false;
    }
    return true;
}

/* The lists whose span has begun: all before the last have passed. */
static bool expiring_idle(struct smtpscope_streams *streams)
{
    uint64_t now = (uint64_t)streams->now / streams->idle_span;
    uint64_t from = now - streams->idle_passed < IDLE_LISTS ? streams->idle_passed : now - (IDLE_LISTS - 1);

    for (; from <= now; from++)
        if (!expiring_idle_list(streams, LIST_IDLE + (unsigned)(from % IDLE_LISTS)))
            return false;
    streams->idle_passed = now;
    return true;
}

static bool expiring_gather(struct smtpscope_streams *streams)
{
    return expiring_of_list(streams, LIST_LINGER, LINGER_TIME) && expiring_stuck(streams) &&
           expiring_of_list(streams, LIST_EMBRYO, EMBRYO_TIME) && expiring_idle(streams);
}

static void expiring_expire(struct smtpscope_streams *streams)
{
    for (struct flow *flow; (flow = expiring_pop(&streams->expiring));) {
        if (flow->list != LIST_STUCK || reset_is_due(streams, flow)) {
            flow_end(streams, flow, SMTPSCOPE_CLOSE_IDLE);
            continue;
        }
        reassembly_tick(streams, flow);
        flow_close_if_done(streams, flow);
    }
}

void smtpscope_streams_expire(struct smtpscope_streams *streams, smtpscope_time now)
{
    bool all;

    now_advance(streams, now);
    if (streams->now < streams->next_tick)
        return;
    streams->next_tick = streams->now + SMTPSCOPE_SECOND;
    do { /* without memory for all of them: some, in order, then the next ones */
        all = expiring_gather(streams);
        expiring_expire(streams);
    } while (!all);
}

static bool expiring_everything(struct smtpscope_streams *streams)
{
    for (unsigned list = 0; list < LISTS; list++)
        for (struct flow *flow = list_first(streams, list), *next; flow; flow = next) {
            next = flow_at(streams, flow->next);
            if (!expiring_end(streams, flow))
                return false;
        }
    return true;
}

void smtpscope_streams_flush(struct smtpscope_streams *streams)
{
    bool all;

    do {
        all = expiring_everything(streams);
        for (struct flow *flow; (flow = expiring_pop(&streams->expiring));)
            flow_end(streams, flow, SMTPSCOPE_CLOSE_END);
    } while (!all);
}
