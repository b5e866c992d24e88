/* SPDX-License-Identifier: BSD-2-Clause */
/* How a flow ends. */
#include "life.h"

#include "events.h"
#include "held.h"
#include "reassembly.h"
#include "reset.h"
#include "table.h"
#include "waiting.h"

void flow_end(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_close why)
{
    struct doubtful_reset reset = flow->unsettled ? flow->unsettled->reset : (struct doubtful_reset){0};

    if (!flow->closed) {
        reassembly_drain(streams, flow);
        reset_believe(streams, flow, &reset);
        if (flow->reset)
            why = SMTPSCOPE_CLOSE_RESET;
        else if (flow->direction[0].fin || flow->direction[1].fin)
            why = SMTPSCOPE_CLOSE_FIN;
        tell_closed(streams, flow, why);
    }
    held_discard(streams, flow);
    flow_remove(streams, flow);
}

void flow_close_if_done(struct smtpscope_streams *streams, struct flow *flow)
{
    if (flow->direction[0].fin && flow->direction[1].fin &&
        !(flow->unsettled && flow->unsettled->segments > flow->unsettled->aside) && !flow->closed) {
        held_discard(streams, flow);
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
