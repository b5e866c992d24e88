/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What packet time ends. Whatever one call tells, it tells in the order of the flows' first packets, over all lists together:
 * the order in which flows came into their lists is nobody's business, and differs when flows are spread over workers.
 */
#include "flow.h"

#include "base/memory.h"

#define EMBRYO_TIME (60 * SMTPSCOPE_SECOND) /* TCP gives up an unanswered SYN about then */
#define LINGER_TIME (1 * SMTPSCOPE_SECOND)
#define STUCK_TIME (2 * SMTPSCOPE_SECOND)
#define DUE_INITIAL 64u

/* --- time */

static bool leap_is_agreed(const struct smtpscope_streams *streams, smtpscope_time time)
{
    smtpscope_time ahead = time - streams->leap;

    return streams->leap && ahead && ahead < LEAP && ahead > -LEAP;
}

void now_leap(struct smtpscope_streams *streams, smtpscope_time time)
{
    bool first = !streams->now;

    if (first || leap_is_agreed(streams, time)) {
        streams->now = time;
        streams->leap = 0;
    } else {
        streams->leap = time;
    }
}

/* --- the heap of what is due */

bool due_grow(struct smtpscope_streams *streams)
{
    struct due *due = &streams->due;
    size_t capacity = due->capacity ? due->capacity * 2 : DUE_INITIAL;
    struct due_flow *flows = memory_resize(streams->config.allocator, due->flows, capacity * sizeof *flows);

    if (!flows)
        return false;
    due->flows = flows;
    due->capacity = capacity;
    return true;
}

/* false: it is full. */
static bool due_push(struct smtpscope_streams *streams, struct flow *flow)
{
    struct due *due = &streams->due;
    size_t at;

    if (due->count == due->capacity && !due_grow(streams))
        return false;
    for (at = due->count++; at && due->flows[(at - 1) / 2].first_packet > flow->public.first_packet; at = (at - 1) / 2)
        due->flows[at] = due->flows[(at - 1) / 2];
    due->flows[at] = (struct due_flow){.first_packet = flow->public.first_packet, .flow = flow};
    return true;
}

/* The one whose first packet came first, or NULL. */
static struct flow *due_pop(struct due *due)
{
    struct flow *first;
    struct due_flow last;
    size_t at = 0;

    if (!due->count)
        return NULL;
    first = due->flows[0].flow;
    last = due->flows[--due->count];
    for (size_t child; (child = 2 * at + 1) < due->count; at = child) {
        child += child + 1 < due->count && due->flows[child + 1].first_packet < due->flows[child].first_packet;
        if (last.first_packet <= due->flows[child].first_packet)
            break;
        due->flows[at] = due->flows[child];
    }
    due->flows[at] = last;
    return first;
}

/* --- what is due */

/* A flow whose end tells nothing has no place in the order. Most are of this kind: scans, and what closed a second ago. */
static bool ends_silently(const struct flow *flow)
{
    return flow->closed || (!flow->followed && !reassembly_owes(flow));
}

/* Ends the flow, or lets it be due; false: there is no room for it now. */
static bool due_end(struct smtpscope_streams *streams, struct flow *flow)
{
    if (!ends_silently(flow))
        return due_push(streams, flow);
    flow_end(streams, flow, SMTPSCOPE_CLOSE_IDLE);
    return true;
}

/* Those of a list that have waited for `wait`; false: there was no room for all. */
static bool due_of_list(struct smtpscope_streams *streams, enum flow_list list, smtpscope_time wait)
{
    for (struct flow *flow = list_first(streams, list), *next; flow && flow->since + wait <= streams->now; flow = next) {
        next = flow_at(streams, flow->next);
        if (!due_end(streams, flow))
            return false;
    }
    return true;
}

static bool due_stuck(struct smtpscope_streams *streams)
{
    for (struct flow *flow = list_first(streams, LIST_STUCK); flow && flow->since + STUCK_TIME <= streams->now;
         flow = flow_at(streams, flow->next))
        if (reassembly_is_hopeless(streams, flow) && !due_push(streams, flow))
            return false;
    return true;
}

static bool due_idle_list(struct smtpscope_streams *streams, unsigned list)
{
    for (struct flow *flow = list_first(streams, list), *next; flow; flow = next) {
        next = flow_at(streams, flow->next);
        if (flow->since + streams->config.idle > streams->now)
            flow_put_off(streams, flow);
        else if (!due_end(streams, flow))
            return false;
    }
    return true;
}

/* The lists whose span has begun: all before the last have passed. */
static bool due_idle(struct smtpscope_streams *streams)
{
    uint64_t now = (uint64_t)streams->now / streams->idle_span;
    uint64_t from = now - streams->idle_passed < IDLE_LISTS ? streams->idle_passed : now - (IDLE_LISTS - 1);

    for (; from <= now; from++)
        if (!due_idle_list(streams, LIST_IDLE + (unsigned)(from % IDLE_LISTS)))
            return false;
    streams->idle_passed = now;
    return true;
}

static bool due_gather(struct smtpscope_streams *streams)
{
    return due_of_list(streams, LIST_LINGER, LINGER_TIME) && due_stuck(streams) &&
           due_of_list(streams, LIST_EMBRYO, EMBRYO_TIME) && due_idle(streams);
}

static void due_expire(struct smtpscope_streams *streams)
{
    for (struct flow *flow; (flow = due_pop(&streams->due));) {
        if (flow->list != LIST_STUCK) {
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
        all = due_gather(streams);
        due_expire(streams);
    } while (!all);
}

static bool due_everything(struct smtpscope_streams *streams)
{
    for (unsigned list = 0; list < LISTS; list++)
        for (struct flow *flow = list_first(streams, list), *next; flow; flow = next) {
            next = flow_at(streams, flow->next);
            if (!due_end(streams, flow))
                return false;
        }
    return true;
}

void smtpscope_streams_flush(struct smtpscope_streams *streams)
{
    bool all;

    do {
        all = due_everything(streams);
        for (struct flow *flow; (flow = due_pop(&streams->due));)
            flow_end(streams, flow, SMTPSCOPE_CLOSE_END);
    } while (!all);
}
