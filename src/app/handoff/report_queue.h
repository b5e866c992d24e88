/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way from one worker to the thread that publishes: a bounded queue of batches of reports. The batches circulate: one that
 * was read comes back empty, with its memory. A worker that finds the queue full waits (files), or, where it must not wait
 * (live), drops the batch and counts its reports as lost.
 */
#ifndef APP_HANDOFF_REPORT_QUEUE_H
#define APP_HANDOFF_REPORT_QUEUE_H

#include "app/handoff/report_buffer.h"

#include <pthread.h>

/* Outboxes under way: enough to bridge a reader that is late, little enough to stay small. */
#define REPORT_QUEUE_LENGTH 64
/* A batch is sent when it holds so much: a session's findings are a few kilooctets. */
#define REPORT_BATCH_OCTETS ((size_t)256 * 1024)

struct report_batch {
    struct report_buffer buffer;
    uint64_t until; /* no later batch of this queue has a report about an earlier packet */
};

/* Under way, and one with each side: so the worker always finds one. */
#define REPORT_QUEUE_BATCHES (REPORT_QUEUE_LENGTH + 2)

struct report_queue {
    pthread_mutex_t *lock; /* of all queues */
    pthread_cond_t *changed;
    struct report_batch batches[REPORT_QUEUE_BATCHES];
    struct report_batch *under_way[REPORT_QUEUE_LENGTH];
    size_t first, count, length; /* under way at most: REPORT_QUEUE_LENGTH, or fewer */
    struct report_batch *spare[REPORT_QUEUE_BATCHES];
    size_t spare_count;
    size_t warm, warm_max; /* so many of the spare ones keep their memory, up to warm_max: fewer in a run of months */
    bool ended;            /* the reader or the worker has gone */
    uint64_t news;         /* batches of reports sent, and the end */
    uint64_t until;        /* of the last batch sent, be it lost */
    uint64_t lost;         /* reports that could not be sent or made */
};

/* How far a queue's worker is. */
struct report_queue_progress {
    uint64_t news, until;
    bool ended;
    bool crowded; /* half full: a reader that waits for something else should wait no longer */
};

/* The lock and the condition are shared by all queues of one reader, and outlive them. The queue must not move. */
void report_queue_init(struct report_queue *queue, pthread_mutex_t *lock, pthread_cond_t *changed);
/* Frees what all batches of reports hold, wherever they are. */
void report_queue_fini(struct report_queue *queue);

/* An empty batch to fill: the worker has one at a time, the reader too. */
struct report_batch *report_queue_batch(struct report_queue *queue);
/* Sends it; waits for room when `wait` is set and the reader is there. What cannot be sent is lost, and counted. */
void report_queue_send(struct report_queue *queue, struct report_batch *batch, bool wait);
/* One more would not be lost, should the reader take nothing for a while. */
bool report_queue_has_room(struct report_queue *queue);
/* The next batch; NULL: none has come. Give it back with report_queue_return(). */
struct report_batch *report_queue_receive(struct report_queue *queue);
void report_queue_return(struct report_queue *queue, struct report_batch *batch);
struct report_queue_progress report_queue_progress(struct report_queue *queue);
/* Nothing is under way, and nothing will come. */
bool report_queue_is_done(struct report_queue *queue);
/* No more will be sent, or read: no thread waits any longer. */
void report_queue_end(struct report_queue *queue);

#endif
