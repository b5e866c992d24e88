/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/merge.h"

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
    while (lane->parcel || (lane->parcel = lane_receive(lane->lane, false))) {
        const struct outbox_record *record = outbox_at(&lane->parcel->outbox, lane->at);

        if (record)
            return record;
        merge_lane_drop(lane);
    }
    return NULL;
}

/*
 * How far all workers are: no record about an earlier packet will come. A worker that is so far behind that another's lane
 * fills up is not waited for: order matters less than that findings are told.
 */
static uint64_t merge_until(struct merge *merge)
{
    uint64_t until = UINT64_MAX, sent = 0;
    bool crowded = false;

    for (unsigned i = 0; i < merge->count; i++) {
        struct lane_progress progress = lane_progress(merge->lanes[i].lane);

        sent += progress.sent;
        crowded |= progress.crowded;
        if (!progress.ended && progress.until < until)
            until = progress.until;
    }
    merge->seen = sent;
    return crowded || merge->count == 1 ? UINT64_MAX : until;
}

/* The lane whose record is the next of all; NULL: none is due. */
static struct merge_lane *merge_next(struct merge *merge, uint64_t until)
{
    const struct outbox_record *first = NULL;
    struct merge_lane *best = NULL;

    for (unsigned i = 0; i < merge->count; i++) {
        const struct outbox_record *record = merge_lane_record(&merge->lanes[i]);

        if (record && record->key.packet < until && (!first || outbox_key_compare(&record->key, &first->key) < 0)) {
            first = record;
            best = &merge->lanes[i];
        }
    }
    return best;
}

bool merge_publish(struct merge *merge, const struct report *report)
{
    uint64_t until = merge_until(merge);
    bool any = false;

    for (struct merge_lane *lane; (lane = merge_next(merge, until)); any = true) {
        const struct outbox_record *record = merge_lane_record(lane);

        outbox_say(record, report);
        lane->at += record->size;
    }
    return any;
}

void merge_wait(struct merge *merge, const struct timespec *deadline)
{
    struct lane *any = merge->lanes[0].lane;
    uint64_t sent = 0;

    pthread_mutex_lock(any->lock);
    for (unsigned i = 0; i < merge->count; i++)
        sent += merge->lanes[i].lane->sent;
    if (sent == merge->seen)
        pthread_cond_timedwait(any->changed, any->lock, deadline);
    pthread_mutex_unlock(any->lock);
}

bool merge_is_done(struct merge *merge)
{
    bool done = true;

    for (unsigned i = 0; i < merge->count; i++)
        done &= lane_is_done(merge->lanes[i].lane) && !merge_lane_record(&merge->lanes[i]);
    return done;
}
