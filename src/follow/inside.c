/* SPDX-License-Identifier: BSD-2-Clause */
/* Sessions inside TLS: what the stage tls makes of their octets, where keys are, is the session's. */
#include "follow_private.h"

/* --- what the stage tells */

static void inside_decrypted(void *ctx, void *user, uint64_t next[2])
{
    struct followed *followed = user;

    (void)ctx;
    for (enum smtpscope_side side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++)
        next[side] = smtpscope_session_offset(&followed->session, side);
    followed->decrypted = followed->opened = true;
    smtpscope_session_decrypted(&followed->session);
}

/* What the caller gives in clear comes first: then nothing is told twice. */
static void inside_clear(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    struct followed *followed = user;

    (void)ctx;
    if (!followed->in_clear)
        smtpscope_session_feed(&followed->session, octets);
}

static void inside_gap(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    struct followed *followed = user;

    (void)ctx;
    if (!followed->in_clear)
        smtpscope_session_gap(&followed->session, gap);
}

static void inside_fact(void *ctx, void *user, const struct smtpscope_fact *fact)
{
    struct followed *followed = user;
    struct smtpscope_fact told = *fact;
    struct smtpscope_tls_end end;

    if (fact->type == SMTPSCOPE_FACT_TLS_END && followed->in_clear && followed->decrypted) {
        end = *fact->tls_end;
        end.decrypted = SMTPSCOPE_DECRYPTED_YES;
        told.tls_end = &end;
    }
    follow_fact(ctx, &followed->session, &told);
}

static void inside_earlier(void *ctx)
{
    const struct smtpscope_follow *follow = ctx;

    if (follow->config.earlier)
        follow->config.earlier(follow->config.ctx);
}

static const struct smtpscope_tls_events tls_events = {
    .decrypted = inside_decrypted, .octets = inside_clear, .gap = inside_gap, .earlier = inside_earlier, .fact = inside_fact};

/* --- what it is given */

static bool inside_begin(struct smtpscope_follow *follow, struct followed *followed)
{
    const struct smtpscope_follow_config *config = &follow->config;

    if (!follow->tls)
        follow->tls = smtpscope_tls_new(&(struct smtpscope_tls_config){.allocator = config->allocator,
                                                                       .keys = config->keys,
                                                                       .patience = config->key_patience,
                                                                       .no_inference = config->no_inference,
                                                                       .events = &tls_events,
                                                                       .ctx = follow});
    if (follow->tls && !followed->tls)
        followed->tls =
            smtpscope_tls_open(follow->tls, smtpscope_session_flow(&followed->session)->side[SMTPSCOPE_SERVER].port, followed);
    return followed->tls;
}

void inside_octets(void *ctx, struct smtpscope_session *session, const struct smtpscope_octets *octets)
{
    struct followed *followed = followed_of(session);

    if (inside_begin(ctx, followed))
        smtpscope_tls_octets(followed->tls, octets);
}
