/* SPDX-License-Identifier: BSD-2-Clause */
/* The lists that flows wait in, and which flow is given up when there are too many. */
#include "waiting.h"

/* The end of an idle flow, in spans of the wheel. */
static uint64_t idle_due(const struct smtpscope_streams *streams, const struct flow *flow)
{
    return (uint64_t)(flow->since + streams->config.idle) / streams->idle_span;
}

static unsigned idle_list(const struct smtpscope_streams *streams, const struct flow *flow)
{
    return LIST_IDLE + (unsigned)(idle_due(streams, flow) % IDLE_LISTS);
}

static void list_append(struct smtpscope_streams *streams, struct flow *flow, uint32_t place, unsigned list)
{
    struct flow_queue *queue = &streams->lists[list];
    struct flow *last = flow_at(streams, queue->last);

    flow->list = (uint16_t)list;
    flow->prev = queue->last;
    flow->next = 0;
    *(last ? &last->next : &queue->first) = place;
    queue->last = place;
    queue->count++;
}

uint32_t flow_unlist(struct smtpscope_streams *streams, struct flow *flow)
{
    struct flow_queue *queue = &streams->lists[flow->list];
    struct flow *prev = flow_at(streams, flow->prev), *next = flow_at(streams, flow->next);
    uint32_t place = prev ? prev->next : queue->first;

    *(prev ? &prev->next : &queue->first) = flow->next;
    *(next ? &next->prev : &queue->last) = flow->prev;
    queue->count--;
    return place;
}

void flow_enlist(struct smtpscope_streams *streams, struct flow *flow, uint32_t place, enum flow_list list)
{
    flow->since = streams->now;
    list_append(streams, flow, place, list == LIST_IDLE ? idle_list(streams, flow) : (unsigned)list);
}

void flow_wait(struct smtpscope_streams *streams, struct flow *flow, enum flow_list list)
{
    flow_enlist(streams, flow, flow_unlist(streams, flow), list);
}

bool flow_put_off(struct smtpscope_streams *streams, struct flow *flow)
{
    unsigned list = idle_list(streams, flow);

    if (list == flow->list)
        return false;
    list_append(streams, flow, flow_unlist(streams, flow), list);
    return true;
}

/* How many flows are looked at for one that was silent since it entered its list. */
#define PUT_OFF_TRIES 64

static struct flow *idle_longest(struct smtpscope_streams *streams)
{
    int tries = 0;

    for (unsigned i = 0; i < IDLE_LISTS; i++) {
        unsigned list = LIST_IDLE + (unsigned)((streams->idle_passed + i) % IDLE_LISTS);

        for (struct flow *flow; (flow = list_first(streams, list));)
            if (tries++ == PUT_OFF_TRIES || !flow_put_off(streams, flow))
                return flow;
    }
    return NULL;
}

/* One without octets, one that lingers, else the one that has been silent for longest, as far as that is known cheaply. */
struct flow *flow_least_useful(struct smtpscope_streams *streams)
{
    struct flow *flow = list_first(streams, LIST_EMBRYO);

    if (!flow)
        flow = list_first(streams, LIST_LINGER);
    if (!flow)
        flow = idle_longest(streams);
    return flow ? flow : list_first(streams, LIST_STUCK);
}
