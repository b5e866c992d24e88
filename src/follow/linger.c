/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sessions whose connection is closed and whose keys may still come: they end when those are there, or are not waited for any
 * more. A short session is over before its server has written its keys down.
 */
#include "follow_private.h"

#include "base/memory.h"

/* The stream forgets the flow, and what it had to say of its end: they are kept here. */
struct linger {
    struct linger *next;
    struct followed *followed;
    struct smtpscope_flow flow;
    struct smtpscope_ending ending;
    struct smtpscope_network network;
    smtpscope_time since;
};

bool linger_begin(struct smtpscope_follow *follow, struct followed *followed, const struct smtpscope_ending *ending)
{
    struct linger *linger;

    if (!followed->tls || !follow->config.key_patience || follow->finishing || !smtpscope_tls_waits(followed->tls))
        return false;
    linger = memory_new(follow->config.allocator, sizeof *linger);
    if (!linger)
        return false;
    linger->followed = followed;
    linger->flow = *smtpscope_session_flow(&followed->session);
    linger->ending = *ending;
    if (ending->network) {
        linger->network = *ending->network;
        linger->ending.network = &linger->network;
    }
    linger->since = follow->now;
    followed->session.flow = followed->judge.flow = &linger->flow;
    *follow->linger_end = linger;
    follow->linger_end = &linger->next;
    return true;
}

static void linger_first_end(struct smtpscope_follow *follow)
{
    struct linger *linger = follow->linger;

    follow->linger = linger->next;
    if (!follow->linger)
        follow->linger_end = &follow->linger;
    followed_end(follow, linger->followed, &linger->ending);
    memory_free(follow->config.allocator, linger);
}

/* In the order in which they were closed: one whose keys are there waits for those before it, which is not long. */
void linger_expire(struct smtpscope_follow *follow)
{
    while (follow->linger && (follow->now - follow->linger->since >= follow->config.key_patience ||
                              !smtpscope_tls_waits(follow->linger->followed->tls)))
        linger_first_end(follow);
}

void linger_finish(struct smtpscope_follow *follow)
{
    while (follow->linger)
        linger_first_end(follow);
}

void linger_clock_stepped(struct smtpscope_follow *follow, smtpscope_time delta)
{
    for (struct linger *linger = follow->linger; linger; linger = linger->next)
        linger->since += delta;
}
