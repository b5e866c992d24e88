/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/handoff/totals.h"

#include <assert.h>

#define COUNTER COUNTER_ROW
static const struct counter capture_rows[] = {
#include "capture/live_counters.def"
};
#define COUNTER COUNTER_ROW
static const struct counter decode_rows[] = {
#include "decode/decode_counters.def"
};
#define COUNTER COUNTER_ROW
static const struct counter stream_rows[] = {
#include "smtpscope/stream_counters.def"
};
#define COUNTER COUNTER_ROW
static const struct counter detect_rows[] = {
#include "detect/detect_counters.def"
};
#define COUNTER COUNTER_ROW
static const struct counter evidence_rows[] = {
#include "capture/evidence_counters.def"
};

#define ROWS(rows) (rows), sizeof(rows) / sizeof(rows)[0]

const struct counter_table totals_tables[STAGES] = {
    [STAGE_CAPTURE] = {"capture", ROWS(capture_rows)},    [STAGE_DECODE] = {"decode", ROWS(decode_rows)},
    [STAGE_STREAM] = {"stream", ROWS(stream_rows)},       [STAGE_DETECT] = {"detect", ROWS(detect_rows)},
    [STAGE_EVIDENCE] = {"evidence", ROWS(evidence_rows)},
};

/* Where a stage counts. */
static const size_t offsets[STAGES] = {
    [STAGE_CAPTURE] = offsetof(struct totals, capture),   [STAGE_DECODE] = offsetof(struct totals, decoder),
    [STAGE_STREAM] = offsetof(struct totals, streams),    [STAGE_DETECT] = offsetof(struct totals, detect),
    [STAGE_EVIDENCE] = offsetof(struct totals, evidence),
};

_Static_assert(STAGES <= SUMMARY_STAGES_MAX, "all of them can be shown");

/* Without a packet there is no time. */
static void times_add(struct summary *to, const struct summary *from)
{
    if (from->packets && (!to->packets || from->first_time < to->first_time))
        to->first_time = from->first_time;
    if (from->packets && (!to->packets || from->last_time > to->last_time))
        to->last_time = from->last_time;
}

void totals_add(struct totals *to, const struct totals *from)
{
    times_add(&to->summary, &from->summary);
    summary_add(&to->summary, &from->summary);
    reply_times_add(&to->reply_times, &from->reply_times);
    for (int stage = 0; stage < STAGES; stage++)
        counters_add(&totals_tables[stage], (char *)to + offsets[stage], (const char *)from + offsets[stage]);
}

void totals_show(const struct totals *totals, enum totals_stage stage, struct summary *summary)
{
    assert(summary->stage_count < SUMMARY_STAGES_MAX);
    summary->stages[summary->stage_count++] =
        (struct summary_stage){&totals_tables[stage], (const char *)totals + offsets[stage]};
}
