/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the judge remembers from one fact to the next, by how long it lives: as long as the session, as long as a transaction
 * (RFC 5321 3.3), or until the next exchange. Each of the last two is forgotten as a whole, in one place of memory.c.
 *
 * Each lifetime has two parts. What any session needs is in the judge itself, which must be small, for there may be a million
 * that only wait. The rest is in its session_memory, which only a session with findings, or with LIMITS, has.
 */
#ifndef RULES_MEMORY_H
#define RULES_MEMORY_H

#include "note.h"
#include "reply_meaning.h"

/* A refusal that later refusals may only follow from. */
struct past_refusal {
    uint64_t reply_end; /* a client that had not acknowledged so much did not know of it */
    uint16_t note;      /* id of the note that covers it; 0: none */
};

/* So many distinct recipients' refusals of one transaction are linked; more share the last. */
#define ROOTS_MAX 4

/* Until the session ends. Where it is a number of 16 bits, it is the id of a note; 0: none. */
struct session_findings {
    struct past_refusal hello; /* the EHLO or HELO that was refused last, and none was accepted since */
    uint16_t alien;            /* the client speaks another protocol */
    uint16_t early;            /* it spoke before the greeting */
    uint16_t pipelined;        /* it did not wait for a reply it had to wait for */
    uint16_t greeting;         /* the greeting was a refusal */
    uint16_t closing;          /* 421, or another reply with which the server closes */
    uint16_t not_followed;     /* STARTTLS without TLS */
    uint16_t reply_behind;     /* the client did not wait for a message's reply, and may take each reply for the next one */
    uint16_t missing;          /* commands without a reply, as the session ends */
    uint16_t conflict;         /* octets came twice, and differ */
    uint16_t network;          /* what TCP shows explains how the session ends */
    bool early_allowed;        /* the server offers that the client speaks before the greeting */
    bool ehlo_refused;
    uint16_t middlebox; /* a firewall writes over what it does not know */
    uint16_t proxy;     /* a PROXY header came first */
    bool is_proxied;    /* ... which the server accepted, and which names the client */
    struct smtpscope_endpoint proxied_for;
    uint32_t errors, unknown_recipients, failed_logins;
    uint32_t limit_rcpt, limit_mail; /* LIMITS of the last EHLO reply (RFC 9422 4) */
    uint32_t mails;                  /* MAILs since there is a limit */
};

/* Until a transaction ends or another begins; what is said between two belongs to the one to come. */
struct transaction_findings {
    struct past_refusal mail;            /* the MAIL that was refused, so that none is open */
    struct past_refusal rcpt[ROOTS_MAX]; /* RCPTs that were refused */
    uint32_t rcpt_count;
    struct past_refusal chunk; /* the BDAT that was refused last */
    uint16_t unknown_bdat;     /* BDAT to a server that does not know it: the lines of the chunk are no commands */
    uint16_t data_let_pass;    /* DATA was let pass out of order: what is said at its end follows from that */
    uint16_t lookalike;        /* of the message before: what the server says unasked is of the lines behind the look-alike */
};

/* Until the next exchange. */
struct exchange_findings {
    uint32_t index;             /* of the exchange */
    enum reply_meaning meaning; /* of a refusal */
    uint16_t bare_lf;           /* the command's line ended in LF alone */
    uint16_t codeless;          /* the reply has no code */
    uint16_t refused;           /* why it was refused, unless the client was gone by then */
    uint16_t oversize;          /* the size that MAIL, or BDAT, declared */
    uint16_t mechanism;         /* the mechanism of AUTH was not advertised */
};

struct session_memory {
    smtpscope_time final_took; /* from the end of a message to the reply that accepted it, the last one; 0: it was quick */
    struct note_list notes;
    struct session_findings session;
    struct transaction_findings transaction;
    struct exchange_findings last;
};

struct session_facts {
    uint8_t server;                          /* software: see server_name() */
    uint8_t tls_told : 5;                    /* a bit an enum smtpscope_tls_event */
    bool doubtful : 1;                       /* the capture lacks something of the session */
    bool early_refused : 1, early_taken : 1; /* of what the client sent before the greeting */
    bool tls_granted : 1, hello_stale : 1;   /* 220 to STARTTLS; no EHLO since (RFC 3207 4.2) */
    bool secret_sent : 1, secret_hidden : 1; /* in the AUTH in progress; hidden: what it shows cannot be used again */
    bool server_seen : 1, client_seen : 1;
    bool starttls_offered : 1, mail_in_clear : 1;
    bool closing_seen : 1;                    /* the server said that it closes */
    bool unanswered : 1, quit_unanswered : 1; /* unanswered: of another command than QUIT */
    bool message_accepted : 1;
    bool hello_not_needed : 1; /* the server let MAIL pass without EHLO or HELO */
    bool used_closed : 1;      /* a finding says that the client wrote to a connection which the server had closed */
    bool network_seen : 1;     /* what TCP shows was looked at: the session ends */
    bool lost_message : 1;     /* a finding says what became of the message: the unanswered commands say no more */
};

struct transaction_facts {
    uint32_t recipients : 25;    /* RCPTs */
    bool hindered : 1;           /* the next reply is late because of the network, or of a closed window */
    bool hindered_by_client : 1; /* ... the client's window */
    bool chunk_told : 1;         /* a chunk was over the limit */
    bool smtputf8 : 1;           /* MAIL said so */
    bool null_sender : 1;        /* MAIL FROM:<> */
    bool unopened : 1;           /* a RCPT was let pass without MAIL: the server may say later that there is no transaction */
    bool accepted_last : 1;      /* the last reply accepted a message */
};

struct smtpscope_judge {
    const struct smtpscope_judge_config *config;
    const struct smtpscope_flow *flow;
    struct session_memory *memory; /* NULL: none yet. See memory_of(). */
    struct transaction_facts transaction;
    uint32_t mechanisms;       /* of the last EHLO reply: see struct smtpscope_offer */
    smtpscope_time last_reply; /* when the server spoke last */
    uint16_t note_count, told; /* told: the notes up to this id were told, while the session went on */
    struct session_facts session;
};

/* smtpscope_judge_new() and _free() for callers that keep a judge in memory of their own, which is zero before: see judge.c. */
void judge_init(struct smtpscope_judge *judge, const struct smtpscope_judge_config *config);
void judge_fini(struct smtpscope_judge *judge);

extern const struct session_memory no_memory;

/* To read what is remembered, whether there is any memory or not. What is written goes to judge->memory, which is there if a note is. */
static inline const struct session_memory *memory_of(const struct smtpscope_judge *judge)
{
    return judge->memory ? judge->memory : &no_memory;
}

/* The memory, from now on if not before. NULL: out of memory. */
struct session_memory *memory_begin(struct smtpscope_judge *judge);
/* An exchange begins: what is remembered of the last one is gone. */
void exchange_forget(struct smtpscope_judge *judge);
/* A transaction ends or begins. */
void transaction_forget(struct smtpscope_judge *judge);

/*
 * Is the client's protocol another one? Then what it writes out of order, badly or too soon, and how the session ends, only
 * follows from that. What the server did of its own, a secret that was shown, an attack and a message are told all the same.
 */
static inline bool is_alien(const struct smtpscope_judge *judge)
{
    return memory_of(judge)->session.alien;
}

#endif
