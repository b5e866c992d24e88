/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/sessions/sessions.h"

#include "app/handoff/evidence_feed.h"
#include "base/pool.h"
#include "output/transcript.h"
#include "smtpscope/follow.h"

#include <stdlib.h>
#include <string.h>

/* All workers together: as many flows as fit beside their sessions in a few GiB, and octets held out of order. */
#define FLOWS_MAX (4u << 20)
#define HELD_MAX (64u << 20)

struct sessions {
    struct pool pool; /* of all that is kept of flows and sessions */
    struct sessions_config config;
    struct smtpscope_follow *follow;
    struct detect *detect;
    struct candidates *candidates; /* NULL: only the watched ports count */
    struct {
        struct sessions *sessions;
        struct output *output;
    } formats[SESSIONS_FORMATS];
    const struct smtpscope_flow *flow; /* that a line is about */
};

/* The user of a session is its transcript, which only --sessions wants. Without memory for it, its line is missing, and counted. */
static void *sessions_opened(void *ctx, struct smtpscope_session *session)
{
    const struct sessions *sessions = ctx;
    struct transcript *transcript = sessions->config.options->sessions ? transcript_new() : NULL;

    (void)session;
    sessions->config.summary->overflowed += sessions->config.options->sessions && !transcript;
    return transcript;
}

static void sessions_unfollowed(void *ctx, const struct smtpscope_flow *flow)
{
    const struct sessions *sessions = ctx;

    (void)flow;
    sessions->config.summary->overflowed++;
}

static void sessions_closed(void *ctx, const struct smtpscope_session *session, const struct smtpscope_ending *ending)
{
    const struct sessions *sessions = ctx;

    if (sessions->config.evidence)
        evidence_feed_closed(sessions->config.evidence, sessions->config.hash_seed, smtpscope_session_flow(session),
                             ending->time);
    transcript_free(smtpscope_session_user(session));
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

static void sessions_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    struct sessions *sessions = ctx;
    struct transcript *transcript = smtpscope_session_user(session);

    sessions->flow = smtpscope_session_flow(session);
    summary_fact(sessions->config.summary, session, fact);
    if (sessions->config.reply_times)
        reply_times_fact(sessions->config.reply_times, session, fact);
    if (transcript)
        transcript_fact(transcript, fact);
    sessions_lines(sessions, transcript, fact);
}

static void sessions_finding(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding)
{
    const struct report_taker *taker = ((const struct sessions *)ctx)->config.taker;

    (void)session;
    taker->finding(taker->ctx, finding);
}

static void sessions_trace(void *ctx, const struct smtpscope_trace *trace)
{
    const struct report_taker *taker = ((const struct sessions *)ctx)->config.taker;

    taker->trace(taker->ctx, trace);
}

static int sessions_line(void *ctx, const struct output_line *line)
{
    struct sessions *sessions = *(struct sessions **)ctx;
    size_t format = ctx == &sessions->formats[0] ? 0 : 1;

    sessions->config.taker->line(sessions->config.taker->ctx, sessions->flow, format, line);
    return 0;
}

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

static void sessions_adopt(void *ctx, const struct smtpscope_segment *segment)
{
    smtpscope_follow_adopt(((struct sessions *)ctx)->follow, segment);
}

/* nDPI itself is made when it is first asked. */
static bool sessions_detect(struct sessions *sessions)
{
    bool elsewhere = sessions->config.options->detect;

    sessions->detect = detect_new();
    if (sessions->detect && elsewhere)
        sessions->candidates = candidates_new(&(struct candidates_config){
            .detect = sessions->detect, .hash_seed = sessions->config.hash_seed, .follow = sessions_adopt, .ctx = sessions});
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
    sessions->follow = smtpscope_follow_new(&(struct smtpscope_follow_config){.allocator = &sessions->pool.allocator,
                                                                              .ports = config->options->ports,
                                                                              .hash_seed = config->hash_seed,
                                                                              .max_flows = flows_max(config),
                                                                              .max_held = HELD_MAX / config->workers,
                                                                              .live = config->patience,
                                                                              .patience = config->patience,
                                                                              .opened = sessions_opened,
                                                                              .unfollowed = sessions_unfollowed,
                                                                              .fact = sessions_fact,
                                                                              .finding = sessions_finding,
                                                                              .trace = sessions_trace,
                                                                              .closed = sessions_closed,
                                                                              .name_protocol = sessions_name_protocol,
                                                                              .ctx = sessions});
    if (sessions->follow && sessions_formats(sessions) && sessions_detect(sessions))
        return sessions;
    sessions_free(sessions);
    return NULL;
}

void sessions_free(struct sessions *sessions)
{
    if (!sessions)
        return;
    smtpscope_follow_free(sessions->follow);
    for (size_t i = 0; i < SESSIONS_FORMATS; i++)
        output_free(sessions->formats[i].output);
    candidates_free(sessions->candidates);
    detect_free(sessions->detect);
    pool_fini(&sessions->pool);
    free(sessions);
}

void sessions_segment(struct sessions *sessions, const struct smtpscope_segment *segment)
{
    if (smtpscope_follow_segment(sessions->follow, segment) || !sessions->candidates)
        return;
    if (!candidates_segment(sessions->candidates, segment) && sessions->config.evidence)
        evidence_dropped(sessions->config.evidence, segment->hash, segment->packet);
    sessions->config.summary->undetected = candidates_evicted(sessions->candidates);
}

void sessions_expire(struct sessions *sessions, smtpscope_time now)
{
    smtpscope_follow_expire(sessions->follow, now);
}

void sessions_tell(struct sessions *sessions, smtpscope_time now)
{
    smtpscope_follow_tell(sessions->follow, now);
}

void sessions_clock_stepped(struct sessions *sessions, smtpscope_time delta)
{
    smtpscope_follow_clock_stepped(sessions->follow, delta);
}

void sessions_finish(struct sessions *sessions)
{
    smtpscope_follow_finish(sessions->follow);
}

void sessions_stats(const struct sessions *sessions, struct smtpscope_stream_stats *stats)
{
    smtpscope_follow_stats(sessions->follow, stats);
}

void sessions_detect_stats(const struct sessions *sessions, struct candidates_stats *stats)
{
    *stats = (struct candidates_stats){0};
    if (sessions->candidates)
        candidates_stats(sessions->candidates, stats);
}

bool sessions_are_many(const struct sessions *sessions)
{
    return follow_are_many(sessions->follow);
}

void sessions_prefetch(const struct sessions *sessions, uint64_t hash, unsigned step)
{
    follow_prefetch(sessions->follow, hash, step);
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
