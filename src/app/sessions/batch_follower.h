/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One worker's way through a batch: segments of its own flows go into its sessions, those of others only move packet time on, so
 * that all workers time out alike.
 */
#ifndef APP_SESSIONS_BATCH_FOLLOWER_H
#define APP_SESSIONS_BATCH_FOLLOWER_H

#include "app/handoff/report_buffer.h"
#include "app/sessions/batch_decoded.h"
#include "app/sessions/sessions.h"

struct batch_follower {
    struct sessions *sessions;
    struct report_key *now; /* kept up to date with what is being worked on */
    uint32_t index;
};

void batch_follower_run(struct batch_follower *follower, const struct batch_decoded *batch);

#endif
