/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last stage, on one thread: findings are chosen, correlated across sessions, counted, and go to every output; with
 * --aggregate, those that are alike go as one.
 */
#ifndef APP_PUBLISH_PUBLISH_H
#define APP_PUBLISH_PUBLISH_H

#include "app/handoff/report_taker.h"
#include "app/options/options.h"
#include "app/publish/evidence_writer.h"

/* More outputs than anyone has readers for. */
#define PUBLISHER_OUTPUTS_MAX 16

struct publisher;

/* `options` must outlive it. NULL when out of memory. */
struct publisher *publisher_new(const struct options *options);
void publisher_free(struct publisher *publisher);

/*
 * One more output, which stays the caller's and must outlive the publisher; `format` is the index that its lines bear. false:
 * too many.
 */
bool publisher_add(struct publisher *publisher, struct output *output, size_t format);

/* Forgets all outputs: others follow. */
void publisher_reset(struct publisher *publisher);
/*
 * For whoever watches, for months: each finding that is published is counted by `finding`, and memory is taken now that would
 * be later.
 */
void publisher_watch(struct publisher *publisher, void (*finding)(void *ctx, const struct smtpscope_finding *finding),
                     void *ctx);

/* What is published is evidence: see evidence_writer_finding(). NULL: of nothing. `run` must outlive the publisher. */
void publisher_evidence(struct publisher *publisher, struct evidence_writer *evidence);

/* Time goes on, by any clock that never runs back: what --aggregate holds comes out when its time is over. */
void publisher_tick(struct publisher *publisher, smtpscope_time now);

/* Takes the reports of all workers, one thread at a time. */
struct report_taker publisher_taker(struct publisher *publisher);

/* The capture ended at `now`: what shows only across sessions and was not told yet. */
void publisher_finish(struct publisher *publisher, smtpscope_time now);

/* What was published and hidden so far; findings and `forgotten` only. */
const struct summary *publisher_summary(struct publisher *publisher);
/* The most severe finding of a rule that was chosen, shown or not; SMTPSCOPE_SEVERITIES: none. */
enum smtpscope_severity publisher_worst(const struct publisher *publisher);

#endif
