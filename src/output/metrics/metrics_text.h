/* SPDX-License-Identifier: BSD-2-Clause */
/* Prometheus's text, format 0.0.4: a snapshot of all counters in, what /metrics answers out. */
#ifndef OUTPUT_METRICS_METRICS_TEXT_H
#define OUTPUT_METRICS_METRICS_TEXT_H

#include "base/writer.h"
#include "output/metrics/metrics.h"

/* The process, as it is when it is asked. */
struct metrics_process {
    int64_t started;   /* wall clock, ns */
    int64_t published; /* wall clock, ns; 0: never */
    uint64_t resident; /* octets; 0: not known */
};

void metrics_put(struct writer *writer, const struct metrics_snapshot *snapshot, const struct metrics_process *process);

#endif
