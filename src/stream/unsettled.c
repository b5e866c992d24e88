/* SPDX-License-Identifier: BSD-2-Clause */
#include "unsettled.h"

#include "base/memory.h"

struct unsettled *unsettled_of(struct smtpscope_streams *streams, struct flow *flow)
{
    if (!flow->unsettled)
        flow->unsettled = memory_new(streams->config.allocator, sizeof *flow->unsettled);
    return flow->unsettled;
}

void unsettled_settle(struct smtpscope_streams *streams, struct flow *flow)
{
    const struct unsettled *unsettled = flow->unsettled;

    if (!unsettled || unsettled->segments || unsettled->other.known[0] || unsettled->other.known[1] ||
        unsettled->reset.pending || unsettled->doubtful || unsettled->trouble)
        return;
    memory_free(streams->config.allocator, flow->unsettled);
    flow->unsettled = NULL;
}
