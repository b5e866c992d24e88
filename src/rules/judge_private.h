/* SPDX-License-Identifier: BSD-2-Clause */
/* What the detectors share: the session as the judge remembers it, and the one way to report. Internal to rules. */
#ifndef RULES_JUDGE_PRIVATE_H
#define RULES_JUDGE_PRIVATE_H

#include "reply_meaning.h"
#include "smtpscope/judge.h"

/* What may change of a finding after it was told, as it was told. */
struct telling {
    const char *server;
    uint64_t detail_number;
    uint32_t cause, count, folded;
    uint8_t severity, verdict, reason, confidence, fault, detail; /* enums of these names */
};

/* Indexes of exchanges, in place while they are few. */
#define INDEXES_FEW 4
struct indexes {
    uint32_t *more; /* NULL: `few` has them */
    uint32_t count, capacity;
    uint32_t few[INDEXES_FEW];
};

/* A finding in the making: final when the session ends, so that its symptoms can be counted and folded under it. */
struct note {
    struct smtpscope_finding finding; /* its texts are the note's own */
    struct telling telling;           /* the last one */
    struct indexes evidence, symptoms;
    char texts[];
};

/* A refusal that later refusals may only follow from. */
struct refusal {
    uint64_t reply_end; /* a client that had not acknowledged so much did not know of it */
    uint16_t note;      /* id of the note that covers it; 0: none */
};

/* So many distinct recipients' refusals of one transaction are linked; more share the first. */
#define ROOTS_MAX 4

/* A note and, beside it, the rule by which it is looked for. */
struct noted {
    struct note *note;
    enum smtpscope_rule rule;
};
#define NOTED_FEW 2

/* What is remembered of a session that has findings, or LIMITS; most have neither. */
struct trouble {
    struct noted *notes;         /* judge->note_count of them, in the order of their ids from 1 */
    struct noted few[NOTED_FEW]; /* ... while they are so few */
    uint32_t note_capacity;
    struct refusal mail;            /* the MAIL that was refused last, while no transaction is open */
    struct refusal rcpt[ROOTS_MAX]; /* refused RCPTs of the open transaction */
    uint32_t rcpt_count;
    struct refusal chunk; /* the BDAT of the open transaction that was refused last */
    struct refusal hello; /* EHLO or HELO */
    /* Ids of notes; 0: none. */
    uint16_t alien, early, pipelined, greeting; /* the session's of these kinds; greeting: it was refused */
    uint16_t no_recipient;                    /* of DATA that was let pass though no recipient was: its end follows from that */
    uint16_t codeless, closing, not_followed; /* of the last reply without a code, the 421 that closed, STARTTLS without TLS */
    uint16_t lookalike;    /* of the message before this: what the server says unasked is of the lines behind the look-alike */
    uint16_t last_refused; /* of the last exchange, where that was refused */
    uint16_t oversize;     /* of the size that MAIL declared, while that is the last exchange */
    uint16_t unknown_bdat; /* of BDAT to a server that does not know it: the lines of the chunk are no commands */
    uint16_t mechanism;    /* about a mechanism that was not advertised, while it is the last */
    uint32_t errors, unknown_recipients, failed_logins;
    uint32_t limit_rcpt, limit_mail; /* of the last EHLO reply: see advertised.c */
    uint32_t mails;                  /* MAILs of the session since there is a limit */
};

/* Small, for there may be a million that only wait. */
struct smtpscope_judge {
    const struct smtpscope_judge_config *config;
    const struct smtpscope_flow *flow;
    struct trouble *trouble;   /* NULL: none yet. See trouble_of(). */
    uint32_t recipients;       /* RCPTs of the open transaction */
    uint32_t mechanisms;       /* of the last EHLO reply: see advertised.c */
    uint16_t note_count, told; /* told: the notes up to this id, while the session went on */
    uint8_t server;            /* software: see server_name() */
    uint8_t tls_told : 4;      /* a bit an enum smtpscope_tls_event */
    bool doubtful : 1;         /* the capture lacks something of the session */
    bool early_refused : 1, early_taken : 1;
    bool tls_granted : 1, hello_stale : 1;   /* 220 to STARTTLS; no EHLO since (RFC 3207 4.2) */
    bool chunk_told : 1;                     /* a chunk of the open transaction was over the limit */
    bool smtputf8 : 1;                       /* MAIL of the open transaction said so */
    bool secret_sent : 1, secret_hidden : 1; /* in the AUTH in progress; hidden: what it shows cannot be used again */
    bool server_seen : 1, client_seen : 1;
    bool starttls_offered : 1, mail_in_clear : 1;
    bool closing_seen : 1; /* 421 or 221: the server said that it closes */
    bool quit_unanswered : 1;
    bool lost_message : 1; /* a finding says what became of the message: the unanswered commands say no more */
};

extern const struct trouble no_trouble;

/*
 * To read what is remembered of trouble, whether there is any or not. What is written goes to judge->trouble, which is there
 * if a note is.
 */
static inline const struct trouble *trouble_of(const struct smtpscope_judge *judge)
{
    return judge->trouble ? judge->trouble : &no_trouble;
}

/*
 * Is the client's protocol another one? Then what it writes out of order, badly or too soon, and how the session ends, only
 * follows from that. What the server did of its own, a secret that was shown, an attack and a message are told all the same.
 */
static inline bool is_alien(const struct smtpscope_judge *judge)
{
    return trouble_of(judge)->alien;
}

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
    struct number number = {.at = sizeof number.digits};

    do
        number.digits[--number.at] = (char)('0' + value % 10);
    while (value /= 10);
    return number;
}

/*
 * note.c. Returns the note: a new one, or the one of the same rule and cause, counted once more. NULL: out of memory. Notes
 * stay where they are until the judge is freed.
 */
struct note *note_add(struct smtpscope_judge *judge, const struct ground *ground);
struct note *note_find(const struct smtpscope_judge *judge, uint32_t id);
/* Is the exchange the last one that was counted under the note? */
bool note_covers(const struct note *note, const struct smtpscope_exchange *exchange);
/* A symptom: covered by the note, told nowhere else. False when there is no such note. */
bool note_fold(struct smtpscope_judge *judge, uint32_t id, uint32_t exchange);
/* What is remembered of trouble, from now on if not before. NULL: out of memory. */
struct trouble *trouble_begin(struct smtpscope_judge *judge);
void notes_emit(struct smtpscope_judge *judge);
void notes_free(struct smtpscope_judge *judge);

/* What may be wrong with the name in EHLO or HELO. */
#define BAD_NAME (SMTPSCOPE_COMMAND_NAME_INVALID | SMTPSCOPE_COMMAND_NAME_BARE_IP | SMTPSCOPE_COMMAND_NAME_NOT_QUALIFIED)

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

/*
 * refused.c: exactly one detector of the procedure takes a refused exchange. Returns the id of the note that covers it. For the
 * detectors judge->trouble is there.
 */
uint32_t judge_refused(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* address.c: RFC 5321 4.1.2, and UTF-8 as RFC 6531 adds it. `empty`: is <> allowed? */
bool path_is_valid(const struct smtpscope_text *path, bool empty);

/* sequence.c */
uint32_t detect_sequence(struct smtpscope_judge *judge, const struct refused *refused);
bool is_about_order(const struct refused *refused);
uint32_t detect_refused_in_order(struct smtpscope_judge *judge, const struct refused *refused);
void judge_tolerated(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* rejection.c */
uint32_t detect_extension(struct smtpscope_judge *judge, const struct refused *refused);
uint32_t detect_parameter(struct smtpscope_judge *judge, const struct refused *refused);
uint32_t detect_syntax(struct smtpscope_judge *judge, const struct refused *refused);
uint32_t detect_chunk(struct smtpscope_judge *judge, const struct refused *refused);
/* Is the line itself what the server could not read, whatever the state? */
bool is_unreadable(const struct refused *refused);
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
/* judge->trouble is there. */
void judge_limits(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);

/* pipelining.c */
void judge_pipelining(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange);
uint32_t detect_pipelining(struct smtpscope_judge *judge, const struct refused *refused);

/* ending.c */
void judge_gap(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);
void judge_unanswered(struct smtpscope_judge *judge, const struct smtpscope_session *session,
                      const struct smtpscope_fact *fact);

/* Did the session itself end, and not only the capture or our tracking? */
static inline bool session_ended(const struct smtpscope_ending *ending)
{
    return ending && ending->why != SMTPSCOPE_CLOSE_END && ending->why != SMTPSCOPE_CLOSE_EVICTED;
}
void judge_end(struct smtpscope_judge *judge, const struct smtpscope_fact *fact);

#endif
