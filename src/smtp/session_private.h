/* SPDX-License-Identifier: BSD-2-Clause */
/* A session as the follower keeps it, and what its files tell one another. Internal to smtp. */
#ifndef SMTP_SESSION_PRIVATE_H
#define SMTP_SESSION_PRIVATE_H

#include "scan.h"
#include "smtpscope/session.h"

/* Where and when octets were seen: travels with them when they are kept. */
struct place {
    uint64_t offset, acked, packet;
    smtpscope_time time;
};

/* Octets kept: a line that straddles two calls, or what the client sent before we can know what it is. */
struct kept {
    char *at;
    size_t begin, len, capacity; /* begin: of what was not read again yet */
    uint64_t total;              /* octets that came, also those beyond the bound */
    struct place place;          /* of the first */
    bool smuggled;               /* they stood behind a look-alike */
    bool sealed;                 /* a gap followed: what came behind it is only counted */
};

/* A part of a text. */
struct span {
    uint16_t at, len;
};

/* A command that waits for its reply, as it is kept: see queue.c, and pending_read(). */
struct pending {
    uint32_t offset; /* in the client's stream, from the queue's place */
    uint32_t len;    /* of the line */
    uint32_t oddities;
    uint16_t argument; /* octets of it that are kept */
    uint16_t size;     /* octets of the entry */
    uint16_t behind;
    uint8_t verb, circumstances;
    uint8_t previous; /* the command right before it, when that was unanswered; VERB_NONE */
    uint8_t name;     /* its length */
    uint8_t parts;    /* enum part, see queue.c */
    bool has_size : 1, is_last : 1, eight_bit : 1;
    bool absorbed : 1;       /* a reply was given to it, and it is a lost command */
    bool maybe_answered : 1; /* its reply may be among octets that the capture lacks */
};

/* The commands that wait, ordered by offset. There is one when a command waits; most sessions have none, and pay nothing. */
struct queue {
    struct place place;        /* of the first command since there is a queue; what was sent with it shares it */
    uint32_t begin, last, end; /* of `entries`: the first one, the last one, behind it */
    uint32_t octets : 18;      /* of all entries' texts */
    uint32_t count : 13;
    bool maybe_answered : 1; /* some entries are marked so */
    _Alignas(struct pending) char entries[];
};

struct reply_lines; /* a multi-line reply that is being read, see server.c */
struct secrets;     /* what must not come back in a reply's text, see secret.c */

/* What is odd in the text of a message; few have any of it. */
struct odd {
    struct kept *tail;       /* what stands behind an end-of-data look-alike */
    uint64_t offset, packet; /* of the first oddity */
};

/*
 * MAIL to the end of its message, under the names of struct smtpscope_message, which is made of it when it is told. Packed, as
 * struct queue is, for the same reason.
 */
struct transaction {
    smtpscope_time time;
    uint64_t packet, offset, size, declared_size;
    uint64_t stuffed;  /* see struct scan */
    struct scan *scan; /* while its text is sent */
    struct odd *odd;
    uint32_t recipients_accepted, recipients_deferred, recipients_refused;
    uint32_t exchange, longest_line;
    uint32_t end; /* of `texts` */
    uint16_t recipient_count, mail_from, code, oddities;
    uint16_t outcome : 3, lookalike : 4;
    bool sent : 1, bdat : 1, has_declared_size : 1, body_8bitmime : 1, smtputf8 : 1;
    bool doubtful : 1; /* its MAIL was not seen */
    bool early : 1;    /* its first octets were sent before the 354 */
    bool closing : 1;  /* `exchange` is a 421 that came while the message was sent */
    char texts[];      /* the sender's path, of `mail_from` octets; of each recipient struct rcpt and the path */
};

enum client_mode {
    CLIENT_COMMANDS,
    CLIENT_ANSWER,  /* the next line answers a 334 */
    CLIENT_HOLDING, /* behind DATA, STARTTLS or AUTH: the reply decides what the octets are */
    CLIENT_DATA,
    CLIENT_BDAT,
    CLIENT_GUESSING, /* after a gap or a midstream start: the next octets decide */
    CLIENT_TLS_WAIT, /* STARTTLS was accepted */
    CLIENT_OPAQUE,
};

enum server_mode { SERVER_REPLIES, SERVER_TLS_WAIT, SERVER_OPAQUE };

/* What few sessions need, made when the first of it is. Then it stays. */
struct rare {
    struct kept *line[2];            /* that straddles two calls */
    struct kept *hold;               /* CLIENT_HOLDING */
    struct secrets *secrets;         /* once AUTH was sent */
    struct transaction *suspect;     /* an answered message whose look-alike may have been taken */
    uint64_t bdat_left, bdat_offset; /* of the chunk being sent: octets to come, and where its command stands */
    uint64_t lost[2];                /* clear-text octets that the capture lacks */
    bool bdat_refused;               /* the chunk may not be sent: its first octets tell */
    uint8_t held_behind;             /* enum smtpscope_verb: behind which command */
};

/* There may be a million, most of them idle: what is here is paid by each. */
struct smtpscope_session {
    const struct smtpscope_session_config *config;
    const struct smtpscope_flow *flow;
    uint64_t next[2]; /* the stream offset of the next octet of each side; once it is opaque, of its first */
    union {
        smtpscope_time last_octets;
        const struct smtpscope_ending *ending; /* while it closes */
    };
    uint8_t client;        /* enum client_mode */
    uint8_t alien;         /* enum smtpscope_alien */
    uint8_t server : 2;    /* enum server_mode */
    bool greeted : 1;      /* the greeting was seen, or is past */
    bool secret : 1;       /* an AUTH is about: lines that are no commands may be its answers */
    bool secrets_lost : 1; /* no memory to know them by: no text is shown any more */
    bool cut : 1;          /* the line being read may lack its beginning */
    bool smuggled : 1;     /* the octets being read stood behind a look-alike */
    bool was_held : 1;     /* the octets being read were held */
    bool quit_sent : 1;
    bool resync : 1;       /* the server's next line may be the rest of one that was cut */
    bool early_reply : 1;  /* the message being sent was answered already */
    bool client_seen : 1;  /* client octets were seen */
    bool not_followed : 1; /* a 220 to STARTTLS, by TLS */
    bool injected : 1;     /* server octets in clear stood behind such a 220 */
    bool any_verb : 1;     /* a command of the table was seen */
    bool ready : 1;        /* the last reply was a 220 */
    bool closing : 1;
    uint32_t exchanges;
    struct queue *queue; /* NULL: no command waits */
    struct transaction *transaction;
    struct reply_lines *reply;
    struct rare *rare; /* NULL: rare_of() reads as zero */
    struct smtpscope_state state;
    uint32_t greeting_end; /* in the server's stream */
    uint32_t name_hash;    /* of the server's name in the greeting */
    void *user;
};

/* A bound on the queue: clients that pipeline thousands of commands exist, more than this in one window is abuse. */
#define PENDING_MAX 4096
/* ... and on the octets of its texts: a few hundred RCPTs with the longest paths, or thousands of usual ones. */
#define PENDING_OCTETS_MAX (256u * 1024 - 1)
/* What is kept of a line; RFC 5321 4.5.3.1 says 512, extensions and the real world more. */
#define LINE_MAX_KEPT (SMTPSCOPE_ARGUMENT_MAX + 128)
/* What is held behind DATA or AUTH; more than an early window of a client that does not wait. */
#define HOLD_MAX 65536
#define TAIL_MAX 16384
/* RFC 5321 4.5.3.1.8 says 100; 1000 is the common limit. The rest are counted, not kept. */
#define RECIPIENTS_MAX 2048

/* session.c: smtpscope_session_new() and _free() for who keeps it in memory of its own, which is zero before. */
void session_init(struct smtpscope_session *session, const struct smtpscope_session_config *config,
                  const struct smtpscope_flow *flow);
/* The first fact. */
void session_open(struct smtpscope_session *session, void *user);
void session_fini(struct smtpscope_session *session);

/* verbs.c */
enum smtpscope_verb verb_find(const char *name, size_t len);
bool verb_holds(enum smtpscope_verb verb);
enum verb_argument { ARGUMENT_NO, ARGUMENT_OPTIONAL, ARGUMENT_REQUIRED, ARGUMENT_PATH };
enum verb_argument verb_argument(enum smtpscope_verb verb);
/* The extension whose keyword the text begins with, as a bit; 0 unknown. */
uint64_t extension_find(const char *text, size_t len);
/* The extension that defines an ESMTP parameter of MAIL or RCPT, as a bit; 0 unknown. */
uint64_t parameter_extension(enum smtpscope_verb verb, const char *keyword, size_t len);
/* The verb that a reply names by itself, for a command that was lost; VERB_NONE when it does not. It looks through the text. */
enum smtpscope_verb reply_implies(const struct smtpscope_reply *reply);
/* How well a reply of this code, which implies that verb, fits as the answer to `verb`: 0 not at all, 1 it may, 2 it says so. */
int reply_fits(enum smtpscope_verb verb, uint16_t code, enum smtpscope_verb implied);

/* command.c: one line, without its end. Texts point into the line. */
void command_parse(struct smtpscope_command *command, const char *line, size_t len);
/* Is the line's first word a verb of the table? */
bool command_is_known(const char *line, size_t len);
enum smtpscope_alien alien_of(const char *line, size_t len);
/* How much of another protocol's line may be shown: a header's name, a request up to its query. The rest may be a secret. */
size_t alien_shown(const char *line, size_t len);

/* kept.c */
/* The room that a growing block of `size` octets is given: that while it is small, as most stay; then up to an eighth more. */
static inline size_t block_room(size_t size)
{
    size_t step = 8;

    while (step < size / 16)
        step *= 2;
    return (size + step - 1) / step * step;
}
/* Appends up to `max` octets in all. False when out of memory. */
bool kept_append(const struct smtpscope_session *session, struct kept **kept, const char *data, size_t len, size_t max,
                 const struct place *place);
void kept_free(const struct smtpscope_session *session, struct kept **kept);
/* What reads a line: `len` octets of it, of the `total` that came, with its end if it has one. */
typedef void line_reader(struct smtpscope_session *session, const char *line, size_t len, uint64_t total,
                         const struct place *place);
/* Takes one line, or the part of it that is there. Returns the octets used. */
size_t line_take(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len,
                 const struct place *place, line_reader *reader);

/* secret.c */
/* Remembers what must not come back: a line inside AUTH, or what follows its mechanism. */
void secret_note(struct smtpscope_session *session, const char *at, size_t len);
/* Cuts the reply's text where a secret begins. `own`: it answers AUTH, or may. */
void secret_cut(const struct smtpscope_session *session, struct smtpscope_reply *reply, bool own);
static inline void secret_redact(const struct smtpscope_session *session, struct smtpscope_reply *reply, bool own)
{
    if (session->rare || session->secrets_lost)
        secret_cut(session, reply, own);
}

/* queue.c */
/* NULL: it is not kept, a lost command stands for it. The entry is valid until the next push or pop. */
struct pending *queue_push(struct smtpscope_session *session, const struct smtpscope_command *command);
static inline struct pending *queue_first(const struct smtpscope_session *session)
{
    return session->queue ? (struct pending *)(void *)(session->queue->entries + session->queue->begin) : NULL;
}
/* NULL behind the last one. */
struct pending *pending_next(struct queue *queue, struct pending *entry);
/* In the client's stream. */
uint64_t pending_offset(const struct queue *queue, const struct pending *entry);
/* The command as it was pushed. Its texts are the queue's: valid until the next push or pop. */
void pending_read(const struct queue *queue, const struct pending *entry, struct smtpscope_command *command);
void queue_pop(struct smtpscope_session *session);
void queue_free(struct smtpscope_session *session);
/* The entry a reply answers, or NULL. Entries before it are dropped: their replies are among the lost octets. */
struct pending *queue_match(struct smtpscope_session *session, const struct smtpscope_reply *reply, uint64_t acked);
/* The commands that wait were sent `delta` later, by the clock as it is now. */
void queue_clock_stepped(struct queue *queue, smtpscope_time delta);
void queue_mark_maybe(struct smtpscope_session *session);

/* client.c */
/* kept_append() for octets of the client, which may be a secret that is now lost. */
bool client_keep(struct smtpscope_session *session, struct kept **kept, const char *data, size_t len, size_t max,
                 const struct place *place);
/* The same for an unfinished line. */
bool client_keep_line(struct smtpscope_session *session, const char *data, size_t len, const struct place *place);
void client_octets(struct smtpscope_session *session, const char *data, size_t len, struct place place);
void client_gap(struct smtpscope_session *session, uint64_t len, const struct place *place);
/* The reply to the command that held the client's octets back has come. */
void client_resolve(struct smtpscope_session *session, enum client_mode mode);
/* The server's reply to a held command is lost: the octets themselves decide. */
void client_resolve_unknown(struct smtpscope_session *session);
/* What stood behind the look-alike is read again, as the commands the server took it for; and freed. */
void client_replay(struct smtpscope_session *session, struct kept *tail);
void client_close(struct smtpscope_session *session);

/* guess.c */
/* Takes octets of unknown kind; when there are enough to tell, sets the mode and has them read as what they are. */
size_t guess_take(struct smtpscope_session *session, const char *data, size_t len, const struct place *place);
bool tls_begins(const char *data, size_t len);
/* No text: what a TLS record has behind its head, where that was lost. */
bool octets_are_binary(const char *data, size_t len);
/* No verb is longer; a line without an end in so many octets is a message's. */
#define GUESS_OCTETS 64

/* chunk.c */
size_t chunk_take(struct smtpscope_session *session, const char *data, size_t len, const struct place *place);
/* What was collected behind a refused BDAT, if anything, is the chunk, or a command where the chunk would be. */
void chunk_decide(struct smtpscope_session *session);
/* Octets of the command's chunk that were sent so far. */
uint64_t chunk_sent(const struct smtpscope_session *session, const struct smtpscope_command *bdat);

/* server.c */
void server_octets(struct smtpscope_session *session, const char *data, size_t len, struct place place);
void server_gap(struct smtpscope_session *session);
void server_close(struct smtpscope_session *session);
void reply_lines_free(struct smtpscope_session *session);

/* pairing.c: a whole reply */
void reply_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply, uint64_t acked);
/* TLS begins, and what was said before is forgotten: RFC 3207 4.2. */
void state_tls(struct smtpscope_state *state);
/* The keywords of an EHLO reply, from its joined text. */
void extensions_parse(struct smtpscope_state *state, const struct smtpscope_reply *reply);

/* transaction.c */
struct transaction *transaction_begin(struct smtpscope_session *session, const struct smtpscope_command *mail);
struct transaction *transaction_need(struct smtpscope_session *session);
void transaction_add(struct smtpscope_session *session, const struct smtpscope_command *rcpt,
                     const struct smtpscope_reply *reply, uint32_t exchange);
/* Tells the message and ends the transaction. `code` 0 and `exchange` UINT32_MAX: unanswered. */
void transaction_end(struct smtpscope_session *session, enum smtpscope_outcome outcome, uint16_t code, uint32_t exchange);
/* The message's text begins. */
void transaction_scan(struct smtpscope_session *session);
/* It has ended, or never will: what was found in it is the message's. */
void transaction_scanned(struct smtpscope_session *session, struct transaction *transaction);
/* NULL when out of memory. */
struct odd *odd_need(struct smtpscope_session *session, struct transaction *transaction);
/* What stood behind the look-alike is no longer of interest. */
void tail_free(struct smtpscope_session *session, struct transaction *transaction);
/* Do SMTP commands stand behind the look-alike? */
bool tail_has_commands(const struct transaction *transaction);
/* Accepted, deferred or refused, by the class of a reply. */
enum smtpscope_outcome outcome_of(uint16_t code);
/* The client gave the transaction up (RSET, EHLO, QUIT): told, as not sent. */
void transaction_abandon(struct smtpscope_session *session);
/*
 * The answered message whose look-alike may have been taken for its end: it was, or it was not. Told. Returns what stood
 * behind the look-alike when it was taken: the caller's; else NULL.
 */
struct kept *suspect_end(struct smtpscope_session *session, bool taken);
void transaction_free(struct smtpscope_session *session, struct transaction *transaction);

/* session.c */
extern const struct rare rare_none; /* all zero */
/* What few sessions need, to be read; and to be written: NULL when out of memory. */
static inline const struct rare *rare_of(const struct smtpscope_session *session)
{
    return session->rare ? session->rare : &rare_none;
}
struct rare *rare_need(struct smtpscope_session *session);
/* What is there of an unfinished line, or NULL; and the same, now the caller's. */
static inline struct kept *line_of(const struct smtpscope_session *session, enum smtpscope_side side)
{
    return rare_of(session)->line[side];
}
static inline struct kept *line_release(struct smtpscope_session *session, enum smtpscope_side side)
{
    struct kept *line = line_of(session, side);

    if (line)
        session->rare->line[side] = NULL;
    return line;
}
/* From `offset` on the side's octets are TLS. */
void side_opaque(struct smtpscope_session *session, enum smtpscope_side side, uint64_t offset);
void fact_tell(struct smtpscope_session *session, const struct smtpscope_fact *fact);

#endif
