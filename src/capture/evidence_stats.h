/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CAPTURE_EVIDENCE_STATS_H
#define CAPTURE_EVIDENCE_STATS_H

#include <stdint.h>

/* What became of the packets of findings: a store counts what it keeps, the file what it writes; the others stay 0 with each. */
struct evidence_stats {
#define COUNTER(name, kind, metric, label, help) uint64_t name;
#include "capture/evidence_counters.def"
};

#endif
