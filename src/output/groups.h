/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings of one kind, over all sessions: what text mode prints once. A kind is (rule, reason, fault, severity), all words of
 * our own tables, so a hostile capture cannot make more groups than there are kinds.
 */
#ifndef OUTPUT_GROUPS_H
#define OUTPUT_GROUPS_H

#include "smtpscope/finding.h"

/* Enough to recognise the case, few enough to leave room for the remedy. */
#define GROUP_EXAMPLES 3
/* Different software among the servers of a group; the settings of each are printed. */
#define GROUP_SERVERS 3
/* Different causes named. */
#define GROUP_CAUSES 3

/* One session of a group. The strings are owned. */
struct group_example {
    smtpscope_time time;
    uint64_t packet;
    struct smtpscope_endpoint side[2];        /* all zero in a group of no session */
    char *command, *argument, *text, *detail; /* "" where there is none */
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    enum smtpscope_verdict verdict;
    char reason_evidence[SMTPSCOPE_EVIDENCE_SIZE]; /* "" where there is none */
};

struct group {
    enum smtpscope_rule rule;
    enum smtpscope_reason reason;
    enum smtpscope_fault fault;
    enum smtpscope_severity severity;
    bool of_program; /* about the program itself: `sessions` are findings then */
    uint64_t sessions, count, folded;
    uint64_t likely; /* findings that are not certain */
    uint64_t last_session;
    struct group_example examples[GROUP_EXAMPLES];
    size_t example_count;
    char *servers[GROUP_SERVERS];
    size_t server_count;
    enum smtpscope_rule causes[GROUP_CAUSES];
    size_t cause_count;
    struct group *next; /* of the same rule */
};

struct groups;

/* NULL when out of memory. */
struct groups *groups_new(void);
void groups_free(struct groups *groups);
/* The finding's group, with the finding in it; NULL when out of memory, and then it is in none. */
const struct group *groups_add(struct groups *groups, const struct smtpscope_finding *finding);
/* All groups, the most severe first, then by sessions; owned by `groups`, `*count` of them. NULL when there are none. */
struct group *const *groups_sorted(struct groups *groups, size_t *count);

#endif
