/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way from one worker to the thread that publishes: a bounded queue of outboxes. The outboxes go round: what was read comes
 * back empty, with its memory. The worker that finds it full waits, or, where it may not wait, loses the outbox and counts it.
 */
#ifndef APP_HANDOFF_REPORT_QUEUE_H
#define APP_HANDOFF_REPORT_QUEUE_H

#include "app/handoff/report_buffer.h"

#include <pthread.h>

/* Outboxes under way: enough to bridge a reader that is late, little enough to stay small. */
#define LANE_LENGTH 64
/* An outbox is sent when it holds so much: a session's findings are a few kilooctets. */
#define LANE_OUTBOX_SIZE ((size_t)256 * 1024)

struct parcel {
    struct outbox outbox;
    uint64_t until; /* no later one of this lane has a record whose key's packet is below it */
};

/* Under way, and one with each side: so the worker always finds one. */
#define LANE_PARCELS (LANE_LENGTH + 2)

struct lane {
    pthread_mutex_t *lock; /* of all lanes */
    pthread_cond_t *changed;
    struct parcel parcels[LANE_PARCELS];
    struct parcel *under_way[LANE_LENGTH];
    size_t first, count, length; /* under way at most: LANE_LENGTH, or fewer */
    struct parcel *spare[LANE_PARCELS];
    size_t spare_count;
    size_t warm, warm_max; /* the last of the spare keep their memory, up to so many: fewer for whoever runs for months */
    bool ended;            /* nobody reads any more, or nobody writes */
    uint64_t news;         /* parcels sent, and the end */
    uint64_t until;        /* of the last parcel sent, be it lost */
    uint64_t lost;         /* records in outboxes that could not be sent or made */
};

/* How far a lane's worker is. */
struct lane_progress {
    uint64_t news, until;
    bool ended;
    bool crowded; /* half full: a reader that waits for something else should wait no longer */
};

/* The lock and the condition are shared by all lanes of one reader, and outlive them. The lane must not move. */
void lane_init(struct lane *lane, pthread_mutex_t *lock, pthread_cond_t *changed);
/* Frees what all parcels hold, wherever they are. */
void lane_fini(struct lane *lane);

/* An empty parcel to fill: the worker has one at a time, the reader too. */
struct parcel *lane_parcel(struct lane *lane);
/* Sends it; waits for room when `wait` is set and somebody reads. What cannot be sent is lost, and counted. */
void lane_send(struct lane *lane, struct parcel *parcel, bool wait);
/* One more would not be lost, should the reader take nothing for a while. */
bool lane_has_room(struct lane *lane);
/* The next parcel; NULL: none has come. Give it back with lane_return(). */
struct parcel *lane_receive(struct lane *lane);
void lane_return(struct lane *lane, struct parcel *parcel);
struct lane_progress lane_progress(struct lane *lane);
/* Nothing is under way, and nothing will come. */
bool lane_is_done(struct lane *lane);
/* No more will be sent, or read: nobody waits. */
void lane_end(struct lane *lane);

#endif
