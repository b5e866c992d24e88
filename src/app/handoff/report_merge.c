/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/report_merge.h"

/* Said in one turn: about a millisecond's. Workers that always have more to say must not keep signals and clocks waiting. */
#define RECORDS_A_TURN 256

void merge_add(struct merge *merge, struct lane *lane)
{
    merge->lanes[merge->count++] = (struct merge_lane){.lane = lane};
}

static void merge_lane_drop(struct merge_lane *lane)
{
    if (lane->parcel)
        lane_return(lane->lane, lane->parcel);
    lane->parcel = NULL;
    lane->at = 0;
}

void merge_fini(struct merge *merge)
{
    for (unsigned i = 0; i < merge->count; i++)
        merge_lane_drop(&merge->lanes[i]);
}

/* The next record; NULL: none has come. */
static const struct outbox_record *merge_lane_record(struct merge_lane *lane)
{
    while (lane->parcel || (lane->parcel = lane_receive(lane->lane))) {
        const struct outbox_record *record = outbox_at(&lane->parcel->outbox, lane->at);

        if (record)
            return record;
        merge_lane_drop(lane);
    }
    return NULL;
}

/* How far the workers are. It is asked before their lanes are looked into: what comes meanwhile is no earlier. */
static void merge_progress(struct merge *merge)
{
    merge->seen = 0;
    merge->crowded = false;
    for (unsigned i = 0; i < merge->count; i++) {
        struct merge_lane *lane = &merge->lanes[i];

        lane->progress = lane_progress(lane->lane);
        merge->seen += lane->progress.news;
        merge->crowded |= lane->progress.crowded;
    }
}

/*
 * The lane whose record is the next of all; NULL: none is due, for a worker that has said nothing may still have something earlier
 * to say. A worker that is so far behind that another's lane fills up is not waited for, unless the order is exact.
 */
static struct merge_lane *merge_next(struct merge *merge)
{
    const struct outbox_record *first = NULL;
    struct merge_lane *best = NULL;
    uint64_t until = UINT64_MAX;
    bool awaited = false;

    for (unsigned i = 0; i < merge->count; i++) {
        struct merge_lane *lane = &merge->lanes[i];
        const struct outbox_record *record = merge_lane_record(lane);

        if (record && (!first || outbox_key_compare(&record->key, &first->key) < 0)) {
            first = record;
            best = lane;
        }
        if (record || lane->progress.ended)
            continue;
        awaited = true;
        until = lane->progress.until < until ? lane->progress.until : until;
    }
    if (!first || !awaited || (merge->crowded && !merge->exact))
        return best;
    return first->key.packet < until ? best : NULL;
}

bool merge_publish(struct merge *merge, const struct report *report)
{
    struct merge_lane *lane;
    unsigned said = 0;

    merge_progress(merge);
    for (; said < RECORDS_A_TURN && (lane = merge_next(merge)); said++) {
        const struct outbox_record *record = merge_lane_record(lane);

        outbox_say(record, report);
        lane->at += record->size;
    }
    return said > 0;
}

void merge_wait(struct merge *merge, const struct timespec *deadline)
{
    struct lane *any = merge->lanes[0].lane;
    uint64_t news = 0;

    pthread_mutex_lock(any->lock);
    for (unsigned i = 0; i < merge->count; i++)
        news += merge->lanes[i].lane->news;
    if (news == merge->seen && deadline)
        pthread_cond_timedwait(any->changed, any->lock, deadline);
    else if (news == merge->seen)
        pthread_cond_wait(any->changed, any->lock);
    pthread_mutex_unlock(any->lock);
}

bool merge_is_done(struct merge *merge)
{
    bool done = true;

    for (unsigned i = 0; i < merge->count; i++)
        done &= !merge_lane_record(&merge->lanes[i]) && lane_is_done(merge->lanes[i].lane);
    return done;
}
