/* SPDX-License-Identifier: BSD-2-Clause */
/* The stages' own counters as the totals show them, the same of files and of interfaces. */
#ifndef APP_PUBLISH_STAGE_COUNTERS_H
#define APP_PUBLISH_STAGE_COUNTERS_H

#include "app/publish/evidence_writer.h"
#include "capture/live.h"
#include "decode/decode.h"
#include "detect/candidates.h"
#include "output/summary.h"
#include "smtpscope/stream.h"

/* All stages together, and all their counters. */
#define STAGES_MAX 5
#define STAGE_COUNTERS_MAX 64

/* All zero is empty. */
struct stage_counters {
    struct summary_counter counters[STAGE_COUNTERS_MAX];
    struct summary_stage items[STAGES_MAX];
    size_t counter_count, count;
};

/* Each appends a stage. `lost`: reports of workers. */
void stage_counters_capture(struct stage_counters *stages, const struct live_stats *capture, uint64_t clock_steps,
                            uint64_t lost);
void stage_counters_decode(struct stage_counters *stages, const struct decoder_stats *decode);
void stage_counters_stream(struct stage_counters *stages, const struct smtpscope_stream_stats *stream);
void stage_counters_detect(struct stage_counters *stages, const struct candidates_stats *detect);
/* Of no run: nothing. */
void stage_counters_evidence(struct stage_counters *stages, struct evidence_writer *writer);

/* Puts them into the summary, which they must outlive. */
void stage_counters_show(const struct stage_counters *stages, struct summary *summary);

#endif
