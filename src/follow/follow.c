/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one wiring. In: what the streams tell of a flow. Out: facts, findings, traces. The decision: a session and its judge are
 * one block, whose address is the `user` of the flow, so that a segment finds both by one pointer. The road not taken: each
 * on the heap, joined by pointers; with a million sessions, every pointer is a line of the cache that is not there.
 *
 *     segment -> streams -> followed_octets() -> session -> follow_fact() -> judge -> finding
 *                                  a layer that decrypts stands here       -> trace -> correlate -> finding
 */
#include "follow_private.h"

#include "base/memory.h"
#include "follow/prefetch.h"
#include "rules/reading/phrase_index.h"
#include "stream/prefetch.h"

/* --- what the streams tell */

static void follow_attempted(void *ctx, const struct smtpscope_attempt *attempt)
{
    struct smtpscope_trace trace = smtpscope_trace_attempt(attempt);

    follow_trace(ctx, &trace);
}

static const char *follow_name_protocol(void *ctx, const uint8_t *octets, size_t len)
{
    const struct smtpscope_follow *follow = ctx;

    return follow->config.name_protocol(follow->config.ctx, octets, len);
}

/* --- sessions */

static void *followed_open(void *ctx, const struct smtpscope_flow *flow)
{
    struct smtpscope_follow *follow = ctx;
    struct followed *followed = memory_new(follow->config.allocator, sizeof *followed);

    if (followed)
        followed_begin(follow, followed, flow);
    else if (follow->config.unfollowed)
        follow->config.unfollowed(follow->config.ctx, flow);
    return followed;
}

/*
 * The octets of a flow. Those inside TLS come to inside_octets(), by way of the session as long as it is that itself, and what
 * opens is the session's.
 */
static void followed_octets(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    struct followed *followed = user;

    (void)ctx;
    if (followed->tls && followed->decrypted)
        smtpscope_tls_octets(followed->tls, octets);
    else if (!followed->in_clear)
        smtpscope_session_feed(&followed->session, octets);
}

static void followed_gap(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    struct followed *followed = user;
    struct smtpscope_gap here = *gap;

    (void)ctx;
    if (followed->in_clear)
        here.offset = smtpscope_session_offset(&followed->session, here.side);
    if (!followed->opened)
        smtpscope_session_gap(&followed->session, &here);
    if (followed->tls)
        smtpscope_tls_gap(followed->tls, gap);
}

static void followed_conflict(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    struct followed *followed = user;

    (void)ctx;
    if (!followed->in_clear)
        smtpscope_session_conflict(&followed->session, gap);
}

static void followed_urgent(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    struct followed *followed = user;

    (void)ctx;
    smtpscope_session_urgent(&followed->session, gap);
}

static void followed_connected(void *ctx, void *user, const struct smtpscope_connecting *connecting)
{
    struct followed *followed = user;

    (void)ctx;
    followed->connecting = *connecting;
}

static void followed_close(void *ctx, void *user, const struct smtpscope_ending *ending)
{
    const struct followed *followed = user;
    struct smtpscope_ending whole = *ending;

    whole.connecting = followed->connecting;
    if (!linger_begin(ctx, user, &whole))
        followed_end(ctx, user, &whole);
}

static void followed_clock_stepped(void *ctx, void *user, smtpscope_time delta)
{
    (void)ctx;
    struct followed *followed = user;

    smtpscope_session_clock_stepped(&followed->session, delta);
    if (followed->tls)
        smtpscope_tls_clock_stepped(followed->tls, delta);
}

static const struct smtpscope_stream_events stream_events = {
    .opened = followed_open,
    .octets = followed_octets,
    .gap = followed_gap,
    .conflict = followed_conflict,
    .urgent = followed_urgent,
    .connected = followed_connected,
    .closed = followed_close,
    .attempted = follow_attempted,
    .clock_stepped = followed_clock_stepped,
};

/* --- from the first segment to the end */

#define PORT(port) [(port) >> 3] = 1u << ((port)&7)
static const uint8_t default_ports[8192] = {PORT(25), PORT(465), PORT(587)};

struct smtpscope_follow *smtpscope_follow_new(const struct smtpscope_follow_config *config)
{
    struct smtpscope_follow *follow = memory_new(config->allocator, sizeof *follow);

    if (!follow)
        return NULL;
    indexes_need(); /* before there are threads, none of which has to wait for another that fills them */
    follow->config = *config;
    follow->waiting_end = &follow->waiting;
    follow->linger_end = &follow->linger;
    follow->session_config = (struct smtpscope_session_config){
        .allocator = config->allocator, .fact = follow_fact, .inside_tls = inside_octets, .ctx = follow};
    follow->session_config.name_protocol = config->name_protocol ? follow_name_protocol : NULL;
    follow->judge_config =
        (struct smtpscope_judge_config){.allocator = config->allocator, .finding = follow_finding, .ctx = follow};
    follow->streams =
        smtpscope_streams_new(&(struct smtpscope_stream_config){.allocator = config->allocator,
                                                                .events = &stream_events,
                                                                .ctx = follow,
                                                                .ports = config->ports ? config->ports : default_ports,
                                                                .hash_seed = config->hash_seed,
                                                                .max_flows = config->max_flows,
                                                                .max_held = config->max_held,
                                                                .idle = config->idle});
    if (follow->streams)
        return follow;
    memory_free(config->allocator, follow);
    return NULL;
}

static void no_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    (void)ctx;
    (void)session;
    (void)fact;
}

void smtpscope_follow_free(struct smtpscope_follow *follow)
{
    if (!follow)
        return;
    follow->session_config.fact = no_fact;
    follow->finishing = true;
    smtpscope_streams_flush(follow->streams);
    linger_finish(follow);
    lone_finish(follow);
    waiting_free(follow);
    smtpscope_streams_free(follow->streams);
    smtpscope_tls_free(follow->tls);
    smtpscope_correlate_free(follow->correlate);
    memory_free(follow->config.allocator, follow);
}

void smtpscope_follow_expire(struct smtpscope_follow *follow, smtpscope_time now)
{
    follow->expired = now;
    if (now > follow->now)
        follow->now = now;
    smtpscope_streams_expire(follow->streams, now);
    if (follow->tls)
        smtpscope_tls_expire(follow->tls, now);
    if (follow->linger)
        linger_expire(follow);
}

bool smtpscope_follow_segment(struct smtpscope_follow *follow, const struct smtpscope_segment *segment)
{
    if (segment->time != follow->expired)
        smtpscope_follow_expire(follow, segment->time);
    return smtpscope_streams_segment(follow->streams, segment);
}

void smtpscope_follow_adopt(struct smtpscope_follow *follow, const struct smtpscope_segment *segment)
{
    smtpscope_streams_follow(follow->streams, segment);
}

void smtpscope_follow_clock_stepped(struct smtpscope_follow *follow, smtpscope_time delta)
{
    follow->now += delta;
    linger_clock_stepped(follow, delta);
    follow->expired += delta;
    smtpscope_streams_clock_stepped(follow->streams, delta);
}

void smtpscope_follow_finish(struct smtpscope_follow *follow)
{
    follow->finishing = true;
    smtpscope_streams_flush(follow->streams);
    linger_finish(follow);
    lone_finish(follow);
    follow->finishing = false;
    if (follow->correlate)
        smtpscope_correlate_finish(follow->correlate, follow->now);
    smtpscope_correlate_free(follow->correlate);
    follow->correlate = NULL;
}

enum smtpscope_reason smtpscope_follow_reason(const struct smtpscope_session *session,
                                              const struct smtpscope_exchange *exchange)
{
    return notes_reason(&followed_of(session)->judge, exchange);
}

void smtpscope_follow_stats(const struct smtpscope_follow *follow, struct smtpscope_stream_stats *stats)
{
    smtpscope_streams_stats(follow->streams, stats);
}

/* --- looking ahead */

#define CACHE_LINE 64

bool follow_are_many(const struct smtpscope_follow *follow)
{
    return smtpscope_streams_are_many(follow->streams);
}

void follow_prefetch(const struct smtpscope_follow *follow, uint64_t hash, unsigned step)
{
    const char *followed;

    if (step == 0)
        smtpscope_streams_prefetch(follow->streams, hash);
    if (step == 1)
        smtpscope_streams_prefetch_flow(follow->streams, hash);
    followed = step < 2 ? NULL : smtpscope_streams_likely_user(follow->streams, hash);
    for (size_t at = 0; followed && at < sizeof(struct followed); at += CACHE_LINE)
        __builtin_prefetch(followed + at);
}
