/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/files/file_workers.h"

#include "app/handoff/report_merge.h"
#include "app/process/warn_user.h"
#include "app/sessions/batch_follower.h"
#include "base/gettext.h"

#include <signal.h>
#include <stdlib.h>

/* Batches that are read and that not all workers are through yet: more only takes memory and the processor's cache. */
#define BATCHES 8
/* A worker that reads takes so many batches in a row: the others find the next one there, rather than sleep while it is read. */
#define READ_AHEAD 4
/* A worker hands its reports on after so many batches, or when they are so large: waking a thread costs more than a finding. */
#define BATCHES_A_REPORT 16
#define REPORT_OCTETS ((size_t)64 * 1024)
/* Parcels of a worker under way: the next ones wait, and so does the worker, until what it said is written. */
#define REPORTS_UNDER_WAY 16

struct file_worker {
    struct file_workers *workers;
    pthread_t thread;
    bool started;
    struct report_queue queue;
    struct report_batch *reports; /* being filled */
    uint64_t batch;               /* being worked on; under the workers' lock, as the next */
    uint64_t waits;               /* it waits for the others to come as far as this packet; 0: it does not */
    unsigned held;                /* batches since a batch of reports was sent */
    struct report_key now;
    struct report_packer packer;
    struct report_taker taker;
    struct totals totals;
    struct batch_follower follower;
};

struct file_workers {
    const struct file_workers_config *config;
    pthread_mutex_t lock;
    pthread_cond_t read, said; /* of batches, by workers; of queues */
    struct batch_decoded batches[BATCHES];
    uint64_t room;       /* batches in use: one worker reads what it follows next, and one stays in the processor's cache */
    uint64_t filled;     /* batches that were read */
    bool reading, ended; /* a worker reads now; there is no more to read */
    bool given_up;       /* nobody wants more, or not all workers could be started */
    struct file_worker items[WORKERS_MAX];
    struct report_merge merge;
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

/* Batches that no worker needs any more. The caller holds the lock. */
static uint64_t file_workers_done(const struct file_workers *workers)
{
    uint64_t done = workers->filled;

    for (unsigned i = 0; i < workers->count; i++)
        done = workers->items[i].batch < done ? workers->items[i].batch : done;
    return done;
}

/* `until`: no later report is about an earlier packet. */
static void file_worker_send(struct file_worker *worker, uint64_t until)
{
    worker->held = 0;
    worker->reports->until = until;
    report_queue_send(&worker->queue, worker->reports, true);
    worker->reports = report_queue_batch(&worker->queue);
}

/*
 * The caller holds the lock. Waits until another worker has read a batch, or the slowest worker is done with one. That one may
 * be waiting for room in its queue, and the publisher for news of how far this worker is: so reports that are still held go out
 * before anything is waited for.
 */
static void file_workers_wait(struct file_workers *workers, struct file_worker *worker)
{
    if (!worker->held || workers->filled - file_workers_done(workers) < workers->room) {
        pthread_cond_wait(&workers->read, &workers->lock);
        return;
    }
    pthread_mutex_unlock(&workers->lock);
    file_worker_send(worker, worker->now.packet + 1);
    pthread_mutex_lock(&workers->lock);
}

/* The caller holds the lock, which is let go meanwhile. */
static void file_workers_read(struct file_workers *workers)
{
    struct batch_decoded *batch = &workers->batches[workers->filled % workers->room];
    bool more;

    workers->reading = true;
    pthread_mutex_unlock(&workers->lock);
    ends_mask(SIG_UNBLOCK);
    more = file_reader_fill(workers->config->reader, batch);
    ends_mask(SIG_BLOCK);
    pthread_mutex_lock(&workers->lock);
    workers->reading = false;
    workers->filled += more;
    workers->ended |= !more;
    pthread_cond_broadcast(&workers->read);
}

static bool file_workers_wait_for_others(const struct file_workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++)
        if (workers->items[i].waits)
            return true;
    return false;
}

/* The worker's next batch, read by the first worker that needs it; NULL when there are no more. */
static const struct batch_decoded *file_workers_batch(struct file_workers *workers, struct file_worker *worker, uint64_t number)
{
    uint64_t wanted = number + 1;
    bool more;

    pthread_mutex_lock(&workers->lock);
    worker->batch = number;
    /* Others may have waited for the one before, to read another one or in file_worker_await_others(). */
    if (workers->filled - file_workers_done(workers) == workers->room - 1 || file_workers_wait_for_others(workers))
        pthread_cond_broadcast(&workers->read);
    while (workers->filled < wanted && !workers->ended) {
        if (!workers->reading && workers->filled - file_workers_done(workers) < workers->room) {
            file_workers_read(workers);
            if (!workers->config->at_once)
                wanted = number + READ_AHEAD;
        } else if (workers->filled > number) {
            break;
        } else {
            file_workers_wait(workers, worker);
        }
    }
    more = workers->filled > number;
    pthread_mutex_unlock(&workers->lock);
    return more ? &workers->batches[number % workers->room] : NULL;
}

/* Are all others past the packet that this worker is at? The caller holds the lock. */
static bool file_worker_is_last(const struct file_worker *worker)
{
    const struct file_workers *workers = worker->workers;

    for (unsigned i = 0; i < workers->count && !workers->given_up; i++) {
        const struct file_worker *other = &workers->items[i];

        if (other != worker && other->batch <= worker->batch && other->waits < worker->waits)
            return false;
    }
    return true;
}

/*
 * Returns when all others have followed what comes before this worker's packet. The one of them that is furthest behind waits for
 * nobody; and what this one has said is under way, for the publisher may want it before it takes what the others say.
 */
static void file_worker_await_others(void *ctx)
{
    struct file_worker *worker = ctx;
    struct file_workers *workers = worker->workers;

    if (worker->now.packet == UINT64_MAX)
        return;
    file_worker_send(worker, worker->now.packet);
    pthread_mutex_lock(&workers->lock);
    worker->waits = worker->now.packet;
    pthread_cond_broadcast(&workers->read);
    while (!file_worker_is_last(worker))
        pthread_cond_wait(&workers->read, &workers->lock);
    worker->waits = 0;
    pthread_mutex_unlock(&workers->lock);
}

/* The buffer that the next report goes into. */
static struct report_buffer *file_worker_buffer(void *ctx)
{
    struct file_worker *worker = ctx;

    if (worker->reports->buffer.octets.len >= REPORT_BATCH_OCTETS)
        file_worker_send(worker, worker->now.packet);
    worker->reports->buffer.now = worker->now;
    return &worker->reports->buffer;
}

/* Behind the last packet of the batch. */
static void file_worker_batch_end(struct file_worker *worker)
{
    uint64_t until = worker->now.packet + 1;

    if (++worker->held == BATCHES_A_REPORT || worker->reports->buffer.octets.len >= REPORT_OCTETS ||
        worker->workers->config->at_once)
        file_worker_send(worker, until);
}

static void *file_worker_run(void *ctx)
{
    struct file_worker *worker = ctx;
    const struct batch_decoded *batch;

    for (uint64_t number = 0; (batch = file_workers_batch(worker->workers, worker, number)); number++) {
        batch_follower_run(&worker->follower, batch);
        file_worker_batch_end(worker);
    }
    worker->now = (struct report_key){.packet = UINT64_MAX};
    sessions_finish(worker->follower.sessions);
    file_worker_send(worker, UINT64_MAX);
    report_queue_end(&worker->queue);
    return NULL;
}

/* --- the caller's thread */

/* Publishes until the workers are done, or nobody wants more. */
static void file_workers_publish(struct file_workers *workers)
{
    ends_mask(SIG_UNBLOCK);
    while (!workers->config->stopped(workers->config->ctx)) {
        if (report_merge_publish(&workers->merge, workers->config->taker)) {
            workers->config->published(workers->config->ctx);
            continue;
        }
        if (report_merge_is_done(&workers->merge))
            break;
        ends_mask(SIG_BLOCK);
        report_merge_wait(&workers->merge, NULL);
        ends_mask(SIG_UNBLOCK);
    }
    ends_mask(SIG_BLOCK);
}

/*
 * For the workers that have not ended yet: nothing more is read, and none waits for room in a queue or for a batch. Batches stay as
 * they are, for workers still look through them.
 */
static void file_workers_end(struct file_workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->ended = workers->given_up = true;
    pthread_cond_broadcast(&workers->read);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->count; i++)
        report_queue_end(&workers->items[i].queue);
}

static bool file_worker_init(struct file_worker *worker, struct file_workers *workers, unsigned index)
{
    struct sessions_config sessions = workers->config->sessions;

    worker->workers = workers;
    report_queue_init(&worker->queue, &workers->lock, &workers->said);
    worker->queue.length = REPORTS_UNDER_WAY;
    report_merge_add(&workers->merge, &worker->queue);
    worker->reports = report_queue_batch(&worker->queue);
    worker->packer = (struct report_packer){.buffer = file_worker_buffer, .ctx = worker};
    worker->taker = report_packer_taker(&worker->packer);
    sessions.taker = &worker->taker;
    sessions.totals = &worker->totals;
    sessions.workers = workers->count;
    if (workers->count > 1) {
        sessions.earlier = file_worker_await_others;
        sessions.earlier_ctx = worker;
    }
    worker->follower = (struct batch_follower){.sessions = sessions_new(&sessions), .now = &worker->now, .index = index};
    return worker->follower.sessions != NULL;
}

static void file_worker_fini(struct file_worker *worker)
{
    sessions_free(worker->follower.sessions);
    report_queue_fini(&worker->queue);
}

static bool file_workers_init(struct file_workers *workers, const struct file_workers_config *config)
{
    bool right = true;

    workers->config = config;
    workers->count = config->workers;
    workers->room = workers->count > 1 ? BATCHES : 1;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->read, NULL);
    pthread_cond_init(&workers->said, NULL);
    workers->merge.exact = true;
    for (size_t i = 0; i < workers->room; i++)
        right &= batch_decoded_init(&workers->batches[i]);
    for (unsigned i = 0; i < workers->count; i++)
        right &= file_worker_init(&workers->items[i], workers, i);
    return right;
}

static void file_workers_fini(struct file_workers *workers)
{
    report_merge_fini(&workers->merge);
    for (unsigned i = 0; i < workers->count; i++)
        file_worker_fini(&workers->items[i]);
    for (size_t i = 0; i < workers->room; i++)
        batch_decoded_fini(&workers->batches[i]);
    pthread_cond_destroy(&workers->read);
    pthread_cond_destroy(&workers->said);
    pthread_mutex_destroy(&workers->lock);
}

static bool file_workers_start(struct file_workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++) {
        struct file_worker *worker = &workers->items[i];

        worker->started = !pthread_create(&worker->thread, NULL, file_worker_run, worker);
        if (!worker->started)
            return false;
    }
    return true;
}

static void file_workers_join(struct file_workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++) {
        struct file_worker *worker = &workers->items[i];

        if (!worker->started)
            continue;
        pthread_join(worker->thread, NULL);
        sessions_count(worker->follower.sessions);
        worker->totals.summary.overflowed += worker->queue.lost;
        totals_add(workers->config->totals, &worker->totals);
    }
}

bool file_workers_run(const struct file_workers_config *config)
{
    struct file_workers *workers = calloc(1, sizeof *workers);
    bool right;

    ends_mask(SIG_BLOCK);
    right = workers && file_workers_init(workers, config) && file_workers_start(workers);
    if (right)
        file_workers_publish(workers);
    else
        warn_user(ngettext("no memory or no thread for %u worker: allow more",
                           "no memory or no threads for %u workers: allow more, or try fewer (--workers)", config->workers),
                  config->workers);
    if (workers) {
        file_workers_end(workers);
        file_workers_join(workers);
        file_workers_fini(workers);
    }
    free(workers);
    ends_mask(SIG_UNBLOCK);
    return right;
}
