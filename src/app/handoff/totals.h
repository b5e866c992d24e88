/* SPDX-License-Identifier: BSD-2-Clause */
/* All that a run counts: by one worker, or by all of them together. */
#ifndef APP_HANDOFF_TOTALS_H
#define APP_HANDOFF_TOTALS_H

#include "capture/live.h"
#include "decode/decode.h"
#include "detect/candidates.h"
#include "output/metrics/reply_times.h"
#include "output/summary.h"
#include "smtpscope/stream.h"

/* All zero is the start. */
struct totals {
    struct summary summary;
    struct live_stats capture;
    struct decoder_stats decoder;
    struct smtpscope_stream_stats streams;
    struct candidates_stats detect;
    struct reply_times reply_times;
    uint64_t clock_steps;
    uint64_t lost; /* reports that could not be handed on */
};

/* Adds what another worker has counted. */
void totals_add(struct totals *to, const struct totals *from);

#endif
