/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters for Prometheus, served over HTTP in its text format: /metrics, and /healthz, which is 200 while snapshots come.
 * Every label's values come from our own tables or from the configuration, so no traffic can make more series.
 */
#ifndef OUTPUT_METRICS_METRICS_H
#define OUTPUT_METRICS_METRICS_H

#include "output/metrics/reply_times.h"
#include "output/sink/sink.h"
#include "output/summary.h"

/* Outputs beyond it are not shown. */
#define METRICS_OUTPUTS_MAX 16
#define METRICS_NAME_SIZE 128
/* More than a stage counts. */
#define METRICS_COUNTERS_MAX 32
/* Without a snapshot for as long, the capture has stopped working: it publishes each second, with or without packets. */
#define METRICS_STALE_S 30

struct metrics;

struct metrics_output {
    char name[METRICS_NAME_SIZE]; /* the spec, terminated; what is longer is cut */
    struct sink_stats stats;
};

/* All of a moment. All zero is a start. */
struct metrics_snapshot {
    struct summary summary; /* where its stages' counters stood is not looked at: here they are */
    uint64_t counters[SUMMARY_STAGES_MAX][METRICS_COUNTERS_MAX];
    struct reply_times reply_times;
    uint64_t deferrals[SMTPSCOPE_REASONS];
    struct metrics_output outputs[METRICS_OUTPUTS_MAX];
    size_t output_count;
};

/* The totals, with a copy of the counters of the stages that they have. */
void metrics_summary(struct metrics_snapshot *snapshot, const struct summary *summary);
/* A finding that is told: a deferral is counted under its reason, once a session. */
void metrics_finding(struct metrics_snapshot *snapshot, const struct smtpscope_finding *finding);
/* Appends one output with what it has counted; nothing beyond METRICS_OUTPUTS_MAX. */
void metrics_output(struct metrics_snapshot *snapshot, struct sink *sink);

/*
 * Listens at "192.0.2.1:9425" or "[2001:db8::1]:9425"; port 0 is any. NULL, and a line in `error`, when it cannot. Apart from
 * metrics_serve() for callers that give privileges up in between: listening may need them, serving does not.
 */
struct metrics *metrics_open(const char *address, char *error, size_t error_size);
/* Serves in a thread of its own, once. Sinks' caution holds: the thread may do what the caller may. false: out of memory. */
bool metrics_serve(struct metrics *metrics);
/* The port that is served. */
uint16_t metrics_port(const struct metrics *metrics);
/* `snapshot` is copied; nothing is waited for but a copy of it. */
void metrics_publish(struct metrics *metrics, const struct metrics_snapshot *snapshot);
/* Ends the connections and the thread. NULL is fine. */
void metrics_stop(struct metrics *metrics);

#endif
