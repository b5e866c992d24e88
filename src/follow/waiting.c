/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings that are told while their session goes on: who waits, and for how long. */
#include "follow_private.h"

#include "base/memory.h"

/* Without memory for it, a finding waits for the end of its session. */
void waiting_note(struct smtpscope_follow *follow, struct followed *followed)
{
    struct waiting *waiting;

    if (followed->waiting || !smtpscope_judge_untold(&followed->judge))
        return;
    waiting = memory_new(follow->config.allocator, sizeof *waiting);
    if (!waiting)
        return;
    waiting->followed = followed;
    waiting->since = follow->told;
    *follow->waiting_end = waiting;
    follow->waiting_end = &waiting->next;
    followed->waiting = waiting;
}

void waiting_leave(struct followed *followed)
{
    if (followed->waiting)
        followed->waiting->followed = NULL;
    followed->waiting = NULL;
}

/* The one that waits longest, taken out of the queue; NULL: its session has ended. */
static struct followed *waiting_take(struct smtpscope_follow *follow)
{
    struct waiting *waiting = follow->waiting;
    struct followed *followed = waiting->followed;

    follow->waiting = waiting->next;
    if (!follow->waiting)
        follow->waiting_end = &follow->waiting;
    if (followed)
        followed->waiting = NULL;
    memory_free(follow->config.allocator, waiting);
    return followed;
}

void waiting_free(struct smtpscope_follow *follow)
{
    while (follow->waiting)
        waiting_take(follow);
}

/* Tells, as findings of the session, those that were not told yet. */
static void waiting_tell(struct smtpscope_follow *follow, struct followed *followed)
{
    follow->current = &followed->session;
    smtpscope_judge_tell(&followed->judge);
    follow->current = NULL;
}

void smtpscope_follow_tell(struct smtpscope_follow *follow, smtpscope_time now)
{
    follow->told = now;
    while (follow->waiting && now - follow->waiting->since >= follow->config.patience) {
        struct followed *followed = waiting_take(follow);

        if (followed)
            waiting_tell(follow, followed);
    }
}
