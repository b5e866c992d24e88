/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One worker of live capture: a thread with a handle of its own on each interface. Frames are followed where the kernel put
 * them; what is found travels over a queue to the thread that publishes, at least every tenth of a second.
 */
#ifndef APP_LIVE_LIVE_WORKER_H
#define APP_LIVE_LIVE_WORKER_H

#include "app/handoff/report_queue.h"
#include "app/sessions/sessions.h"

struct live_worker;

struct live_worker_config {
    const char *const *interfaces; /* `interface_count` of them */
    size_t interface_count;
    struct live_config live; /* of each: name, delay and the share of several workers are filled in */
    struct decoder_config decoder;
    struct sessions_config sessions; /* `taker` and `totals` are the worker's to fill in */
    unsigned index, workers;
    struct live_worker *first; /* whose fanout groups the others join; NULL for the first */
    pthread_mutex_t *lock;     /* of all queues and totals */
    pthread_cond_t *changed;
};

/* Opens the interfaces. NULL: told on standard error. All that the config points to must outlive the worker. */
struct live_worker *live_worker_open(const struct live_worker_config *config);
/* Starts the thread. false: told on standard error. */
bool live_worker_start(struct live_worker *worker);
/* Asks for the end: what is open is closed and told, then the queue ends. From any thread. */
void live_worker_stop(struct live_worker *worker);
/* Waits for the thread, which must have been asked to stop or have ended by itself, and frees all. */
void live_worker_close(struct live_worker *worker);

struct report_queue *live_worker_queue(struct live_worker *worker);
/* As they stood when the worker last handed something on. From any thread. */
void live_worker_totals(struct live_worker *worker, struct totals *totals);
/* Every interface has failed for good. */
bool live_worker_failed(struct live_worker *worker);

#endif
