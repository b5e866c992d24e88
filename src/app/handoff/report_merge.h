/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reports of several workers, in the order of the packets that they are about: a deferral and its retry may be on connections
 * of different workers. Queues come in, one a worker; what goes out to the taker is due when no worker can report anything
 * earlier, which each batch of reports tells by how far its worker is.
 */
#ifndef APP_HANDOFF_REPORT_MERGE_H
#define APP_HANDOFF_REPORT_MERGE_H

#include "app/handoff/report_queue.h"
#include "app/process/processors.h"

/* All zero is empty. */
struct report_merge {
    struct merge_input {
        struct report_queue *queue;
        struct report_batch *batch; /* being read; NULL: none */
        size_t at;                  /* in it */
        struct report_queue_progress progress;
    } inputs[WORKERS_MAX];
    unsigned count;
    bool crowded;  /* a queue fills up */
    bool exact;    /* the order is never given up: workers must wait for room in their queues */
    uint64_t seen; /* the queues' news when what was due was last delivered */
};

/* A queue more, of at most WORKERS_MAX; it must outlive the merge. */
void report_merge_add(struct report_merge *merge, struct report_queue *queue);
/* Gives back what is still held, unpublished. */
void report_merge_fini(struct report_merge *merge);

/* Delivers what is due, or a part of it, for the caller looks after other things as well. true: there was something. */
bool report_merge_publish(struct report_merge *merge, const struct report_taker *taker);
/*
 * For a caller that has published all that was due: waits until a batch of reports has come since then, or a queue has ended, or
 * until `deadline`, by the clock of the queues' condition; NULL: none.
 */
void report_merge_wait(struct report_merge *merge, const struct timespec *deadline);
/* All queues have ended, and all was delivered. */
bool report_merge_is_done(struct report_merge *merge);

#endif
