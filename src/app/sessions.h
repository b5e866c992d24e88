/* SPDX-License-Identifier: BSD-2-Clause */
/* The middle of the line: segments -> flows -> sessions -> facts -> findings -> output. */
#ifndef APP_SESSIONS_H
#define APP_SESSIONS_H

#include "app/options.h"
#include "output/output.h"
#include "output/summary.h"
#include "smtpscope/segment.h"

struct sessions;

/* All three must outlive it. NULL when out of memory. */
struct sessions *sessions_new(const struct options *options, struct output *output, struct summary *summary);
void sessions_free(struct sessions *sessions);

void sessions_segment(struct sessions *sessions, const struct smtpscope_segment *segment);
/* Packet time has reached `now`. */
void sessions_expire(struct sessions *sessions, smtpscope_time now);
/* Closes all that is open, and tells what shows only across sessions. `now` is the time of the last packet. */
void sessions_finish(struct sessions *sessions, smtpscope_time now);

void sessions_stats(const struct sessions *sessions, struct smtpscope_stream_stats *stats);
/* Deferrals that were forgotten at a limit before it was seen what became of them. */
uint64_t sessions_forgotten(const struct sessions *sessions);
/* The most severe finding of a rule that was chosen, shown or not; SMTPSCOPE_SEVERITIES: none. */
enum smtpscope_severity sessions_worst(const struct sessions *sessions);

#endif
