/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/sessions.h"

#include "base/memory.h"
#include "base/pool.h"
#include "correlate/correlate.h"
#include "output/record.h"
#include "smtpscope/judge.h"
#include "smtpscope/session.h"
#include "smtpscope/stream.h"

#include <stdlib.h>
#include <sys/random.h>

struct sessions {
    struct pool pool; /* of all that is kept of flows and sessions */
    const struct options *options;
    struct output *output;
    struct summary *summary;
    struct smtpscope_streams *streams;
    struct correlate *correlate;
    struct smtpscope_session_config session_config;
    struct smtpscope_judge_config judge_config;
    enum smtpscope_severity worst;
};

/* What hangs on each session: small, for there may be a million. */
struct watched {
    struct smtpscope_judge *judge;
    struct record *record; /* with --sessions only */
};

static void watched_free(const struct sessions *sessions, struct watched *watched)
{
    smtpscope_judge_free(watched->judge);
    record_free(watched->record);
    memory_free(&sessions->pool.allocator, watched);
}

static void *sessions_opened(void *ctx, const struct smtpscope_flow *flow)
{
    struct sessions *sessions = ctx;
    struct watched *watched = memory_new(&sessions->pool.allocator, sizeof *watched);
    struct smtpscope_session *session = NULL;

    if (!watched) {
        sessions->summary->overflowed++;
        return NULL;
    }
    watched->judge = smtpscope_judge_new(&sessions->judge_config);
    if (sessions->options->sessions)
        watched->record = record_new();
    if (watched->judge && (watched->record || !sessions->options->sessions))
        session = smtpscope_session_new(&sessions->session_config, flow, watched);
    if (!session) {
        watched_free(sessions, watched);
        sessions->summary->overflowed++;
    }
    return session;
}

static void sessions_octets(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    (void)ctx;
    smtpscope_session_feed(user, octets);
}

static void sessions_gap(void *ctx, void *user, enum smtpscope_side side, uint64_t offset, uint64_t len, smtpscope_time time,
                         uint64_t packet)
{
    (void)ctx;
    smtpscope_session_gap(user, side, offset, len, time, packet);
}

static void sessions_conflict(void *ctx, void *user, enum smtpscope_side side, uint64_t offset, smtpscope_time time,
                              uint64_t packet)
{
    (void)ctx;
    smtpscope_session_conflict(user, side, offset, time, packet);
}

static void sessions_closed(void *ctx, void *user, const struct smtpscope_ending *ending)
{
    struct watched *watched = smtpscope_session_user(user);

    smtpscope_session_close(user, ending);
    smtpscope_session_free(user);
    watched_free(ctx, watched);
}

/* The session's own line comes before its findings, which name its exchanges. */
static void sessions_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    struct sessions *sessions = ctx;
    struct watched *watched = smtpscope_session_user(session);
    const struct smtpscope_flow *flow = smtpscope_session_flow(session);

    summary_fact(sessions->summary, session, fact);
    if (watched->record)
        record_fact(watched->record, fact);
    if (watched->record && fact->type == SMTPSCOPE_FACT_END)
        output_session(sessions->output, flow, watched->record, fact->end);
    if (sessions->options->messages && fact->type == SMTPSCOPE_FACT_MESSAGE && fact->message->sent)
        output_message(sessions->output, flow, fact->message);
    smtpscope_judge_fact(watched->judge, session, fact);
    correlate_fact(sessions->correlate, session, fact);
}

/* --rule chooses what is looked at, and so what --fail-on sees; --min-severity only what is shown. */
static void sessions_finding(void *ctx, const struct smtpscope_finding *finding)
{
    struct sessions *sessions = ctx;

    if (!options_select(sessions->options, finding->rule))
        return;
    if (finding->severity < sessions->worst)
        sessions->worst = finding->severity;
    if (finding->severity > sessions->options->min_severity) {
        sessions->summary->hidden++;
        return;
    }
    summary_finding(sessions->summary, finding);
    output_finding(sessions->output, finding);
}

static const struct smtpscope_stream_events stream_events = {
    .opened = sessions_opened,
    .octets = sessions_octets,
    .gap = sessions_gap,
    .conflict = sessions_conflict,
    .closed = sessions_closed,
};

/* What nobody can know beforehand; without it, collisions could be prepared, but nothing else breaks. */
static uint64_t random_seed(void)
{
    uint64_t seed = 0;

    if (getentropy(&seed, sizeof seed))
        return 0;
    return seed;
}

struct sessions *sessions_new(const struct options *options, struct output *output, struct summary *summary)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);

    if (!sessions)
        return NULL;
    pool_init(&sessions->pool);
    sessions->options = options;
    sessions->output = output;
    sessions->summary = summary;
    sessions->worst = SMTPSCOPE_SEVERITIES;
    sessions->session_config = (struct smtpscope_session_config){
        .allocator = &sessions->pool.allocator, .fact = sessions_fact, .ctx = sessions};
    sessions->judge_config = (struct smtpscope_judge_config){
        .allocator = &sessions->pool.allocator, .finding = sessions_finding, .ctx = sessions};
    sessions->correlate = correlate_new(&(struct correlate_config){.finding = sessions_finding, .ctx = sessions});
    sessions->streams = smtpscope_streams_new(&(struct smtpscope_stream_config){
        .allocator = &sessions->pool.allocator, .events = &stream_events, .ctx = sessions, .ports = options->ports, .hash_seed = random_seed()});
    if (sessions->streams && sessions->correlate)
        return sessions;
    sessions_free(sessions);
    return NULL;
}

void sessions_free(struct sessions *sessions)
{
    if (!sessions)
        return;
    if (sessions->streams)
        smtpscope_streams_free(sessions->streams);
    if (sessions->correlate)
        correlate_free(sessions->correlate);
    pool_fini(&sessions->pool);
    free(sessions);
}

void sessions_segment(struct sessions *sessions, const struct smtpscope_segment *segment)
{
    smtpscope_streams_segment(sessions->streams, segment);
}

void sessions_expire(struct sessions *sessions, smtpscope_time now)
{
    smtpscope_streams_expire(sessions->streams, now);
}

void sessions_finish(struct sessions *sessions, smtpscope_time now)
{
    smtpscope_streams_flush(sessions->streams);
    correlate_finish(sessions->correlate, now);
}

void sessions_stats(const struct sessions *sessions, struct smtpscope_stream_stats *stats)
{
    smtpscope_streams_stats(sessions->streams, stats);
}

uint64_t sessions_forgotten(const struct sessions *sessions)
{
    return correlate_forgotten(sessions->correlate);
}

enum smtpscope_severity sessions_worst(const struct sessions *sessions)
{
    return sessions->worst;
}
