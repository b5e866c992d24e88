/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the results of one worker's sessions go, in order: the publisher itself where there is one worker on one thread
 * (publish/publish.h), or a buffer that is carried to the thread that publishes (report_buffer.h).
 */
#ifndef APP_HANDOFF_REPORT_TAKER_H
#define APP_HANDOFF_REPORT_TAKER_H

#include "output/delivery.h"
#include "output/transcript.h"
#include "smtpscope/correlate.h"

/* All that is passed is valid during the call only. */
struct report_taker {
    void (*finding)(void *ctx, const struct smtpscope_finding *finding);
    /* For the correlation across sessions. */
    void (*trace)(void *ctx, const struct smtpscope_trace *trace);
    /*
     * A session that has ended, with --sessions: the taker may complete it, see struct transcript_inferred. A try to deliver a mail
     * that has, where anyone wants to know.
     */
    void (*session)(void *ctx, const struct smtpscope_flow *flow, struct transcript *transcript);
    void (*message)(void *ctx, const struct smtpscope_flow *flow, const struct delivery *delivery);
    void *ctx;
};

#endif
