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
#define STAGES_COUNTERS_MAX 64

/* All zero is empty. */
struct stages {
    struct summary_counter counters[STAGES_COUNTERS_MAX];
    struct summary_stage items[STAGES_MAX];
    size_t counter_count, count;
};

/* Each appends a stage. `lost`: reports of workers. */
void stages_capture(struct stages *stages, const struct live_stats *capture, uint64_t clock_steps, uint64_t lost);
void stages_decode(struct stages *stages, const struct decoder_stats *decode);
void stages_stream(struct stages *stages, const struct smtpscope_stream_stats *stream);
void stages_detect(struct stages *stages, const struct candidates_stats *detect);
/* Of no run: nothing. */
void stages_evidence(struct stages *stages, struct evidence_run *run);

/* Puts them into the summary, which they must outlive. */
void stages_show(const struct stages *stages, struct summary *summary);

#endif
