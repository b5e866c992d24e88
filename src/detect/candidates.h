/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SMTP on ports that are not watched for it. The beginning of each connection is kept until nDPI can tell what it is. What is
 * SMTP is handed on from its first segment, so that nothing of the session is lost; all else is dropped, most of it at its
 * first octet. A connection whose handshake was not seen is no candidate.
 */
#ifndef DETECT_CANDIDATES_H
#define DETECT_CANDIDATES_H

#include "detect/detect.h"
#include "smtpscope/segment.h"

struct candidates;

struct candidates_config {
    struct detect *detect; /* must outlive the table */
    uint64_t hash_seed;    /* anything an attacker cannot know; where segments have their hash, the one that made it */
    /* The next segment of a connection that turned out to be SMTP; all that were kept, in the order they came. */
    void (*follow)(void *ctx, const struct smtpscope_segment *segment);
    void *ctx;
};

/* Counters since the start. Each connection ends in one of the last four, unless it is open still. */
struct candidates_stats {
#define COUNTER(name, kind, metric, label, help) uint64_t name;
#include "detect/detect_counters.def"
};

/* NULL when out of memory. Freed by candidates_free(), which takes NULL too. */
struct candidates *candidates_new(const struct candidates_config *config);
void candidates_free(struct candidates *candidates);

/*
 * One segment, in capture order, of a connection that is neither watched nor followed already. False: nothing will come of that
 * connection any more.
 */
bool candidates_segment(struct candidates *candidates, const struct smtpscope_segment *segment);

/* The one counter that is a loss. */
uint64_t candidates_evicted(const struct candidates *candidates);
void candidates_stats(const struct candidates *candidates, struct candidates_stats *stats);

#endif
