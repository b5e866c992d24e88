/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sessions of one worker: segments come in, reports go out to its taker. The library follows and judges (smtpscope/follow.h);
 * here it gets its memory, its bounds, its share of the work, SMTP on other ports (detect), and the records of --sessions and
 * --messages are made.
 */
#ifndef APP_SESSIONS_SESSIONS_H
#define APP_SESSIONS_SESSIONS_H

#include "app/handoff/report_taker.h"
#include "app/handoff/totals.h"
#include "follow/prefetch.h"
#include "output/selection.h"
#include "smtpscope/segment.h"
#include "smtpscope/tls.h"

struct sessions;

/* All that it points to must outlive the sessions. */
struct sessions_config {
    const uint8_t *ports;        /* watched, a bit each */
    bool detect;                 /* sessions on other ports are looked for */
    struct smtpscope_keys *keys; /* of TLS; NULL: none */
    void (*earlier)(void *ctx);  /* see struct smtpscope_follow_config; with `earlier_ctx`. NULL: one worker */
    void *earlier_ctx;
    bool no_inference;           /* of what TLS hides */
    smtpscope_time key_patience; /* they may still come: see struct smtpscope_follow_config */
    size_t max_sessions;         /* of all workers; 0: as many as the machine should hold */
    bool sessions, messages;     /* these are told, too */
    struct selection selection;  /* of --from and --to: other sessions say nothing */
    const struct report_taker *taker;
    struct totals *totals;     /* what is counted, apart from frames */
    bool time_replies;         /* totals->reply_times is wanted */
    struct evidence *evidence; /* told of the flows that end; NULL: not wanted */
    uint64_t hash_seed;        /* the same for all workers, and nothing an attacker can know */
    unsigned workers;          /* the limits are shared among so many */
    /*
     * Findings are told so long after they are made, see sessions_tell(); 0: when their session ends. The wait lets what
     * belongs together come together.
     */
    smtpscope_time patience;
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

/* Brings the stages' own counters in the totals up to date. */
void sessions_count(const struct sessions *sessions);

#endif
