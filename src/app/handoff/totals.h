/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that a run counts, by one worker or by all of them together. What there is to count stands in the stages' tables of
 * counters (base/counters.h); a stage that counts is a member here and a row in totals.c.
 */
#ifndef APP_HANDOFF_TOTALS_H
#define APP_HANDOFF_TOTALS_H

#include "capture/evidence_stats.h"
#include "capture/live.h"
#include "decode/decode.h"
#include "detect/candidates.h"
#include "output/metrics/reply_times.h"
#include "output/summary.h"
#include "smtpscope/stream.h"

/* All zero is the start. */
struct totals {
    struct summary summary; /* its stages are filled in by totals_stage() */
    struct live_stats capture;
    struct decoder_stats decoder;
    struct smtpscope_stream_stats streams;
    struct candidates_stats detect;
    struct evidence_stats evidence;
    struct reply_times reply_times;
};

enum totals_stage { STAGE_CAPTURE, STAGE_DECODE, STAGE_STREAM, STAGE_DETECT, STAGE_EVIDENCE, STAGES };

/* The tables of the stages: their names, and what each counts. */
extern const struct counter_table totals_tables[STAGES];

/* Adds what another worker has counted. */
void totals_add(struct totals *to, const struct totals *from);
/* The summary has the counters of this stage, too; `totals` must outlive it. */
void totals_show(const struct totals *totals, enum totals_stage stage, struct summary *summary);

#endif
