/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Findings that are alike, as one: the same rule at the same server for the same cause, whoever the clients are. The first one
 * is told at once and opens a window; when it ends, and there were others, it is told again with what they add: count, last time,
 * severity. Windows are bounded: beyond that many the oldest ends early.
 */
#ifndef APP_PUBLISH_REPEATS_H
#define APP_PUBLISH_REPEATS_H

#include "smtpscope/finding.h"

/* Addresses that are named: enough to recognise who it is. */
#define REPEATS_SAMPLES 5
/* Different clients of one window that are counted: beyond this, `count` stands for so many or more. */
#define REPEATS_CLIENTS_MAX 256

struct repeats;

/* Whose findings were put together. Valid during the call only. */
struct repeats_clients {
    struct smtpscope_endpoint sample[REPEATS_SAMPLES]; /* the first ones; the port is that of their first finding */
    size_t sample_count, count;                        /* named, and in all */
};

/* `finding` takes each one, the first without clients; all it points to is valid during the call. */
struct repeats_config {
    void (*finding)(void *ctx, const struct smtpscope_finding *finding, const struct repeats_clients *clients);
    void *ctx;
    uint64_t hash_seed; /* nothing that a client can know */
};

/* NULL when out of memory. `config` is copied. Freeing tells nothing: flush first. */
struct repeats *repeats_new(const struct repeats_config *config);
void repeats_free(struct repeats *repeats);

/*
 * Puts the finding with those like it, or opens a window of the length `window` at `now`, which is of any clock that never runs
 * back. What is told of a finding that was told before changes its share of the window; when that has ended, nothing is.
 * Without memory it goes through as it is.
 */
void repeats_finding(struct repeats *repeats, const struct smtpscope_finding *finding, smtpscope_time now,
                     smtpscope_time window);
/* Ends the windows whose time is over. */
void repeats_tick(struct repeats *repeats, smtpscope_time now);
/* Ends all of them. */
void repeats_flush(struct repeats *repeats);

#endif
