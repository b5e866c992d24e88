/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last stage, on one thread: findings are chosen, correlated across sessions, counted, and go to every output; with
 * --aggregate, those that are alike go as one. Sessions and messages go to the outputs as they are.
 */
#ifndef APP_PUBLISH_PUBLISH_H
#define APP_PUBLISH_PUBLISH_H

#include "app/handoff/report_taker.h"
#include "app/publish/annotations.h"
#include "app/publish/evidence_writer.h"
#include "app/publish/outputs.h"
#include "output/selection.h"
#include "store/store.h"

struct publisher;

/* What the user wants to see of it. */
struct publisher_config {
    bool rules[SMTPSCOPE_RULES];                             /* chosen: of the others nothing is looked at */
    enum smtpscope_severity min_severity;                    /* what is below it is counted, and not shown */
    smtpscope_time aggregate;                                /* 0: each finding goes by itself */
    struct selection_ignored ignored[SELECTION_IGNORED_MAX]; /* `ignored_count` of them: counted, not shown */
    size_t ignored_count;
    struct selection selection; /* of what is published; without regard to the envelope */
    uint64_t hash_seed;         /* nothing that a client can know */
};

/* `config` is copied. NULL when out of memory. */
struct publisher *publisher_new(const struct publisher_config *config);
void publisher_free(struct publisher *publisher);
/* From now on something else is wanted. */
void publisher_configure(struct publisher *publisher, const struct publisher_config *config);

/* Where it all goes from now on; they stay the caller's. Before the first report. */
void publisher_outputs(struct publisher *publisher, struct outputs *outputs);
/*
 * For a run of months: each finding that is shown is counted by `finding`, and memory that would be taken later is taken now.
 */
void publisher_watch(struct publisher *publisher, void (*finding)(void *ctx, const struct smtpscope_finding *finding),
                     void *ctx);

/* What is published becomes comments there. NULL: nowhere. It must outlive the publisher. */
void publisher_annotations(struct publisher *publisher, struct annotations *annotations);

/* All that is found is kept there, chosen or not. NULL: nowhere. It must outlive the publisher. */
void publisher_store(struct publisher *publisher, struct store *store);

/* What is published is evidence: see evidence_writer_finding(). NULL: of nothing. It must outlive the publisher. */
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
