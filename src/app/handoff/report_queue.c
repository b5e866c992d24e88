/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/report_queue.h"

#include <assert.h>

void report_queue_init(struct report_queue *queue, pthread_mutex_t *lock, pthread_cond_t *changed)
{
    *queue = (struct report_queue){.lock = lock,
                                   .changed = changed,
                                   .length = REPORT_QUEUE_LENGTH,
                                   .spare_count = REPORT_QUEUE_BATCHES,
                                   .warm_max = REPORT_QUEUE_BATCHES};
    for (size_t i = 0; i < REPORT_QUEUE_BATCHES; i++)
        queue->spare[i] = &queue->batches[i];
}

void report_queue_fini(struct report_queue *queue)
{
    for (size_t i = 0; i < REPORT_QUEUE_BATCHES; i++)
        report_buffer_fini(&queue->batches[i].buffer);
}

struct report_batch *report_queue_batch(struct report_queue *queue)
{
    struct report_batch *batch;

    pthread_mutex_lock(queue->lock);
    assert(queue->spare_count);
    batch = queue->spare[--queue->spare_count];
    queue->warm -= queue->warm > 0;
    pthread_mutex_unlock(queue->lock);
    return batch;
}

/* The caller holds the lock. A batch of reports without memory goes beneath those that have some. */
static void keep_spare(struct report_queue *queue, struct report_batch *batch)
{
    struct report_batch **place = &queue->spare[queue->spare_count++];

    report_buffer_clear(&batch->buffer);
    if (queue->warm < queue->warm_max) {
        queue->warm++;
    } else {
        struct report_batch **lowest = place - queue->warm;

        report_buffer_fini(&batch->buffer);
        *place = *lowest;
        place = lowest;
    }
    *place = batch;
}

void report_queue_send(struct report_queue *queue, struct report_batch *batch, bool wait)
{
    pthread_mutex_lock(queue->lock);
    while (wait && queue->count == queue->length && !queue->ended)
        pthread_cond_wait(queue->changed, queue->lock);
    queue->lost += batch->buffer.lost;
    queue->news++;
    queue->until = batch->until;
    if (queue->count == queue->length || queue->ended) {
        queue->lost += report_buffer_count(&batch->buffer);
        keep_spare(queue, batch);
    } else {
        queue->under_way[(queue->first + queue->count++) % REPORT_QUEUE_LENGTH] = batch;
        pthread_cond_broadcast(queue->changed);
    }
    pthread_mutex_unlock(queue->lock);
}

bool report_queue_has_room(struct report_queue *queue)
{
    bool room;

    pthread_mutex_lock(queue->lock);
    room = queue->count < queue->length / 2;
    pthread_mutex_unlock(queue->lock);
    return room;
}

struct report_batch *report_queue_receive(struct report_queue *queue)
{
    struct report_batch *batch = NULL;

    pthread_mutex_lock(queue->lock);
    if (queue->count) {
        batch = queue->under_way[queue->first];
        queue->first = (queue->first + 1) % REPORT_QUEUE_LENGTH;
        if (queue->count-- == queue->length)
            pthread_cond_broadcast(queue->changed);
    }
    pthread_mutex_unlock(queue->lock);
    return batch;
}

void report_queue_return(struct report_queue *queue, struct report_batch *batch)
{
    pthread_mutex_lock(queue->lock);
    keep_spare(queue, batch);
    pthread_mutex_unlock(queue->lock);
}

struct report_queue_progress report_queue_progress(struct report_queue *queue)
{
    struct report_queue_progress progress;

    pthread_mutex_lock(queue->lock);
    progress = (struct report_queue_progress){queue->news, queue->until, queue->ended, queue->count >= queue->length / 2};
    pthread_mutex_unlock(queue->lock);
    return progress;
}

bool report_queue_is_done(struct report_queue *queue)
{
    bool done;

    pthread_mutex_lock(queue->lock);
    done = queue->ended && !queue->count;
    pthread_mutex_unlock(queue->lock);
    return done;
}

void report_queue_end(struct report_queue *queue)
{
    pthread_mutex_lock(queue->lock);
    queue->news += !queue->ended;
    queue->ended = true;
    pthread_cond_broadcast(queue->changed);
    pthread_mutex_unlock(queue->lock);
}
