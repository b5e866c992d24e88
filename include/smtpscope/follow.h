/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole library behind one entry: TCP segments, or what was decrypted of them, go in; facts, findings of sessions and
 * findings across sessions come out. It joins streams, sessions, judges and the correlation.
 */
#ifndef SMTPSCOPE_FOLLOW_H
#define SMTPSCOPE_FOLLOW_H

#include "smtpscope/correlate.h"
#include "smtpscope/judge.h"
#include "smtpscope/stream.h"
#include "smtpscope/tls.h"

SMTPSCOPE_C_BEGIN

struct smtpscope_follow;

/*
 * What is to be followed, within which bounds, and who hears of it. Of the callbacks any may be NULL but `finding`; `ctx` is
 * passed to each. All they are given is valid during the call only, but for the session, which lives until `closed` has returned.
 */
struct smtpscope_follow_config {
    const struct smtpscope_allocator *allocator; /* NULL: realloc(3). Must outlive what is made of it */
    const uint8_t
        *ports;         /* a bit per TCP port of servers, 8192 octets; NULL: 25, 465 and 587. Must outlive what is made of it */
    uint64_t hash_seed; /* anything an attacker cannot know; where segments have their hash, the one that made it */
    size_t max_flows;   /* 0: the default, as of the next two. See struct smtpscope_stream_config */
    size_t max_held;
    smtpscope_time idle;
    /*
     * Findings are told when their session ends, for only then all is known. `live`: also before that, by
     * smtpscope_follow_tell(), `patience` after they were made: the wait lets what belongs together come together.
     */
    bool live;
    smtpscope_time patience;
    /*
     * Secrets of sessions inside TLS, which are then followed there, too; NULL: none. Must outlive what is made of it.
     * `key_patience`: they may still come, and sessions without theirs wait so long, in packet time. See tls.h.
     */
    struct smtpscope_keys *keys;
    smtpscope_time key_patience;
    bool no_inference; /* of sessions inside TLS without keys, nothing is told by their sizes: see struct smtpscope_inferred */
    /* NULL: nobody else follows the connections of this capture. See struct smtpscope_tls_events. */
    void (*earlier)(void *ctx);

    /* A session begins: what it returns is the session's user, see smtpscope_session_user(). */
    void *(*opened)(void *ctx, struct smtpscope_session *session);
    /* A flow of which no more is told, as there is no memory for its session. */
    void (*unfollowed)(void *ctx, const struct smtpscope_flow *flow);
    /*
     * Each fact, messages among them, once the judge has it; but the session's end comes before what the judge concludes from
     * it, so that what is said of the session stands before its findings.
     */
    void (*fact)(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact);
    /*
     * A finding of the session, see struct smtpscope_judge_config; or one across sessions, whose id is 0, and whose session the
     * one that made it show, or NULL when that is the end of all.
     */
    void (*finding)(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding);
    /* NULL: the sessions are correlated here. Else what they leave for it is passed to whoever correlates those of many. */
    void (*trace)(void *ctx, const struct smtpscope_trace *trace);
    /* The session has ended, and all of it was told. */
    void (*closed)(void *ctx, const struct smtpscope_session *session, const struct smtpscope_ending *ending);
    /* See struct smtpscope_session_config. */
    const char *(*name_protocol)(void *ctx, const uint8_t *octets, size_t len);
    void *ctx;
};

/* `config` is copied. NULL when out of memory. */
struct smtpscope_follow *smtpscope_follow_new(const struct smtpscope_follow_config *config);
/* What is still open ends without a word: of the callbacks only `closed` is called. */
void smtpscope_follow_free(struct smtpscope_follow *follow);

/*
 * One segment, in capture order. False, and nothing done, when it is none of ours: neither port is watched, and its connection
 * was not adopted. Never fails; what could not be kept is counted.
 */
bool smtpscope_follow_segment(struct smtpscope_follow *follow, const struct smtpscope_segment *segment);
/* The same for the first segments of a connection on no watched port: see smtpscope_streams_follow(). */
void smtpscope_follow_adopt(struct smtpscope_follow *follow, const struct smtpscope_segment *segment);
/* Packet time has reached `now`, by a frame that is not given: see smtpscope_streams_expire(). */
void smtpscope_follow_expire(struct smtpscope_follow *follow, smtpscope_time now);
/* The clock that stamps the segments was set by `delta`: see smtpscope_streams_clock_stepped(). */
void smtpscope_follow_clock_stepped(struct smtpscope_follow *follow, smtpscope_time delta);

/*
 * Octets of the session in clear, that the caller took out of what carries them: TLS (`encrypted`), or another layer. From the
 * first of them on they are the session's octets, and those of its flow count no more. Of `octets`, `offset` and `acked` are
 * not looked at: they count on from where each side stood.
 */
void smtpscope_follow_clear(struct smtpscope_follow *follow, struct smtpscope_session *session,
                            const struct smtpscope_octets *octets, bool encrypted);
/*
 * A session that no stream stands behind: its octets come by smtpscope_follow_clear() alone, and it ends by
 * smtpscope_follow_close(), or with all others. `flow` is copied. NULL when out of memory.
 */
struct smtpscope_session *smtpscope_follow_open(struct smtpscope_follow *follow, const struct smtpscope_flow *flow);
/* Nothing happens to a session of a stream, which ends by itself. Of `ending`, `time` and `packet` may be 0: the last ones. */
void smtpscope_follow_close(struct smtpscope_follow *follow, struct smtpscope_session *session,
                            const struct smtpscope_ending *ending);

/*
 * With `live`: tells the findings that have waited long enough at `now`, and counts the patience of new ones from there. Any
 * clock that never runs back.
 */
void smtpscope_follow_tell(struct smtpscope_follow *follow, smtpscope_time now);

/* The capture is over: closes all that is open, as END, and tells what shows only then. Harmless when repeated. */
void smtpscope_follow_finish(struct smtpscope_follow *follow);

/* Why the exchange was refused, as the findings of its session have it so far; REASON_NONE: it was not, or none says. */
enum smtpscope_reason smtpscope_follow_reason(const struct smtpscope_session *session,
                                              const struct smtpscope_exchange *exchange);

void smtpscope_follow_stats(const struct smtpscope_follow *follow, struct smtpscope_stream_stats *stats);

SMTPSCOPE_C_END

#endif
