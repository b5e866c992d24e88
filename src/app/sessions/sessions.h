/* SPDX-License-Identifier: BSD-2-Clause */
/* The middle of the line, of one worker: segments -> flows -> sessions -> facts -> reports. */
#ifndef APP_SESSIONS_SESSIONS_H
#define APP_SESSIONS_SESSIONS_H

#include "app/handoff/report_taker.h"
#include "app/options/options.h"
#include "detect/candidates.h"
#include "follow/prefetch.h"
#include "output/metrics/reply_times.h"
#include "output/summary.h"
#include "smtpscope/stream.h"

struct sessions;

/* Text for people, and JSON Lines: the most formats in which session and message lines can be wanted at once. */
#define SESSIONS_FORMATS 2

/* All that it points to must outlive the sessions. */
struct sessions_config {
    const struct options *options;
    const struct report_taker *taker;
    struct summary *summary;
    struct reply_times *reply_times; /* NULL: not wanted */
    struct evidence *evidence;       /* told of the flows that end; NULL: not wanted */
    uint64_t hash_seed;              /* the same for all workers, and nothing an attacker can know */
    unsigned workers;                /* the limits are shared among so many */
    /*
     * Findings are told so long after they are made, see sessions_tell(); 0: when their session ends. The wait lets what
     * belongs together come together.
     */
    smtpscope_time patience;
    /* The formats of --sessions and --messages lines, without their `write`; a line bears its format's index. */
    const struct output_config *formats;
    size_t format_count;
};

/* `config` is copied. NULL when out of memory. */
struct sessions *sessions_new(const struct sessions_config *config);
void sessions_free(struct sessions *sessions);

void sessions_segment(struct sessions *sessions, const struct smtpscope_segment *segment);
/* Packet time has reached `now`. */
void sessions_expire(struct sessions *sessions, smtpscope_time now);
/*
 * Tells the findings that have waited long enough at `now`, and counts the patience of new ones from there. Any clock that
 * never runs back.
 */
void sessions_tell(struct sessions *sessions, smtpscope_time now);
/* The clock that stamps packets was set by `delta`. */
void sessions_clock_stepped(struct sessions *sessions, smtpscope_time delta);
/* Closes all that is open. */
void sessions_finish(struct sessions *sessions);

/* See follow/prefetch.h. */
#define SESSIONS_STEPS FOLLOW_STEPS
bool sessions_are_many(const struct sessions *sessions);
void sessions_prefetch(const struct sessions *sessions, uint64_t hash, unsigned step);

void sessions_stats(const struct sessions *sessions, struct smtpscope_stream_stats *stats);
/* Of --detect; without it all zero. */
void sessions_detect_stats(const struct sessions *sessions, struct candidates_stats *stats);
/* Adds what another worker has counted. */
void stream_stats_add(struct smtpscope_stream_stats *to, const struct smtpscope_stream_stats *from);

#endif
