/* SPDX-License-Identifier: BSD-2-Clause */
/* The totals of a run. */
#ifndef OUTPUT_SUMMARY_H
#define OUTPUT_SUMMARY_H

#include "smtpscope/finding.h"

#define SUMMARY_OUTCOMES (SMTPSCOPE_OUTCOME_UNKNOWN + 1)

/* A counter of a stage, for the stats; `name` is static. */
struct summary_counter {
    const char *name;
    uint64_t value;
};

/* Counters of one stage, under its name. */
struct summary_stage {
    const char *name;
    const struct summary_counter *counters;
    size_t count;
};

struct summary {
    const char *watched;             /* the interfaces, for people; NULL: files were read */
    uint64_t files, packets, octets; /* read, and the octets of their frames on the wire */
    smtpscope_time first_time, last_time;
    uint64_t sessions, exchanges;
    uint64_t messages[SUMMARY_OUTCOMES];   /* by enum smtpscope_outcome */
    uint64_t recipients[SUMMARY_OUTCOMES]; /* by their RCPT; also those of transactions without a message */
    uint64_t findings[SMTPSCOPE_RULES];    /* that were printed */
    uint64_t by_severity[SMTPSCOPE_SEVERITIES];
    uint64_t hidden; /* findings below --min-severity: not printed */
    /* What limits certainty. */
    uint64_t midstream, one_sided, gaps, gap_octets, conflicts, encrypted, not_smtp, evicted, overflowed, unfinished;
    uint64_t undetected;    /* connections on other ports, given up before it was known what they are: this program's limit */
    uint64_t forgotten;     /* deferrals of which it is not known what became of them: this program's limit */
    uint64_t dropped;       /* packets that an interface or the kernel lost before they were seen */
    uint64_t unknown_links; /* packets of a link type that is not known here */
    uint64_t damaged_segments; /* left out: their checksums are wrong */
    uint64_t damaged_files;
    bool interrupted;
    const struct summary_stage *stages;
    size_t stage_count;
};

/* One fact of any session. */
void summary_fact(struct summary *summary, const struct smtpscope_session *session, const struct smtpscope_fact *fact);
/* Adds what another part of the run has counted; `watched`, times, stages and `interrupted` are left alone. */
void summary_add(struct summary *summary, const struct summary *part);
/* A finding that is printed. */
void summary_finding(struct summary *summary, const struct smtpscope_finding *finding);
/* How many findings were printed. */
uint64_t summary_findings(const struct summary *summary);

#endif
