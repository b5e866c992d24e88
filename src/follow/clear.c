/* SPDX-License-Identifier: BSD-2-Clause */
/* Sessions whose octets the caller gives in clear: those of a flow from some octet on, and those that it opened itself. */
#include "follow_private.h"

#include "base/memory.h"

static struct lone *lone_of(struct followed *followed)
{
    return followed->alone ? (struct lone *)followed : NULL;
}

struct smtpscope_session *smtpscope_follow_open(struct smtpscope_follow *follow, const struct smtpscope_flow *flow)
{
    struct lone *lone = memory_new(follow->config.allocator, sizeof *lone);

    if (!lone)
        return NULL;
    lone->followed.alone = lone->followed.in_clear = true;
    lone->flow = *flow;
    lone->last_time = flow->first_time;
    lone->last_packet = flow->first_packet;
    lone->prev = follow->last;
    *(follow->last ? &follow->last->next : &follow->first) = lone;
    follow->last = lone;
    followed_begin(follow, &lone->followed, &lone->flow);
    return &lone->followed.session;
}

void smtpscope_follow_clear(struct smtpscope_follow *follow, struct smtpscope_session *session,
                            const struct smtpscope_octets *octets, bool encrypted)
{
    struct followed *followed = followed_of(session);
    struct lone *lone = lone_of(followed);
    struct smtpscope_octets clear = *octets;

    (void)follow;
    followed->in_clear = true;
    if (encrypted && !followed->decrypted)
        smtpscope_session_decrypted(session);
    followed->decrypted |= encrypted;
    if (lone) {
        lone->last_time = octets->time;
        lone->last_packet = octets->packet;
    }
    clear.offset = smtpscope_session_offset(session, clear.side);
    clear.acked = smtpscope_session_offset(session, !clear.side);
    smtpscope_session_feed(session, &clear);
}

void smtpscope_follow_close(struct smtpscope_follow *follow, struct smtpscope_session *session,
                            const struct smtpscope_ending *ending)
{
    struct lone *lone = lone_of(followed_of(session));
    struct smtpscope_ending last = *ending;

    if (!lone)
        return;
    if (!last.time)
        last.time = lone->last_time;
    if (!last.packet)
        last.packet = lone->last_packet;
    *(lone->prev ? &lone->prev->next : &follow->first) = lone->next;
    *(lone->next ? &lone->next->prev : &follow->last) = lone->prev;
    followed_end(follow, &lone->followed, &last);
}

void lone_finish(struct smtpscope_follow *follow)
{
    const struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_END, .seen = {true, true}};

    while (follow->first)
        smtpscope_follow_close(follow, &follow->first->followed.session, &ending);
}
