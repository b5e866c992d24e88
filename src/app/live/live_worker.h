/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One worker of live capture: a thread with a handle of its own on each interface. Frames are followed where the kernel put
 * them; what is found travels over a lane to the thread that publishes, at least every tenth of a second.
 */
#ifndef APP_LIVE_LIVE_WORKER_H
#define APP_LIVE_LIVE_WORKER_H

#include "app/handoff/report_queue.h"
#include "app/sessions/sessions.h"
#include "capture/live.h"
#include "decode/decode.h"
#include "output/metrics/reply_times.h"

struct sensor;

/* What a worker has counted since it started. */
struct sensor_totals {
    struct summary summary;
    struct smtpscope_stream_stats streams;
    struct candidates_stats detect;
    struct decoder_stats decoder;
    struct live_stats capture;
    struct reply_times reply_times;
    uint64_t clock_steps;
    uint64_t lost; /* reports that could not be handed on */
};

struct sensor_config {
    const struct options *options;   /* must not change while the sensor lives */
    const char *filter;              /* the kernel's, made from the options */
    struct sessions_config sessions; /* `report` and `summary` are the sensor's to fill in */
    unsigned index, workers;
    struct sensor *first;  /* whose fanout groups the others join; NULL for the first */
    pthread_mutex_t *lock; /* of all lanes and totals */
    pthread_cond_t *changed;
};

/* Opens the interfaces. NULL: told on standard error. All that the config points to must outlive the sensor. */
struct sensor *sensor_open(const struct sensor_config *config);
/* Starts the thread. false: told on standard error. */
bool sensor_start(struct sensor *sensor);
/* Asks for the end: what is open is closed and told, then the lane ends. From any thread. */
void sensor_stop(struct sensor *sensor);
/* Waits for the thread, which must have been asked to stop or have ended by itself, and frees all. */
void sensor_close(struct sensor *sensor);

struct lane *sensor_lane(struct sensor *sensor);
/* As they stood when the sensor last handed something on. From any thread. */
void sensor_totals(struct sensor *sensor, struct sensor_totals *totals);
/* Every interface has failed for good. */
bool sensor_failed(struct sensor *sensor);

void sensor_totals_add(struct sensor_totals *to, const struct sensor_totals *from);

#endif
