/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/files/file_workers.h"

#include "app/handoff/report_merge.h"
#include "app/process/warn_user.h"
#include "app/sessions/worker.h"
#include "base/gettext.h"

#include <signal.h>
#include <stdlib.h>

/* Rounds that are read and that not all workers are through yet: more only takes memory and the processor's cache. */
#define ROUNDS 8
/* Who reads a round reads so many in a row: the others find the next one there, rather than sleep while it is read. */
#define READ_AHEAD 4
/* A worker hands on what it has to say after so many rounds, or when it is so much: waking a thread costs more than a finding. */
#define ROUNDS_A_PARCEL 16
#define PARCEL_OCTETS ((size_t)64 * 1024)
/* Parcels of a worker under way: the next ones wait, and so does the worker, until what it said is written. */
#define PARCELS 16

struct member {
    struct crew *crew;
    pthread_t thread;
    bool started;
    struct lane lane;
    struct parcel *parcel; /* being filled */
    uint64_t round;        /* being worked on; under the crew's lock */
    unsigned held;         /* rounds since a parcel was sent */
    struct outbox_key now;
    struct report report;
    struct summary summary;
    struct worker worker;
};

struct crew {
    const struct crew_config *config;
    pthread_mutex_t lock;
    pthread_cond_t read, said; /* of rounds, by workers; of lanes */
    struct round rounds[ROUNDS];
    uint64_t room;       /* rounds in use: one worker reads what it follows next, and one stays in the processor's cache */
    uint64_t filled;     /* rounds that were read */
    bool reading, ended; /* a worker reads now; there is no more to read */
    struct member members[WORKERS_MAX];
    struct merge merge;
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

/* Rounds that no worker needs any more. The caller holds the lock. */
static uint64_t crew_done(const struct crew *crew)
{
    uint64_t done = crew->filled;

    for (unsigned i = 0; i < crew->count; i++)
        done = crew->members[i].round < done ? crew->members[i].round : done;
    return done;
}

/* `until`: no later record is about an earlier packet. */
static void member_send(struct member *member, uint64_t until)
{
    member->held = 0;
    member->parcel->until = until;
    lane_send(&member->lane, member->parcel, true);
    member->parcel = lane_parcel(&member->lane);
}

/*
 * The caller holds the lock. A round will be read by another worker, or when the slowest is through one more. That one may wait
 * for room in its lane, and the publisher for word of how far this worker is: nobody waits here with that still unsaid.
 */
static void crew_wait(struct crew *crew, struct member *member)
{
    if (!member->held || crew->filled - crew_done(crew) < crew->room) {
        pthread_cond_wait(&crew->read, &crew->lock);
        return;
    }
    pthread_mutex_unlock(&crew->lock);
    member_send(member, member->now.packet + 1);
    pthread_mutex_lock(&crew->lock);
}

/* The caller holds the lock, which is let go meanwhile. */
static void crew_read(struct crew *crew)
{
    struct round *round = &crew->rounds[crew->filled % crew->room];
    bool more;

    crew->reading = true;
    pthread_mutex_unlock(&crew->lock);
    ends_mask(SIG_UNBLOCK);
    more = intake_fill(crew->config->intake, round);
    ends_mask(SIG_BLOCK);
    pthread_mutex_lock(&crew->lock);
    crew->reading = false;
    crew->filled += more;
    crew->ended |= !more;
    pthread_cond_broadcast(&crew->read);
}

/* The member's next round, read by whoever comes first; NULL when there are no more. */
static const struct round *crew_round(struct crew *crew, struct member *member, uint64_t number)
{
    uint64_t wanted = number + 1;
    bool more;

    pthread_mutex_lock(&crew->lock);
    member->round = number;
    if (crew->filled - crew_done(crew) == crew->room - 1) /* others may have waited for the one before */
        pthread_cond_broadcast(&crew->read);
    while (crew->filled < wanted && !crew->ended) {
        if (!crew->reading && crew->filled - crew_done(crew) < crew->room) {
            crew_read(crew);
            if (!crew->config->at_once)
                wanted = number + READ_AHEAD;
        } else if (crew->filled > number) {
            break;
        } else {
            crew_wait(crew, member);
        }
    }
    more = crew->filled > number;
    pthread_mutex_unlock(&crew->lock);
    return more ? &crew->rounds[number % crew->room] : NULL;
}

/* The outbox that the next report goes into. */
static struct outbox *member_outbox(struct member *member)
{
    if (member->parcel->outbox.octets.len >= LANE_OUTBOX_SIZE)
        member_send(member, member->now.packet);
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

/* Behind the last packet of the round. */
static void member_round_end(struct member *member)
{
    uint64_t until = member->now.packet + 1;

    if (++member->held == ROUNDS_A_PARCEL || member->parcel->outbox.octets.len >= PARCEL_OCTETS ||
        member->crew->config->at_once)
        member_send(member, until);
}

static void *member_run(void *ctx)
{
    struct member *member = ctx;
    const struct round *round;

    for (uint64_t number = 0; (round = crew_round(member->crew, member, number)); number++) {
        worker_round(&member->worker, round);
        member_round_end(member);
    }
    member->now = (struct outbox_key){.packet = UINT64_MAX};
    sessions_finish(member->worker.sessions);
    member_send(member, UINT64_MAX);
    lane_end(&member->lane);
    return NULL;
}

/* --- the caller's thread */

/* Publishes until the workers are done, or nobody wants more. */
static void crew_publish(struct crew *crew)
{
    ends_mask(SIG_UNBLOCK);
    while (!crew->config->stopped(crew->config->ctx)) {
        if (merge_publish(&crew->merge, crew->config->report)) {
            crew->config->published(crew->config->ctx);
            continue;
        }
        if (merge_is_done(&crew->merge))
            break;
        ends_mask(SIG_BLOCK);
        merge_wait(&crew->merge, NULL);
        ends_mask(SIG_UNBLOCK);
    }
    ends_mask(SIG_BLOCK);
}

/*
 * Whoever has not ended yet: nothing more is read, and nobody waits for room in a lane or for a round. Rounds stay as
 * they are, for workers still look through them.
 */
static void crew_end(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->ended = true;
    pthread_cond_broadcast(&crew->read);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->count; i++)
        lane_end(&crew->members[i].lane);
}

static bool member_init(struct member *member, struct crew *crew, unsigned index)
{
    struct sessions_config sessions = crew->config->sessions;

    member->crew = crew;
    lane_init(&member->lane, &crew->lock, &crew->said);
    member->lane.length = PARCELS;
    merge_add(&crew->merge, &member->lane);
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
    crew->room = crew->count > 1 ? ROUNDS : 1;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->read, NULL);
    pthread_cond_init(&crew->said, NULL);
    crew->merge.exact = true;
    for (size_t i = 0; i < crew->room; i++)
        right &= round_init(&crew->rounds[i]);
    for (unsigned i = 0; i < crew->count; i++)
        right &= member_init(&crew->members[i], crew, i);
    return right;
}

static void crew_fini(struct crew *crew)
{
    merge_fini(&crew->merge);
    for (unsigned i = 0; i < crew->count; i++)
        member_fini(&crew->members[i]);
    for (size_t i = 0; i < crew->room; i++)
        round_fini(&crew->rounds[i]);
    pthread_cond_destroy(&crew->read);
    pthread_cond_destroy(&crew->said);
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
        struct candidates_stats detect;

        if (!member->started)
            continue;
        pthread_join(member->thread, NULL);
        sessions_stats(member->worker.sessions, &stats);
        stream_stats_add(crew->config->stats, &stats);
        sessions_detect_stats(member->worker.sessions, &detect);
        candidates_stats_add(crew->config->detect, &detect);
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
        complain(ngettext("no memory or no thread for %u worker: allow more",
                          "no memory or no threads for %u workers: allow more, or try fewer (--workers)", config->workers),
                 config->workers);
    if (crew) {
        crew_end(crew);
        crew_join(crew);
        crew_fini(crew);
    }
    free(crew);
    ends_mask(SIG_UNBLOCK);
    return right;
}
