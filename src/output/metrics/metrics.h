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
/* Without a snapshot for as long, the capture has stopped working: it publishes each second, with or without packets. */
#define METRICS_STALE_S 30

struct metrics;

struct metrics_output {
    char name[METRICS_NAME_SIZE]; /* the spec, terminated; what is longer is cut */
    struct sink_stats stats;
};

/* Of -w: what is kept of connections until it is known whether they have findings, and what was written of those that have. */
struct metrics_evidence {
    uint64_t kept;                   /* packets, whatever became of them */
    uint64_t packets, octets, files; /* written */
    uint64_t lost;                   /* packets that could not be */
    uint64_t cut, left_out;          /* packets kept without their end; not kept */
    uint64_t evicted;                /* connections given up before it was known */
    uint64_t held;                   /* octets kept now */
};

/* All of a moment. All zero is a start. */
struct metrics_snapshot {
    uint64_t packets, octets; /* taken from the interfaces; octets on the wire */
    uint64_t kernel_drops, interface_drops;
    smtpscope_time last_packet; /* 0: none yet */
    struct summary summary;     /* its stages are not looked at */
    struct smtpscope_stream_stats streams;
    struct reply_times reply_times;
    uint64_t deferrals[SMTPSCOPE_REASONS];
    struct metrics_evidence evidence;
    struct metrics_output outputs[METRICS_OUTPUTS_MAX];
    size_t output_count;
};

/* A finding that is told: a deferral is counted under its reason, once a session. */
void metrics_finding(struct metrics_snapshot *snapshot, const struct smtpscope_finding *finding);
/* Appends one output with what it has counted; nothing beyond METRICS_OUTPUTS_MAX. */
void metrics_output(struct metrics_snapshot *snapshot, struct sink *sink);

/*
 * Listens at "192.0.2.1:9425" or "[2001:db8::1]:9425"; port 0 is any. NULL, and a line in `error`, when it cannot. Apart from
 * metrics_serve() for who gives privileges up in between: listening may want them, serving does not.
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
