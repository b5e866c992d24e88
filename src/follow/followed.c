/* SPDX-License-Identifier: BSD-2-Clause */
/* A session with its judge, from its beginning to its end. In: facts of the session, and of TLS. Out: facts, findings, traces. */
#include "follow_private.h"

#include "base/memory.h"

void follow_finding(void *ctx, const struct smtpscope_finding *finding)
{
    struct smtpscope_follow *follow = ctx;

    follow->config.finding(follow->config.ctx, follow->current, finding);
}

/* The tables are large: they are made when there is something for them. Without memory, nothing shows across sessions. */
static void follow_correlate(struct smtpscope_follow *follow, const struct smtpscope_trace *trace)
{
    if (!follow->correlate)
        follow->correlate =
            smtpscope_correlate_new(&(struct smtpscope_correlate_config){.allocator = follow->config.allocator,
                                                                         .finding = follow_finding,
                                                                         .ctx = follow,
                                                                         .hash_seed = follow->config.hash_seed});
    if (follow->correlate)
        smtpscope_correlate_trace(follow->correlate, trace);
}

void follow_trace(void *ctx, const struct smtpscope_trace *trace)
{
    struct smtpscope_follow *follow = ctx;

    if (follow->config.trace)
        follow->config.trace(follow->config.ctx, trace);
    else
        follow_correlate(follow, trace);
}

void follow_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    struct smtpscope_follow *follow = ctx;
    struct followed *followed = followed_of(session);
    bool ends = fact->type == SMTPSCOPE_FACT_END;

    follow->current = session;
    if (!ends)
        smtpscope_judge_fact(&followed->judge, session, fact);
    if (follow->config.fact)
        follow->config.fact(follow->config.ctx, session, fact);
    if (ends)
        smtpscope_judge_fact(&followed->judge, session, fact);
    else if (follow->config.live)
        waiting_note(follow, followed);
    smtpscope_trace_fact(session, fact, &followed->hello, follow_trace, follow);
    follow->current = NULL;
}

void followed_begin(struct smtpscope_follow *follow, struct followed *followed, const struct smtpscope_flow *flow)
{
    void *user = NULL;

    followed->hello = (struct smtpscope_hello_key){.seed = follow->config.hash_seed};
    judge_init(&followed->judge, &follow->judge_config);
    session_init(&followed->session, &follow->session_config, flow);
    if (follow->config.opened)
        user = follow->config.opened(follow->config.ctx, &followed->session);
    session_open(&followed->session, user);
}

void followed_end(struct smtpscope_follow *follow, struct followed *followed, const struct smtpscope_ending *ending)
{
    if (followed->tls)
        smtpscope_tls_close(followed->tls, ending); /* what TLS has still to tell */
    smtpscope_session_close(&followed->session, ending);
    waiting_leave(followed);
    if (follow->config.closed)
        follow->config.closed(follow->config.ctx, &followed->session, ending);
    smtpscope_tls_connection_free(followed->tls);
    session_fini(&followed->session);
    judge_fini(&followed->judge);
    memory_free(follow->config.allocator, followed);
}
