/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/sessions/sessions.h"

#include "app/handoff/evidence_feed.h"
#include "base/memory.h"
#include "base/pool.h"
#include "output/transcript.h"
#include "smtpscope/judge.h"
#include "smtpscope/session.h"

#include <stdlib.h>
#include <string.h>

/* All workers together: as many flows as fit beside their sessions in a few GiB, and octets held out of order. */
#define FLOWS_MAX (4u << 20)
#define HELD_MAX (64u << 20)

struct sessions {
    struct pool pool; /* of all that is kept of flows and sessions */
    struct sessions_config config;
    struct smtpscope_streams *streams;
    struct detect *detect;
    struct candidates *candidates; /* NULL: only the watched ports count */
    struct smtpscope_session_config session_config;
    struct smtpscope_judge_config judge_config;
    struct {
        struct sessions *sessions;
        struct output *output;
    } formats[SESSIONS_FORMATS];
    const struct smtpscope_flow *flow; /* that a line is about */
    smtpscope_time now;                /* of sessions_tell() */
    struct untold *untold, **untold_end;
};

/* A session with findings that wait to be told; in the order in which they are due. */
struct untold {
    struct untold *next;
    struct session_user *watched; /* NULL: its session has ended */
    smtpscope_time since;
};

/* What hangs on a session besides its judge, where anything does: see is_watched(). */
struct session_user {
    struct smtpscope_judge *judge;
    struct untold *untold;         /* NULL: none of its findings waits */
    struct transcript *transcript; /* with --sessions only, else there is no room for it: see transcript_of() */
};

/* For files, mostly, the judge is all, and a million sessions need not have more. */
static bool is_watched(const struct sessions *sessions)
{
    return sessions->config.options->sessions || sessions->config.patience;
}

/* NULL: there is none. `user`: the session's. */
static struct session_user *watched_of(const struct sessions *sessions, void *user)
{
    return is_watched(sessions) ? user : NULL;
}

static struct smtpscope_judge *judge_of(const struct sessions *sessions, void *user)
{
    return is_watched(sessions) ? ((struct session_user *)user)->judge : user;
}

static struct transcript *transcript_of(const struct sessions *sessions, const struct session_user *watched)
{
    return sessions->config.options->sessions ? watched->transcript : NULL;
}

static void user_free(const struct sessions *sessions, void *user)
{
    struct session_user *watched = watched_of(sessions, user);

    smtpscope_judge_free(judge_of(sessions, user));
    if (!watched)
        return;
    if (watched->untold)
        watched->untold->watched = NULL;
    transcript_free(transcript_of(sessions, watched));
    memory_free(&sessions->pool.allocator, watched);
}

/* What a session's user is; takes the judge. NULL: out of memory. */
static void *user_new(const struct sessions *sessions, struct smtpscope_judge *judge)
{
    bool recorded = sessions->config.options->sessions;
    size_t size = recorded ? sizeof(struct session_user) : offsetof(struct session_user, transcript);
    struct session_user *watched;

    if (!judge || !is_watched(sessions))
        return judge;
    watched = memory_new(&sessions->pool.allocator, size);
    if (!watched) {
        smtpscope_judge_free(judge);
        return NULL;
    }
    watched->judge = judge;
    if (!recorded || (watched->transcript = transcript_new()))
        return watched;
    user_free(sessions, watched);
    return NULL;
}

static void *sessions_opened(void *ctx, const struct smtpscope_flow *flow)
{
    struct sessions *sessions = ctx;
    void *user = user_new(sessions, smtpscope_judge_new(&sessions->judge_config));
    struct smtpscope_session *session = user ? smtpscope_session_new(&sessions->session_config, flow, user) : NULL;

    if (session)
        return session;
    if (user)
        user_free(sessions, user);
    sessions->config.summary->overflowed++;
    return NULL;
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
    void *hanging = smtpscope_session_user(user);
    const struct sessions *sessions = ctx;

    smtpscope_session_close(user, ending);
    if (sessions->config.evidence)
        evidence_feed_closed(sessions->config.evidence, sessions->config.hash_seed, smtpscope_session_flow(user), ending->time);
    smtpscope_session_free(user);
    user_free(sessions, hanging);
}

/* The session's own line comes before its findings, which name its exchanges. */
static void sessions_lines(struct sessions *sessions, const struct transcript *transcript, const struct smtpscope_fact *fact)
{
    bool ends = transcript && fact->type == SMTPSCOPE_FACT_END;
    bool message = sessions->config.options->messages && fact->type == SMTPSCOPE_FACT_MESSAGE && fact->message->sent;

    for (size_t i = 0; i < sessions->config.format_count; i++) {
        if (ends)
            output_session(sessions->formats[i].output, sessions->flow, transcript, fact->end);
        if (message)
            output_message(sessions->formats[i].output, sessions->flow, fact->message);
    }
}

/* Without memory for it, a finding waits for the end of its session. */
static void sessions_note_untold(struct sessions *sessions, struct session_user *watched)
{
    struct untold *untold = watched->untold || !smtpscope_judge_untold(watched->judge) ? NULL : malloc(sizeof *untold);

    if (!untold)
        return;
    *untold = (struct untold){.watched = watched, .since = sessions->now};
    *sessions->untold_end = untold;
    sessions->untold_end = &untold->next;
    watched->untold = untold;
}

static void sessions_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    struct sessions *sessions = ctx;
    void *user = smtpscope_session_user(session);
    struct session_user *watched = watched_of(sessions, user);
    struct transcript *transcript = transcript_of(sessions, watched);
    const struct report_taker *taker = sessions->config.taker;

    sessions->flow = smtpscope_session_flow(session);
    summary_fact(sessions->config.summary, session, fact);
    if (sessions->config.reply_times)
        reply_times_fact(sessions->config.reply_times, session, fact);
    if (transcript)
        transcript_fact(transcript, fact);
    sessions_lines(sessions, transcript, fact);
    smtpscope_judge_fact(judge_of(sessions, user), session, fact);
    trace_fact(session, fact, taker->trace, taker->ctx);
    if (sessions->config.patience && fact->type != SMTPSCOPE_FACT_END)
        sessions_note_untold(sessions, watched);
}

static int sessions_line(void *ctx, const struct output_line *line)
{
    struct sessions *sessions = *(struct sessions **)ctx;
    size_t format = ctx == &sessions->formats[0] ? 0 : 1;

    sessions->config.taker->line(sessions->config.taker->ctx, sessions->flow, format, line);
    return 0;
}

static void sessions_stepped(void *ctx, void *user, smtpscope_time delta)
{
    (void)ctx;
    smtpscope_session_clock_stepped(user, delta);
}

static const struct smtpscope_stream_events stream_events = {
    .opened = sessions_opened,
    .octets = sessions_octets,
    .gap = sessions_gap,
    .conflict = sessions_conflict,
    .closed = sessions_closed,
    .clock_stepped = sessions_stepped,
};

static bool sessions_formats(struct sessions *sessions)
{
    for (size_t i = 0; i < sessions->config.format_count; i++) {
        struct output_config config = sessions->config.formats[i];

        config.write = sessions_line;
        config.ctx = &sessions->formats[i];
        sessions->formats[i].sessions = sessions;
        sessions->formats[i].output = output_new(&config);
        if (!sessions->formats[i].output)
            return false;
    }
    return true;
}

/* Octets on a watched port that are not SMTP: whatever nDPI says, they are not. */
static const char *sessions_name_protocol(void *ctx, const uint8_t *octets, size_t len)
{
    struct sessions *sessions = ctx;
    struct detect_turn turn = {SMTPSCOPE_CLIENT, octets, len};
    const char *name = detect_protocol(sessions->detect, &turn, 1);

    return name && strcmp(name, DETECT_SMTP) ? name : NULL;
}

static void sessions_follow(void *ctx, const struct smtpscope_segment *segment)
{
    struct sessions *sessions = ctx;

    smtpscope_streams_follow(sessions->streams, segment);
}

/* nDPI itself is made when it is first asked. */
static bool sessions_detect(struct sessions *sessions)
{
    bool elsewhere = sessions->config.options->detect;

    sessions->detect = detect_new();
    if (sessions->detect && elsewhere)
        sessions->candidates = candidates_new(&(struct candidates_config){
            .detect = sessions->detect, .hash_seed = sessions->config.hash_seed, .follow = sessions_follow, .ctx = sessions});
    return sessions->detect && (sessions->candidates || !elsewhere);
}

/* --max-sessions is for all workers; each follows one at least. */
static size_t flows_max(const struct sessions_config *config)
{
    size_t all = config->options->max_sessions ? config->options->max_sessions : FLOWS_MAX;

    return all > config->workers ? all / config->workers : 1;
}

struct sessions *sessions_new(const struct sessions_config *config)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);

    if (!sessions)
        return NULL;
    pool_init(&sessions->pool);
    sessions->config = *config;
    sessions->untold_end = &sessions->untold;
    sessions->session_config = (struct smtpscope_session_config){.allocator = &sessions->pool.allocator,
                                                                 .fact = sessions_fact,
                                                                 .name_protocol = sessions_name_protocol,
                                                                 .ctx = sessions};
    sessions->judge_config = (struct smtpscope_judge_config){
        .allocator = &sessions->pool.allocator, .finding = config->taker->finding, .ctx = config->taker->ctx};
    sessions->streams = smtpscope_streams_new(&(struct smtpscope_stream_config){.allocator = &sessions->pool.allocator,
                                                                                .events = &stream_events,
                                                                                .ctx = sessions,
                                                                                .ports = config->options->ports,
                                                                                .hash_seed = config->hash_seed,
                                                                                .max_flows = flows_max(config),
                                                                                .max_held = HELD_MAX / config->workers});
    if (sessions->streams && sessions_formats(sessions) && sessions_detect(sessions))
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
    for (size_t i = 0; i < SESSIONS_FORMATS; i++)
        output_free(sessions->formats[i].output);
    for (struct untold *untold = sessions->untold, *next; untold; untold = next) {
        next = untold->next;
        free(untold);
    }
    candidates_free(sessions->candidates);
    detect_free(sessions->detect);
    pool_fini(&sessions->pool);
    free(sessions);
}

void sessions_segment(struct sessions *sessions, const struct smtpscope_segment *segment)
{
    if (smtpscope_streams_segment(sessions->streams, segment) || !sessions->candidates)
        return;
    if (!candidates_segment(sessions->candidates, segment) && sessions->config.evidence)
        evidence_dropped(sessions->config.evidence, segment->hash, segment->packet);
    sessions->config.summary->undetected = candidates_evicted(sessions->candidates);
}

void sessions_expire(struct sessions *sessions, smtpscope_time now)
{
    smtpscope_streams_expire(sessions->streams, now);
}

/* The oldest that waits, taken out of the queue. */
static struct session_user *sessions_take_untold(struct sessions *sessions)
{
    struct untold *untold = sessions->untold;
    struct session_user *watched = untold->watched;

    sessions->untold = untold->next;
    if (!sessions->untold)
        sessions->untold_end = &sessions->untold;
    if (watched)
        watched->untold = NULL;
    free(untold);
    return watched;
}

void sessions_tell(struct sessions *sessions, smtpscope_time now)
{
    sessions->now = now;
    while (sessions->untold && now - sessions->untold->since >= sessions->config.patience) {
        struct session_user *watched = sessions_take_untold(sessions);

        if (watched)
            smtpscope_judge_tell(watched->judge);
    }
}

void sessions_clock_stepped(struct sessions *sessions, smtpscope_time delta)
{
    smtpscope_streams_clock_stepped(sessions->streams, delta);
}

void sessions_finish(struct sessions *sessions)
{
    smtpscope_streams_flush(sessions->streams);
}

void sessions_stats(const struct sessions *sessions, struct smtpscope_stream_stats *stats)
{
    smtpscope_streams_stats(sessions->streams, stats);
}

void sessions_detect_stats(const struct sessions *sessions, struct candidates_stats *stats)
{
    *stats = (struct candidates_stats){0};
    if (sessions->candidates)
        candidates_stats(sessions->candidates, stats);
}

/* A session takes a few cache lines; the first two are touched by each of its segments. */
#define CACHE_LINE 64

bool sessions_are_many(const struct sessions *sessions)
{
    return smtpscope_streams_are_many(sessions->streams);
}

void sessions_prefetch(const struct sessions *sessions, uint64_t hash, unsigned step)
{
    const char *session;

    if (step == 0)
        smtpscope_streams_prefetch(sessions->streams, hash);
    if (step == 1)
        smtpscope_streams_prefetch_flow(sessions->streams, hash);
    if (step < 2)
        return;
    session = smtpscope_streams_likely_user(sessions->streams, hash);
    if (session && step == 2) {
        __builtin_prefetch(session);
        __builtin_prefetch(session + CACHE_LINE);
    } else if (session) {
        __builtin_prefetch(smtpscope_session_user((const void *)session));
    }
}

void stream_stats_add(struct smtpscope_stream_stats *to, const struct smtpscope_stream_stats *from)
{
    to->segments += from->segments;
    to->octets += from->octets;
    to->flows += from->flows;
    to->out_of_order += from->out_of_order;
    to->retransmitted += from->retransmitted;
    to->gaps += from->gaps;
    to->gap_octets += from->gap_octets;
    to->conflicts += from->conflicts;
    to->evicted += from->evicted;
    to->held_now += from->held_now;
    to->held_max += from->held_max;
    to->flows_now += from->flows_now;
    to->ignored += from->ignored;
}
