/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One worker of live capture: a thread with a handle of its own on each interface. Frames are followed where the kernel put
 * them; what is found travels over a queue to the thread that publishes, at least every tenth of a second.
 */
#ifndef APP_LIVE_LIVE_WORKER_H
#define APP_LIVE_LIVE_WORKER_H

#include "app/handoff/report_queue.h"
#include "app/sessions/sessions.h"
#include "capture/live.h"
#include "decode/decode.h"
#include "output/metrics/reply_times.h"

struct live_worker;

/* What a worker has counted since it started. */
struct live_worker_totals {
    struct summary summary;
    struct smtpscope_stream_stats streams;
    struct candidates_stats detect;
    struct decoder_stats decoder;
    struct live_stats capture;
    struct reply_times reply_times;
    uint64_t clock_steps;
    uint64_t lost; /* reports that could not be handed on */
};

struct live_worker_config {
    const struct options *options;   /* must not change while the worker lives */
    const char *filter;              /* the kernel's, made from the options */
    struct sessions_config sessions; /* `report` and `summary` are the worker's to fill in */
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
void live_worker_totals(struct live_worker *worker, struct live_worker_totals *totals);
/* Every interface has failed for good. */
bool live_worker_failed(struct live_worker *worker);

void live_worker_totals_add(struct live_worker_totals *to, const struct live_worker_totals *from);

#endif
