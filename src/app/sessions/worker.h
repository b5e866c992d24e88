/* SPDX-License-Identifier: BSD-2-Clause */
/* One worker over rounds: follows the flows that are its own, and sees packet time go on by all. */
#ifndef APP_SESSIONS_WORKER_H
#define APP_SESSIONS_WORKER_H

#include "app/handoff/report_buffer.h"
#include "app/sessions/batch_decoded.h"
#include "app/sessions/sessions.h"

struct worker {
    struct sessions *sessions;
    struct outbox_key *now; /* kept up to date with what is being worked on */
    uint32_t index;
};

void worker_round(struct worker *worker, const struct round *round);

#endif
