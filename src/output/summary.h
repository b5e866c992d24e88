/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The totals of a run: facts and findings are counted here, and each output is given them at the end. What is counted is the tables
 * total_counters.def and limit_counters.def.
 */
#ifndef OUTPUT_SUMMARY_H
#define OUTPUT_SUMMARY_H

#include "base/counters.h"
#include "smtpscope/finding.h"

#define SUMMARY_OUTCOMES SMTPSCOPE_OUTCOMES
/* More than there are stages that count. */
#define SUMMARY_STAGES_MAX 8

/* Counters of one stage: a struct as its table has it. */
struct summary_stage {
    const struct counter_table *table;
    const void *counters;
};

struct summary {
    /* First, so that they are such structs themselves: one of summary_totals, and behind it one of summary_limits. */
#define COUNTER(name, kind, metric, label, help) uint64_t name;
#include "output/total_counters.def"
#define LIMIT(name, metric, label, help, words) uint64_t name;
#include "output/limit_counters.def"
    uint64_t messages[SUMMARY_OUTCOMES];   /* tries to deliver one, by enum smtpscope_outcome */
    uint64_t recipients[SUMMARY_OUTCOMES]; /* by their RCPT; also those of transactions without a message */
    uint64_t findings[SMTPSCOPE_RULES];    /* that were printed */
    uint64_t by_severity[SMTPSCOPE_SEVERITIES];
    uint64_t attempts, unanswered, rejected; /* connections that never came to a word, and what became of them */
    const char *watched;                     /* the interfaces, for people; NULL: files were read */
    smtpscope_time first_time, last_time;
    bool interrupted;
    struct summary_stage stages[SUMMARY_STAGES_MAX]; /* that are shown */
    size_t stage_count;
};

extern const struct counter_table summary_totals; /* what the run has seen */
extern const struct counter_table summary_limits; /* what limits the certainty of findings */

/* The two parts of a summary that these tables tell. */
static inline const void *summary_totals_of(const struct summary *summary)
{
    return summary;
}
const void *summary_limits_of(const struct summary *summary);

/* One fact of any session. */
void summary_fact(struct summary *summary, const struct smtpscope_session *session, const struct smtpscope_fact *fact);
/* Adds what another part of the run has counted; `watched`, times, stages and `interrupted` are left alone. */
void summary_add(struct summary *summary, const struct summary *part);
/* A finding that is printed. */
void summary_finding(struct summary *summary, const struct smtpscope_finding *finding);
/* How many findings were printed. */
uint64_t summary_findings(const struct summary *summary);

#endif
