/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What several workers say, in the order of the packets that it is about: a deferral and its retry may be on connections of
 * different workers. Each parcel says how far its worker is; what all are past is published.
 */
#ifndef APP_HANDOFF_REPORT_MERGE_H
#define APP_HANDOFF_REPORT_MERGE_H

#include "app/handoff/report_queue.h"
#include "app/options/options.h"

/* All zero is empty. */
struct merge {
    struct merge_lane {
        struct lane *lane;
        struct parcel *parcel; /* being read; NULL: none */
        size_t at;             /* in it */
        struct lane_progress progress;
    } lanes[WORKERS_MAX];
    unsigned count;
    bool crowded;  /* a lane fills up */
    bool exact;    /* the order is never given up: workers must wait for room in their lanes */
    uint64_t seen; /* the lanes' news when what was due was last said */
};

/* A lane more, of at most WORKERS_MAX; it must outlive the merge. */
void merge_add(struct merge *merge, struct lane *lane);
/* Gives back what is still held, unpublished. */
void merge_fini(struct merge *merge);

/* Says what is due, or a part of it: who calls looks after other things as well. true: there was something. */
bool merge_publish(struct merge *merge, const struct report *report);
/*
 * For who has published all that was due and is not done: waits until a parcel has come since then, or a lane has ended, or
 * until `deadline`, by the clock of the lanes' condition; NULL: none.
 */
void merge_wait(struct merge *merge, const struct timespec *deadline);
/* All lanes have ended, and all was said. */
bool merge_is_done(struct merge *merge);

#endif
