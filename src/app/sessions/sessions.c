/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/sessions/sessions.h"

#include "app/handoff/evidence_feed.h"
#include "base/pool.h"
#include "detect/candidates.h"
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
    bool by_envelope;              /* sessions are chosen by --from or --to */
    bool chosen;                   /* the session that told the last fact is */
};

/* What hangs on a session: what its records are made of, where these are wanted. Without memory for it they are missing, and counted. */
struct session_records {
    bool sender, recipient;        /* an envelope named one that was asked for */
    struct transcript *transcript; /* NULL: not wanted */
    struct deliveries *deliveries; /* NULL: not wanted */
};

static void records_free(struct session_records *records)
{
    if (!records)
        return;
    transcript_free(records->transcript);
    deliveries_free(records->deliveries);
    free(records);
}

static struct session_records *records_new(const struct sessions_config *config)
{
    struct session_records *records = calloc(1, sizeof *records);

    if (!records)
        return NULL;
    records->transcript = config->sessions ? transcript_new() : NULL;
    records->deliveries = config->messages ? deliveries_new() : NULL;
    if ((records->transcript || !config->sessions) && (records->deliveries || !config->messages))
        return records;
    records_free(records);
    return NULL;
}

static void *sessions_opened(void *ctx, struct smtpscope_session *session)
{
    const struct sessions *sessions = ctx;
    const struct sessions_config *config = &sessions->config;
    bool wanted = config->sessions || config->messages || sessions->by_envelope;
    struct session_records *records = wanted ? records_new(config) : NULL;

    (void)session;
    config->totals->summary.overflowed += !records && wanted;
    return records;
}

static void sessions_unfollowed(void *ctx, const struct smtpscope_flow *flow)
{
    const struct sessions *sessions = ctx;

    (void)flow;
    sessions->config.totals->summary.overflowed++;
}

static void sessions_closed(void *ctx, const struct smtpscope_session *session, const struct smtpscope_ending *ending)
{
    const struct sessions *sessions = ctx;

    if (sessions->config.evidence)
        evidence_feed_closed(sessions->config.evidence, sessions->config.hash_seed, smtpscope_session_flow(session),
                             ending->time);
    records_free(smtpscope_session_user(session));
}

/* A command that was seen: does its path make the session one that is asked for? */
static void records_command(struct session_records *records, const struct selection *selection,
                            const struct smtpscope_command *command)
{
    if (command->verb == SMTPSCOPE_VERB_MAIL)
        records->sender |= selection_sender(selection, command->path);
    else if (command->verb == SMTPSCOPE_VERB_RCPT)
        records->recipient |= selection_recipient(selection, command->path);
}

static void records_envelope(struct session_records *records, const struct selection *selection,
                             const struct smtpscope_fact *fact)
{
    if (fact->type == SMTPSCOPE_FACT_EXCHANGE)
        records_command(records, selection, fact->exchange->command);
    else if (fact->type == SMTPSCOPE_FACT_COMMAND || fact->type == SMTPSCOPE_FACT_UNANSWERED)
        records_command(records, selection, fact->command);
}

static bool records_chosen(const struct session_records *records, const struct selection *selection)
{
    return records && (records->sender || !*selection->from) && (records->recipient || !*selection->to);
}

/* A record on its way to the taker. */
struct telling {
    const struct selection *selection;
    bool chosen;
    const struct report_taker *taker;
    const struct smtpscope_flow *flow;
};

static void tell_delivery(void *ctx, const struct delivery *delivery)
{
    const struct telling *telling = ctx;

    if (selection_delivery(telling->selection, telling->flow, delivery))
        telling->taker->message(telling->taker->ctx, telling->flow, delivery);
}

/* What is told of the session itself comes before its findings, which name its exchanges. */
static void records_fact(struct session_records *records, struct telling *telling, const struct smtpscope_fact *fact)
{
    if (records->deliveries)
        deliveries_fact(records->deliveries, fact, tell_delivery, telling);
    if (!records->transcript)
        return;
    transcript_fact(records->transcript, fact);
    if (fact->type == SMTPSCOPE_FACT_END && telling->chosen)
        telling->taker->session(telling->taker->ctx, telling->flow, records->transcript);
}

static void sessions_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    struct sessions *sessions = ctx;
    const struct selection *selection = &sessions->config.selection;
    struct session_records *records = smtpscope_session_user(session);
    struct telling telling = {
        .selection = selection, .chosen = true, .taker = sessions->config.taker, .flow = smtpscope_session_flow(session)};

    summary_fact(&sessions->config.totals->summary, session, fact);
    if (sessions->config.time_replies)
        reply_times_fact(&sessions->config.totals->reply_times, session, fact);
    if (sessions->by_envelope && records)
        records_envelope(records, selection, fact);
    if (sessions->by_envelope)
        sessions->chosen = telling.chosen = records_chosen(records, selection);
    if (records)
        records_fact(records, &telling, fact);
}

static void sessions_finding(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding)
{
    const struct sessions *sessions = ctx;
    const struct report_taker *taker = sessions->config.taker;

    if (!sessions->by_envelope || records_chosen(smtpscope_session_user(session), &sessions->config.selection))
        taker->finding(taker->ctx, finding);
}

static void sessions_trace(void *ctx, const struct smtpscope_trace *trace)
{
    const struct sessions *sessions = ctx;
    const struct report_taker *taker = sessions->config.taker;

    /* That of a fact comes right behind it; a connection without a word has no envelope. */
    if (!sessions->by_envelope || (sessions->chosen && trace->kind != SMTPSCOPE_TRACE_ATTEMPT))
        taker->trace(taker->ctx, trace);
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

static void sessions_earlier(void *ctx)
{
    const struct sessions_config *config = &((const struct sessions *)ctx)->config;

    config->earlier(config->earlier_ctx);
}

/* nDPI itself is made when it is first asked. */
static bool sessions_detect(struct sessions *sessions)
{
    bool elsewhere = sessions->config.detect;

    sessions->detect = detect_new();
    if (sessions->detect && elsewhere)
        sessions->candidates = candidates_new(&(struct candidates_config){
            .detect = sessions->detect, .hash_seed = sessions->config.hash_seed, .follow = sessions_adopt, .ctx = sessions});
    return sessions->detect && (sessions->candidates || !elsewhere);
}

/* --max-sessions is for all workers; each follows one at least. */
static size_t flows_max(const struct sessions_config *config)
{
    size_t all = config->max_sessions ? config->max_sessions : FLOWS_MAX;

    return all > config->workers ? all / config->workers : 1;
}

struct sessions *sessions_new(const struct sessions_config *config)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);

    if (!sessions)
        return NULL;
    pool_init(&sessions->pool);
    sessions->config = *config;
    sessions->by_envelope = selection_has_envelope(&config->selection);
    sessions->follow =
        smtpscope_follow_new(&(struct smtpscope_follow_config){.allocator = &sessions->pool.allocator,
                                                               .ports = config->ports,
                                                               .hash_seed = config->hash_seed,
                                                               .max_flows = flows_max(config),
                                                               .max_held = HELD_MAX / config->workers,
                                                               .keys = config->keys,
                                                               .key_patience = config->key_patience,
                                                               .no_inference = config->no_inference,
                                                               .earlier = config->earlier ? sessions_earlier : NULL,
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
    if (sessions->follow && sessions_detect(sessions))
        return sessions;
    sessions_free(sessions);
    return NULL;
}

void sessions_free(struct sessions *sessions)
{
    if (!sessions)
        return;
    smtpscope_follow_free(sessions->follow);
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
    sessions->config.totals->summary.undetected = candidates_evicted(sessions->candidates);
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

void sessions_count(const struct sessions *sessions)
{
    struct totals *totals = sessions->config.totals;

    smtpscope_follow_stats(sessions->follow, &totals->streams);
    if (sessions->candidates)
        candidates_stats(sessions->candidates, &totals->detect);
}

bool sessions_are_many(const struct sessions *sessions)
{
    return follow_are_many(sessions->follow);
}

void sessions_prefetch(const struct sessions *sessions, uint64_t hash, unsigned step)
{
    follow_prefetch(sessions->follow, hash, step);
}
