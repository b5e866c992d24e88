/* SPDX-License-Identifier: BSD-2-Clause */
/* The lists that flows wait in. Internal to stream. */
#ifndef STREAM_WAITING_H
#define STREAM_WAITING_H

#include "flow.h"

static inline struct flow *list_first(const struct smtpscope_streams *streams, unsigned list)
{
    return flow_at(streams, streams->lists[list].first);
}

static inline bool flow_is_idle(const struct flow *flow)
{
    return flow->list >= LIST_IDLE;
}

/* Moves a flow into `list`, where it waits from now on; any of the idle lists is LIST_IDLE. */
void flow_wait(struct smtpscope_streams *streams, struct flow *flow, enum flow_list list);
/* The same for one that is in none, at `place` in the slabs. */
void flow_enlist(struct smtpscope_streams *streams, struct flow *flow, uint32_t place, enum flow_list list);
/* Takes a flow out of its list. Returns its place, which only its neighbours there know. */
uint32_t flow_unlist(struct smtpscope_streams *streams, struct flow *flow);
/* An idle flow that spoke since goes to the list that it belongs in; false: it stands there. */
bool flow_put_off(struct smtpscope_streams *streams, struct flow *flow);
/* The flow that is given up for a new one, or NULL. */
struct flow *flow_least_useful(struct smtpscope_streams *streams);

#endif
