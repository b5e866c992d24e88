/* SPDX-License-Identifier: BSD-2-Clause */
/* How long servers take to answer, by command, and with which class of reply: histograms for the metrics. */
#ifndef OUTPUT_METRICS_REPLY_TIMES_H
#define OUTPUT_METRICS_REPLY_TIMES_H

#include "smtpscope/session.h"

#define REPLY_TIMES_BUCKETS 19
#define REPLY_CLASSES 5 /* 1yz to 5yz */

/* The replies to one command. */
struct reply_time {
    uint64_t
        buckets[REPLY_TIMES_BUCKETS + 1]; /* each alone, not the sum up to it; the last one has what is beyond all bounds */
    uint64_t count;
    uint64_t sum;                    /* ns */
    uint64_t classes[REPLY_CLASSES]; /* 1yz first; also of replies whose time is not known */
};

/* All zero is empty. Verb NONE stands for the greeting, from the connection's first packet. */
struct reply_times {
    struct reply_time verbs[SMTPSCOPE_VERBS];
};

/* One fact of any session. */
void reply_times_fact(struct reply_times *times, const struct smtpscope_session *session, const struct smtpscope_fact *fact);
/* Adds what another has counted. */
void reply_times_add(struct reply_times *to, const struct reply_times *from);
/* The upper bound of a bucket, inclusive; ns. */
smtpscope_time reply_times_bound(unsigned bucket);
/* A word for each verb, in the table's spelling: "MAIL", ".", "greeting", "unknown". */
const char *reply_times_name(enum smtpscope_verb verb);

#endif
