/* SPDX-License-Identifier: BSD-2-Clause */
/* Outcomes of many sessions -> findings across sessions: what became of a deferral, what a server stopped offering, patient attacks. */
#ifndef CORRELATE_CORRELATE_H
#define CORRELATE_CORRELATE_H

#include "correlate/trace.h"

struct correlate;

/* Limits in packet time; 0 means the default in brackets. */
struct correlate_config {
    void (*finding)(void *ctx, const struct smtpscope_finding *finding); /* all it points to is valid during the call */
    void *ctx;
    smtpscope_time too_soon;        /* a retry at the same server sooner than this [60 s] */
    smtpscope_time persistent_time; /* deferred for longer than this, and [4 h] */
    uint32_t persistent_tries;      /* more often than this [5] */
    smtpscope_time abandoned;       /* no retry for so long while the capture goes on [4 h] */
};

/* NULL when out of memory. `config` is copied. */
struct correlate *correlate_new(const struct correlate_config *config);
void correlate_free(struct correlate *correlate);
/* Its tables are of a fixed size: takes their memory now, not bit by bit while they fill for days. */
void correlate_settle(struct correlate *correlate);

/* What a fact of any session left; in the order of the facts of each session. */
void correlate_trace(struct correlate *correlate, const struct trace *trace);
/*
 * The same from the fact itself, for who has it at hand: messages with their recipients, what EHLO replies advertise, refused
 * logins and recipients count.
 */
void correlate_fact(struct correlate *correlate, const struct smtpscope_session *session, const struct smtpscope_fact *fact);

/* The capture ended at `end`: what was deferred and never tried again is told. */
void correlate_finish(struct correlate *correlate, smtpscope_time end);

/* Deferrals that were forgotten because the table was full. */
uint64_t correlate_forgotten(const struct correlate *correlate);

#endif
