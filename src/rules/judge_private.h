/* SPDX-License-Identifier: BSD-2-Clause */
/* What the detectors share: the session as the judge remembers it, and the one way to report. Internal to rules. */
#ifndef RULES_JUDGE_PRIVATE_H
#define RULES_JUDGE_PRIVATE_H

#include "reading.h"
#include "smtpscope/judge.h"

/* What may change of a finding after it was told, as it was told. */
struct telling {
    const char *server;
    uint64_t detail_number;
    uint32_t cause, count, folded;
    uint8_t severity, verdict, reason, confidence, fault, detail; /* enums of these names */
};

/* A finding in the making: final when the session ends, so that its symptoms can be counted and folded under it. */
struct note {
    struct note *next;
    struct smtpscope_finding finding; /* its texts are owned by the note */
    struct telling telling;           /* the last one */
    uint32_t *evidence, *symptoms;
    uint32_t evidence_count, evidence_capacity, symptom_count, symptom_capacity;
    char *texts;
};

/* A refusal that later refusals may only follow from. */
struct refusal {
    uint32_t note;       /* id of the note that covers it; 0: none */
    uint64_t reply_end;  /* a client that had not acknowledged so much did not know of it */
    uint32_t exchange;
};

/* So many distinct recipients' refusals of one transaction are linked; more share the first. */
#define ROOTS_MAX 4

struct smtpscope_judge {
    const struct smtpscope_judge_config *config;
    struct note *notes, *last;
    const struct smtpscope_flow *flow;
    const char *server; /* software, static */
    uint32_t note_count, told; /* told: the notes up to this id, while the session went on */
    struct refusal mail;             /* the MAIL that was refused last, while no transaction is open */
    struct refusal rcpt[ROOTS_MAX];  /* refused RCPTs of the open transaction */
    uint32_t rcpt_count;
    struct refusal hello;            /* EHLO or HELO */
    uint32_t alien, early, pipelined, greeting; /* ids of the session's notes of these kinds; greeting: it was refused */
    uint32_t no_recipient; /* of DATA that was let pass though no recipient was: its end follows from that */
    uint32_t codeless, closing, not_followed; /* of the last reply without a code, the 421 that closed, STARTTLS without TLS */
    uint32_t oversize; /* of the size that MAIL declared, while that is the last exchange */
    uint32_t errors, unknown_recipients, failed_logins;
    uint32_t recipients;             /* RCPTs of the open transaction */
    uint32_t mails;                  /* MAILs of the session */
    uint32_t mechanism; /* id of the note about a mechanism that was not advertised, while it is the last */
    uint32_t mechanisms, limit_rcpt, limit_mail; /* of the last EHLO reply: see advertised.c */
    bool doubtful;    /* the capture lacks something of the session */
    bool early_refused, early_taken;
    bool tls_granted, hello_stale; /* 220 to STARTTLS; no EHLO since (RFC 3207 4.2) */
    bool chunk_told;  /* a chunk of the open transaction was over the limit */
    bool smtputf8;    /* MAIL of the open transaction said so */
    bool secret_sent, secret_hidden; /* in the AUTH in progress; hidden: its mechanism shows nothing that can be used again */
    uint8_t tls_told;  /* a bit an enum smtpscope_tls_event */
    bool server_seen, client_seen;
    bool starttls_offered, mail_in_clear;
    bool closing_seen; /* 421 or 221: the server said that it closes */
    bool quit_unanswered;
    bool lost_message; /* a finding says what became of the message: the unanswered commands say no more */
};

/* What a detector reports. Zero means "as the rule says" or "none". */
struct ground {
    enum smtpscope_rule rule;
    int severity; /* 0: the rule's; else 1 + enum smtpscope_severity */
    enum smtpscope_verdict verdict;
    enum smtpscope_reason reason;
    enum smtpscope_confidence confidence;
    enum smtpscope_fault fault;
    enum smtpscope_detail detail;
    struct smtpscope_text detail_text;
    uint64_t detail_number;
    uint32_t cause;
    const struct smtpscope_exchange *exchange;
    const struct smtpscope_command *command; /* the evidence when there is no exchange */
    const struct smtpscope_fact *fact;       /* time and packet when there is neither */
    uint64_t offset;                         /* in `side`'s stream, when there is neither */
    enum smtpscope_side side;
};
#define SEVERITY(level) (1 + SMTPSCOPE_##level)

/* A number as text: digits[at] to the end. */
struct number {
    char digits[24];
    size_t at;
};

static inline struct number number_text(uint64_t value)
{
    struct number number = { .at = sizeof number.digits };

    do
        number.digits[--number.at] = (char)('0' + value % 10);
    while (value /= 10);
    return number;
}

/* note.c. Returns the note: a new one, or the one of the same rule and cause, counted once more. NULL: out of memory. */
struct note *note_add(struct smtpscope_judge *judge, const struct ground *ground);
struct note *note_find(struct smtpscope_judge *judge, uint32_t id);
/* A symptom: covered by the note, told nowhere else. False when there is no such note. */
bool note_fold(struct smtpscope_judge *judge, uint32_t id, uint32_t exchange);
void notes_emit(struct smtpscope_judge *judge);
void notes_free(struct smtpscope_judge *judge);

/* An exchange whose code is 400 or more, and what its text says. */
struct refused {
    const struct smtpscope_exchange *exchange;
    const struct smtpscope_command *command;
    const struct smtpscope_reply *reply;
    const struct smtpscope_state *before;
    enum smtpscope_verb verb;
    uint16_t code;
    enum reading reading;
    enum smtpscope_verdict verdict;
    enum smtpscope_confidence confidence;
};

/* refused.c: exactly one detector of the procedure takes a refused exchange. Returns the id of the note that covers it. */
uint32_t judge_refused(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* sequence.c */
uint32_t detect_sequence(struct smtpscope_judge *judge, const struct refused *refused);
bool is_about_order(const struct refused *refused);
uint32_t detect_refused_in_order(struct smtpscope_judge *judge, const struct refused *refused);
void judge_tolerated(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* rejection.c */
uint32_t detect_extension(struct smtpscope_judge *judge, const struct refused *refused);
uint32_t detect_parameter(struct smtpscope_judge *judge, const struct refused *refused);
uint32_t detect_syntax(struct smtpscope_judge *judge, const struct refused *refused);
uint32_t detect_verb(struct smtpscope_judge *judge, const struct refused *refused);

/* mail.c */
uint32_t detect_mail(struct smtpscope_judge *judge, const struct refused *refused);
void judge_message(struct smtpscope_judge *judge, const struct smtpscope_session *session, const struct smtpscope_fact *fact);

/* oddity.c: what is wrong with a command or a reply itself, whatever it means */
void judge_oddities(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
void judge_accepted_parameters(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
enum smtpscope_detail detail_of_oddities(uint32_t oddities);

/* advertised.c */
void advertised_read(struct smtpscope_judge *judge, const struct smtpscope_reply *reply);
/* Was the mechanism of an AUTH command advertised, as far as the registry knows it? */
bool mechanism_is_listed(const struct smtpscope_judge *judge, const struct smtpscope_command *command);
/* Does it prove that the client knows a secret, rather than send it? */
bool mechanism_hides(const struct smtpscope_text *name);
void judge_mechanism(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
void judge_limits(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* pipelining.c */
void judge_pipelining(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
uint32_t detect_pipelining(struct smtpscope_judge *judge, const struct refused *refused);

/* ending.c */
void judge_gap(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);
void judge_unanswered(struct smtpscope_judge *judge, const struct smtpscope_session *session, const struct smtpscope_fact *fact);

/* Did the session itself end, and not only the capture or our tracking? */
static inline bool session_ended(const struct smtpscope_ending *ending)
{
    return ending && ending->why != SMTPSCOPE_CLOSE_END && ending->why != SMTPSCOPE_CLOSE_EVICTED;
}
void judge_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);

#endif
