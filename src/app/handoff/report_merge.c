/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/report_merge.h"

/* Delivered in one turn: about a millisecond's work. Workers that always have more must not keep signals and clocks waiting. */
#define REPORTS_A_TURN 256

void report_merge_add(struct report_merge *merge, struct report_queue *queue)
{
    merge->inputs[merge->count++] = (struct merge_input){.queue = queue};
}

static void merge_input_drop(struct merge_input *queue)
{
    if (queue->batch)
        report_queue_return(queue->queue, queue->batch);
    queue->batch = NULL;
    queue->at = 0;
}

void report_merge_fini(struct report_merge *merge)
{
    for (unsigned i = 0; i < merge->count; i++)
        merge_input_drop(&merge->inputs[i]);
}

/* The next report; NULL: none has come. */
static struct buffered_report *merge_input_report(struct merge_input *queue)
{
    while (queue->batch || (queue->batch = report_queue_receive(queue->queue))) {
        struct buffered_report *report = report_buffer_at(&queue->batch->buffer, queue->at);

        if (report)
            return report;
        merge_input_drop(queue);
    }
    return NULL;
}

/* How far the workers are. It is asked before their queues are looked into: what comes meanwhile is no earlier. */
static void report_merge_progress(struct report_merge *merge)
{
    merge->seen = 0;
    merge->crowded = false;
    for (unsigned i = 0; i < merge->count; i++) {
        struct merge_input *queue = &merge->inputs[i];

        queue->progress = report_queue_progress(queue->queue);
        merge->seen += queue->progress.news;
        merge->crowded |= queue->progress.crowded;
    }
}

/*
 * The queue whose report is the next of all; NULL: none is due, for a worker whose queue is empty may still report something
 * earlier. A worker that is so far behind that another's queue fills up is not waited for, unless the order is exact.
 */
static struct merge_input *report_merge_next(struct report_merge *merge)
{
    const struct buffered_report *first = NULL;
    struct merge_input *best = NULL;
    uint64_t until = UINT64_MAX;
    bool awaited = false;

    for (unsigned i = 0; i < merge->count; i++) {
        struct merge_input *queue = &merge->inputs[i];
        const struct buffered_report *report = merge_input_report(queue);

        if (report && (!first || report_key_compare(&report->key, &first->key) < 0)) {
            first = report;
            best = queue;
        }
        if (report || queue->progress.ended)
            continue;
        awaited = true;
        until = queue->progress.until < until ? queue->progress.until : until;
    }
    if (!first || !awaited || (merge->crowded && !merge->exact))
        return best;
    return first->key.packet < until ? best : NULL;
}

bool report_merge_publish(struct report_merge *merge, const struct report_taker *taker)
{
    struct merge_input *queue;
    unsigned said = 0;

    report_merge_progress(merge);
    for (; said < REPORTS_A_TURN && (queue = report_merge_next(merge)); said++) {
        struct buffered_report *report = merge_input_report(queue);

        buffered_report_deliver(report, taker);
        queue->at += report->size;
    }
    return said > 0;
}

void report_merge_wait(struct report_merge *merge, const struct timespec *deadline)
{
    struct report_queue *any = merge->inputs[0].queue;
    uint64_t news = 0;

    pthread_mutex_lock(any->lock);
    for (unsigned i = 0; i < merge->count; i++)
        news += merge->inputs[i].queue->news;
    if (news == merge->seen && deadline)
        pthread_cond_timedwait(any->changed, any->lock, deadline);
    else if (news == merge->seen)
        pthread_cond_wait(any->changed, any->lock);
    pthread_mutex_unlock(any->lock);
}

bool report_merge_is_done(struct report_merge *merge)
{
    bool done = true;

    for (unsigned i = 0; i < merge->count; i++)
        done &= !merge_input_report(&merge->inputs[i]) && report_queue_is_done(merge->inputs[i].queue);
    return done;
}
