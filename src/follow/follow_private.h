/* SPDX-License-Identifier: BSD-2-Clause */
/* A session with its judge as they are followed, and what the files of follow tell one another. Internal to follow. */
#ifndef FOLLOW_FOLLOW_PRIVATE_H
#define FOLLOW_FOLLOW_PRIVATE_H

#include "rules/memory.h"
#include "smtp/state/follower.h"
#include "smtpscope/follow.h"

/* One block, for there may be a million of them. The session is what the caller has in hand. */
struct followed {
    struct smtpscope_session session; /* first: see followed_of() */
    struct smtpscope_judge judge;
    struct smtpscope_hello_key hello;
    struct smtpscope_tls_connection *tls; /* NULL: it is not inside TLS */
    struct waiting *waiting;              /* its findings that wait to be told; NULL: none does */
    struct smtpscope_connecting connecting;
    bool in_clear;  /* the octets come by smtpscope_follow_clear(): those of the flow are not read */
    bool decrypted; /* smtpscope_session_decrypted() was called */
    bool opened;    /* ... by what `tls` has opened */
    bool alone;     /* it is a struct lone */
};

/* A session that the caller opened. They stand in a list, in the order in which they were opened. */
struct lone {
    struct followed followed; /* first */
    struct smtpscope_flow flow;
    struct lone *prev, *next;
    smtpscope_time last_time; /* of the last octets */
    uint64_t last_packet;
};

/* A session with findings that wait to be told; in the order in which they are due. */
struct waiting {
    struct waiting *next;
    struct followed *followed; /* NULL: its session has ended */
    smtpscope_time since;
};

struct smtpscope_follow {
    struct smtpscope_follow_config config;
    struct smtpscope_session_config session_config;
    struct smtpscope_judge_config judge_config;
    struct smtpscope_streams *streams;
    struct smtpscope_tls *tls;               /* NULL: no session was inside TLS yet */
    struct smtpscope_correlate *correlate;   /* NULL: nothing to correlate yet, or others do it */
    const struct smtpscope_session *current; /* whose fact or finding it is */
    smtpscope_time now;                      /* packet time */
    smtpscope_time expired;                  /* the last time that smtpscope_follow_expire() was given */
    struct lone *first, *last;
    struct waiting *waiting, **waiting_end;
    struct linger *linger, **linger_end; /* closed, and their keys are waited for */
    bool finishing;                      /* nothing is waited for any more */
    smtpscope_time told;                 /* the time of smtpscope_follow_tell() */
};

static inline struct followed *followed_of(const struct smtpscope_session *session)
{
    return (struct followed *)(uintptr_t)session;
}

/* followed.c */
/* `followed` is zero but for `alone`. */
void followed_begin(struct smtpscope_follow *follow, struct followed *followed, const struct smtpscope_flow *flow);
/* The session ends, and `followed` is no more. */
void followed_end(struct smtpscope_follow *follow, struct followed *followed, const struct smtpscope_ending *ending);
/* A fact of the session, to all that take facts. */
void follow_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact);
/* A finding, as one of the session that it comes from. */
void follow_finding(void *ctx, const struct smtpscope_finding *finding);
/* To the correlation: the caller's, or our own. */
void follow_trace(void *ctx, const struct smtpscope_trace *trace);

/* inside.c */
/* See smtpscope_session_config's inside_tls. */
void inside_octets(void *ctx, struct smtpscope_session *session, const struct smtpscope_octets *octets);

/* clear.c */
/* The sessions that the caller opened end, as END. */
void lone_finish(struct smtpscope_follow *follow);

/* linger.c */
/* The followed's flow has ended. False: it does not wait, and is to be ended now. */
bool linger_begin(struct smtpscope_follow *follow, struct followed *followed, const struct smtpscope_ending *ending);
void linger_expire(struct smtpscope_follow *follow);
void linger_finish(struct smtpscope_follow *follow);
void linger_clock_stepped(struct smtpscope_follow *follow, smtpscope_time delta);

/* waiting.c */
/* Behind a fact: what it made waits from now on. */
void waiting_note(struct smtpscope_follow *follow, struct followed *followed);
/* Its session ends. */
void waiting_leave(struct followed *followed);
void waiting_free(struct smtpscope_follow *follow);

#endif
