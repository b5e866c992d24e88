/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/report_queue.h"

#include <assert.h>

void lane_init(struct lane *lane, pthread_mutex_t *lock, pthread_cond_t *changed)
{
    *lane = (struct lane){
        .lock = lock, .changed = changed, .length = LANE_LENGTH, .spare_count = LANE_PARCELS, .warm_max = LANE_PARCELS};
    for (size_t i = 0; i < LANE_PARCELS; i++)
        lane->spare[i] = &lane->parcels[i];
}

void lane_fini(struct lane *lane)
{
    for (size_t i = 0; i < LANE_PARCELS; i++)
        outbox_fini(&lane->parcels[i].outbox);
}

struct parcel *lane_parcel(struct lane *lane)
{
    struct parcel *parcel;

    pthread_mutex_lock(lane->lock);
    assert(lane->spare_count);
    parcel = lane->spare[--lane->spare_count];
    lane->warm -= lane->warm > 0;
    pthread_mutex_unlock(lane->lock);
    return parcel;
}

/* The caller holds the lock. A parcel without memory goes beneath those that have some. */
static void keep_spare(struct lane *lane, struct parcel *parcel)
{
    struct parcel **place = &lane->spare[lane->spare_count++];

    outbox_clear(&parcel->outbox);
    if (lane->warm < lane->warm_max) {
        lane->warm++;
    } else {
        struct parcel **lowest = place - lane->warm;

        outbox_fini(&parcel->outbox);
        *place = *lowest;
        place = lowest;
    }
    *place = parcel;
}

void lane_send(struct lane *lane, struct parcel *parcel, bool wait)
{
    pthread_mutex_lock(lane->lock);
    while (wait && lane->count == lane->length && !lane->ended)
        pthread_cond_wait(lane->changed, lane->lock);
    lane->lost += parcel->outbox.lost;
    lane->news++;
    lane->until = parcel->until;
    if (lane->count == lane->length || lane->ended) {
        lane->lost += outbox_count(&parcel->outbox);
        keep_spare(lane, parcel);
    } else {
        lane->under_way[(lane->first + lane->count++) % LANE_LENGTH] = parcel;
        pthread_cond_broadcast(lane->changed);
    }
    pthread_mutex_unlock(lane->lock);
}

bool lane_has_room(struct lane *lane)
{
    bool room;

    pthread_mutex_lock(lane->lock);
    room = lane->count < lane->length / 2;
    pthread_mutex_unlock(lane->lock);
    return room;
}

struct parcel *lane_receive(struct lane *lane)
{
    struct parcel *parcel = NULL;

    pthread_mutex_lock(lane->lock);
    if (lane->count) {
        parcel = lane->under_way[lane->first];
        lane->first = (lane->first + 1) % LANE_LENGTH;
        if (lane->count-- == lane->length)
            pthread_cond_broadcast(lane->changed);
    }
    pthread_mutex_unlock(lane->lock);
    return parcel;
}

void lane_return(struct lane *lane, struct parcel *parcel)
{
    pthread_mutex_lock(lane->lock);
    keep_spare(lane, parcel);
    pthread_mutex_unlock(lane->lock);
}

struct lane_progress lane_progress(struct lane *lane)
{
    struct lane_progress progress;

    pthread_mutex_lock(lane->lock);
    progress = (struct lane_progress){lane->news, lane->until, lane->ended, lane->count >= lane->length / 2};
    pthread_mutex_unlock(lane->lock);
    return progress;
}

bool lane_is_done(struct lane *lane)
{
    bool done;

    pthread_mutex_lock(lane->lock);
    done = lane->ended && !lane->count;
    pthread_mutex_unlock(lane->lock);
    return done;
}

void lane_end(struct lane *lane)
{
    pthread_mutex_lock(lane->lock);
    lane->news += !lane->ended;
    lane->ended = true;
    pthread_cond_broadcast(lane->changed);
    pthread_mutex_unlock(lane->lock);
}
