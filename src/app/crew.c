/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/crew.h"

#include "app/complain.h"
#include "app/lane.h"
#include "app/words.h"
#include "app/worker.h"

#include <signal.h>
#include <stdlib.h>

/* Rounds that are read and not merged yet: more only takes memory and the processor's cache. */
#define ROUNDS 8

struct member {
    struct crew *crew;
    pthread_t thread;
    bool started;
    struct lane lane;
    struct parcel *parcel; /* being filled */
    uint64_t round;        /* being worked on */
    struct outbox_key now;
    struct report report;
    struct summary summary;
    struct worker worker;
};

struct crew {
    const struct crew_config *config;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct round rounds[ROUNDS];
    uint64_t filled, merged; /* rounds that were read, and that nobody needs any more */
    bool reading, ended;     /* a worker reads now; there is no more to read */
    struct member members[WORKERS_MAX];
    unsigned count;
};

/*
 * The signals that ask for an end go to a thread that may be blocked for long, and that nothing else would wake: to the worker
 * that reads, or to the caller's thread where an output is not read. The others have them blocked.
 */
static void ends_mask(int how)
{
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(how, &ends, NULL);
}

/* --- a worker's thread */

/* The round with this number, read by whoever comes first; NULL when there are no more. */
static const struct round *crew_round(struct crew *crew, uint64_t number)
{
    struct round *round = &crew->rounds[number % ROUNDS];
    bool more;

    pthread_mutex_lock(&crew->lock);
    while (crew->filled <= number && !crew->ended) {
        if (crew->reading || crew->filled - crew->merged == ROUNDS) {
            pthread_cond_wait(&crew->changed, &crew->lock);
            continue;
        }
        crew->reading = true;
        pthread_mutex_unlock(&crew->lock);
        ends_mask(SIG_UNBLOCK);
        more = intake_fill(crew->config->intake, round);
        ends_mask(SIG_BLOCK);
        pthread_mutex_lock(&crew->lock);
        crew->reading = false;
        crew->filled += more;
        crew->ended |= !more;
        pthread_cond_broadcast(&crew->changed);
    }
    more = crew->filled > number;
    pthread_mutex_unlock(&crew->lock);
    return more ? round : NULL;
}

static void member_send(struct member *member, bool last)
{
    member->parcel->last = last;
    lane_send(&member->lane, member->parcel, true);
    member->parcel = lane_parcel(&member->lane);
}

/* The outbox that the next report goes into. */
static struct outbox *member_outbox(struct member *member)
{
    if (member->parcel->outbox.octets.len >= LANE_OUTBOX_SIZE)
        member_send(member, false);
    member->parcel->outbox.now = member->now;
    return &member->parcel->outbox;
}

static void member_finding(void *ctx, const struct smtpscope_finding *finding)
{
    outbox_finding(member_outbox(ctx), finding);
}

static void member_trace(void *ctx, const struct trace *trace)
{
    outbox_trace(member_outbox(ctx), trace);
}

static void member_line(void *ctx, const struct smtpscope_flow *flow, size_t format, const struct output_line *line)
{
    outbox_line(member_outbox(ctx), flow, format, line);
}

/* Even a round in which nothing was said has an end. */
static void member_round_end(struct member *member)
{
    member_send(member, true);
    member->round++;
}

static void *member_run(void *ctx)
{
    struct member *member = ctx;

    for (const struct round *round; (round = crew_round(member->crew, member->round)); member_round_end(member))
        worker_round(&member->worker, round);
    member->now = (struct outbox_key){.packet = UINT64_MAX};
    sessions_finish(member->worker.sessions);
    member_round_end(member);
    lane_end(&member->lane);
    return NULL;
}

/* --- the caller's thread */

/* The worker's next parcel. */
static struct parcel *crew_receive(struct lane *lane)
{
    struct parcel *parcel = lane_receive(lane, false);

    if (parcel)
        return parcel;
    ends_mask(SIG_BLOCK);
    parcel = lane_receive(lane, true);
    ends_mask(SIG_UNBLOCK);
    return parcel;
}

/* Where the merge stands in one worker's parcels of a round. */
struct cursor {
    struct lane *lane;
    struct parcel *parcel; /* NULL: the worker has said all of the round */
    size_t at;
};

static const struct outbox_record *cursor_record(struct cursor *cursor)
{
    while (cursor->parcel) {
        const struct outbox_record *record = outbox_at(&cursor->parcel->outbox, cursor->at);
        bool last = cursor->parcel->last;

        if (record)
            return record;
        lane_return(cursor->lane, cursor->parcel);
        cursor->parcel = last ? NULL : crew_receive(cursor->lane);
        cursor->at = 0;
    }
    return NULL;
}

/* The worker whose record is the next; NULL when all have said all. */
static struct cursor *cursor_next(struct cursor *cursors, unsigned count)
{
    struct cursor *best = NULL;
    const struct outbox_record *first = NULL;

    for (unsigned i = 0; i < count; i++) {
        const struct outbox_record *record = cursor_record(&cursors[i]);

        if (record && (!first || outbox_key_compare(&record->key, &first->key) < 0)) {
            first = record;
            best = &cursors[i];
        }
    }
    return best;
}

/* One round of all workers. false: there are no more. */
static bool crew_merge(struct crew *crew)
{
    struct cursor cursors[WORKERS_MAX];
    bool any = false;

    for (unsigned i = 0; i < crew->count; i++) {
        struct lane *lane = &crew->members[i].lane;

        cursors[i] = (struct cursor){.lane = lane, .parcel = crew_receive(lane)};
        any |= cursors[i].parcel != NULL;
    }
    for (struct cursor *cursor; (cursor = cursor_next(cursors, crew->count));) {
        const struct outbox_record *record = cursor_record(cursor);

        outbox_say(record, crew->config->report);
        cursor->at += record->size;
    }
    pthread_mutex_lock(&crew->lock);
    crew->merged++;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    return any;
}

/* Merges until the workers are done, or nobody wants more. */
static void crew_publish(struct crew *crew)
{
    ends_mask(SIG_UNBLOCK);
    while (crew_merge(crew)) {
        crew->config->published(crew->config->ctx);
        if (crew->config->stopped(crew->config->ctx))
            break;
    }
    ends_mask(SIG_BLOCK);
}

/*
 * Whoever has not ended yet: nothing more is read, and nobody waits for room in a lane or for a round. Rounds that were not
 * merged stay as they are, for workers still look through them.
 */
static void crew_end(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->ended = true;
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->count; i++)
        lane_end(&crew->members[i].lane);
}

static bool member_init(struct member *member, struct crew *crew, unsigned index)
{
    struct sessions_config sessions = crew->config->sessions;

    member->crew = crew;
    lane_init(&member->lane, &crew->lock, &crew->changed);
    member->parcel = lane_parcel(&member->lane);
    member->report = (struct report){.finding = member_finding, .trace = member_trace, .line = member_line, .ctx = member};
    sessions.report = &member->report;
    sessions.summary = &member->summary;
    sessions.workers = crew->count;
    member->worker = (struct worker){.sessions = sessions_new(&sessions), .now = &member->now, .index = index};
    return member->worker.sessions != NULL;
}

static void member_fini(struct member *member)
{
    sessions_free(member->worker.sessions);
    lane_fini(&member->lane);
}

static bool crew_init(struct crew *crew, const struct crew_config *config)
{
    bool right = true;

    crew->config = config;
    crew->count = config->workers;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);
    for (size_t i = 0; i < ROUNDS; i++)
        right &= round_init(&crew->rounds[i]);
    for (unsigned i = 0; i < crew->count; i++)
        right &= member_init(&crew->members[i], crew, i);
    return right;
}

static void crew_fini(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++)
        member_fini(&crew->members[i]);
    for (size_t i = 0; i < ROUNDS; i++)
        round_fini(&crew->rounds[i]);
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
}

static bool crew_start(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++) {
        struct member *member = &crew->members[i];

        member->started = !pthread_create(&member->thread, NULL, member_run, member);
        if (!member->started)
            return false;
    }
    return true;
}

static void crew_join(struct crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++) {
        struct member *member = &crew->members[i];
        struct smtpscope_stream_stats stats;

        if (!member->started)
            continue;
        pthread_join(member->thread, NULL);
        sessions_stats(member->worker.sessions, &stats);
        stream_stats_add(crew->config->stats, &stats);
        summary_add(crew->config->summary, &member->summary);
        crew->config->summary->overflowed += member->lane.lost;
    }
}

bool crew_run(const struct crew_config *config)
{
    struct crew *crew = calloc(1, sizeof *crew);
    bool right;

    ends_mask(SIG_BLOCK);
    right = crew && crew_init(crew, config) && crew_start(crew);
    if (right)
        crew_publish(crew);
    else
        complain(_("no memory or no threads for %u workers: try --workers 1"), config->workers);
    if (crew) {
        crew_end(crew);
        crew_join(crew);
        crew_fini(crew);
    }
    free(crew);
    ends_mask(SIG_UNBLOCK);
    return right;
}
