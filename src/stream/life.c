/* SPDX-License-Identifier: BSD-2-Clause */
/* How a flow ends. */
#include "life.h"

#include "events.h"
#include "reassembly.h"
#include "table.h"
#include "waiting.h"

void flow_end(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_close why)
{
    if (!flow->closed) {
        reassembly_drain(streams, flow);
        if (flow->reset)
            why = SMTPSCOPE_CLOSE_RESET;
        else if (flow->direction[0].fin || flow->direction[1].fin)
            why = SMTPSCOPE_CLOSE_FIN;
        tell_closed(streams, flow, why);
    }
    flow_remove(streams, flow);
}

void flow_close_if_done(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->direction[0].fin && flow->direction[1].fin && !flow->held_queue && !flow->closed) {
        tell_closed(streams, flow, flow->reset ? SMTPSCOPE_CLOSE_RESET : SMTPSCOPE_CLOSE_FIN);
        flow_wait(streams, flow, LIST_LINGER);
    }
}

const char *smtpscope_close_name(enum smtpscope_close why)
{
    static const char *const names[] = {
        [SMTPSCOPE_CLOSE_FIN] = "fin", [SMTPSCOPE_CLOSE_RESET] = "reset",   [SMTPSCOPE_CLOSE_IDLE] = "idle",
        [SMTPSCOPE_CLOSE_END] = "end", [SMTPSCOPE_CLOSE_REUSED] = "reused", [SMTPSCOPE_CLOSE_EVICTED] = "evicted",
    };

    return names[why];
}
