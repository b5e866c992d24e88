/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outcomes of many sessions -> findings across sessions: what became of a deferral, what a server stopped offering, patient
 * attacks. Whoever follows sessions in one place has it by smtpscope_follow_new(); this is for those who do it in several.
 */
#ifndef SMTPSCOPE_CORRELATE_H
#define SMTPSCOPE_CORRELATE_H

#include "smtpscope/finding.h"
#include "smtpscope/tls.h"

SMTPSCOPE_C_BEGIN

enum smtpscope_trace_kind {
    SMTPSCOPE_TRACE_OFFER,     /* an EHLO reply in clear: with or without STARTTLS */
    SMTPSCOPE_TRACE_LOGIN,     /* a login was refused */
    SMTPSCOPE_TRACE_UNKNOWN,   /* a recipient was refused as unknown */
    SMTPSCOPE_TRACE_KNOWN,     /* a recipient was accepted */
    SMTPSCOPE_TRACE_OUTCOME,   /* what became of a recipient of a message */
    SMTPSCOPE_TRACE_ATTEMPT,   /* a connection that never came to a word */
    SMTPSCOPE_TRACE_HANDSHAKE, /* of TLS: `failed` or not */
    SMTPSCOPE_TRACE_CLEAR,     /* a transaction outside of TLS */
    SMTPSCOPE_TRACE_INFERRED,  /* a transaction inside TLS, by its sizes */
    SMTPSCOPE_TRACE_TLS,       /* a session went on inside TLS, where nobody sees what it delivers */
};

/*
 * The name that the client gave in EHLO or HELO: its hash, seeded by `seed`, 0: none; and as much of it as its registered domain
 * is found by (by the Public Suffix List), in lower case, `domain_len` octets. A pool of senders shares that domain. Finding it
 * takes as long as a command and its reply, and few need it: so it is found where two clients are compared. Kept for each
 * session by whoever follows it.
 */
struct smtpscope_hello_key {
    uint64_t seed, hello;
    uint8_t domain_len;
    char domain[47];
};

/*
 * What a fact leaves for the correlation: small, without pointers into the session, so that it can travel from the thread that
 * follows the session to the one that correlates.
 */
struct smtpscope_trace {
    enum smtpscope_trace_kind kind;
    struct smtpscope_flow flow;
    struct smtpscope_endpoint client; /* of the flow, or whom a PROXY header names: see smtpscope_session_client() */
    smtpscope_time time;
    uint64_t packet;
    uint32_t exchange; /* its index; UINT32_MAX: none */
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    /* Of an exchange: */
    enum smtpscope_verb verb;
    const char *state; /* smtpscope_state_name() before it */
    uint64_t offset;   /* of the reply */
    bool starttls;     /* OFFER: it is offered */
    bool failed;       /* HANDSHAKE */
    /* Of an OUTCOME: */
    uint64_t envelope;                  /* hash of the sender and the recipient; never 0 */
    uint64_t size;                      /* MAIL SIZE=; SMTPSCOPE_NO_SIZE: not said */
    bool null_sender;                   /* MAIL FROM:<> */
    enum smtpscope_outcome outcome;     /* accepted, deferred or refused */
    struct smtpscope_hello_key hello;   /* of an OUTCOME or TLS: by which a client is known beside its address */
    struct smtpscope_inferred inferred; /* of an INFERRED; `time` is that of the session's end */
    /* Of an ATTEMPT, as struct smtpscope_attempt has them: */
    enum smtpscope_attempt_end attempt;
    struct smtpscope_icmp_seen icmp;
    uint32_t tries;
    smtpscope_time waited;
};

/* The trace of a connection that never came to a word. */
struct smtpscope_trace smtpscope_trace_attempt(const struct smtpscope_attempt *attempt);

#define SMTPSCOPE_NO_SIZE UINT64_MAX

/*
 * Calls `trace` for each trace of the fact, in order; valid during the call. Most facts have none. `key` is all zero but for
 * its seed when the session begins; all that follow sessions for one correlation have the same seed.
 */
void smtpscope_trace_fact(const struct smtpscope_session *session, const struct smtpscope_fact *fact,
                          struct smtpscope_hello_key *key, void (*trace)(void *ctx, const struct smtpscope_trace *trace),
                          void *ctx);

struct smtpscope_correlate;

/* Limits in packet time; 0 means the default in brackets. */
struct smtpscope_correlate_config {
    const struct smtpscope_allocator *allocator;                         /* NULL: realloc(3). Must outlive it */
    void (*finding)(void *ctx, const struct smtpscope_finding *finding); /* all it points to is valid during the call */
    void *ctx;
    smtpscope_time too_soon;        /* a retry at the same server sooner than this [60 s] */
    smtpscope_time persistent_time; /* deferred for longer than this, and [4 h] */
    uint32_t persistent_tries;      /* more often than this [5] */
    smtpscope_time overdue;         /* no retry for so long, and for three times as long as between two tries before [4 h] */
    smtpscope_time abandoned;       /* no retry for so long [4 days: RFC 5321 4.5.4.1] */
    uint64_t hash_seed;             /* anything that a sender cannot know: who knows it can be taken for another */
};

/* NULL when out of memory. `config` is copied. */
struct smtpscope_correlate *smtpscope_correlate_new(const struct smtpscope_correlate_config *config);
void smtpscope_correlate_free(struct smtpscope_correlate *correlate);
/* Its tables are of a fixed size: takes their memory now, not bit by bit while they fill for days. */
void smtpscope_correlate_settle(struct smtpscope_correlate *correlate);

/* What a fact of any session left; in the order of the facts of each session. */
void smtpscope_correlate_trace(struct smtpscope_correlate *correlate, const struct smtpscope_trace *trace);

/* The capture ended at `end`: what was deferred and never tried again is told. */
void smtpscope_correlate_finish(struct smtpscope_correlate *correlate, smtpscope_time end);

/* A transaction inside TLS that seems to be the same message as one of an earlier session. */
struct smtpscope_inferred_retry {
    uint64_t of;   /* that session, by its flow's first packet; 0: none is known */
    bool doubtful; /* the earlier one had seemed accepted, and was not: so may be this one */
};
/*
 * Of the transaction of struct smtpscope_inferred's `index`, in the session whose flow's first packet is `session`, while that
 * session's traces are the last ones.
 */
struct smtpscope_inferred_retry smtpscope_correlate_retry(const struct smtpscope_correlate *correlate, uint64_t session,
                                                          uint32_t index);
/* How often such a guess is right, of a hundred, as measured. */
#define SMTPSCOPE_RETRY_PERCENT 80

/* Deferrals that were forgotten because the table was full. */
uint64_t smtpscope_correlate_forgotten(const struct smtpscope_correlate *correlate);

SMTPSCOPE_C_END

#endif
