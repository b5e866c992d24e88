/* SPDX-License-Identifier: BSD-2-Clause */
/* One worker over rounds: follows the flows that are its own, and sees packet time go on by all. */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include "app/outbox.h"
#include "app/round.h"
#include "app/sessions.h"

struct worker {
    struct sessions *sessions;
    struct outbox_key *now; /* kept up to date with what is being worked on */
    uint32_t index;
};

void worker_round(struct worker *worker, const struct round *round);

#endif
