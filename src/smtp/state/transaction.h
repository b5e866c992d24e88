/* SPDX-License-Identifier: BSD-2-Clause */
/* A transaction as it is followed, from MAIL to the end of its message. Internal to smtp. */
#ifndef SMTP_TRANSACTION_H
#define SMTP_TRANSACTION_H

#include "follower.h"
#include "held_octets.h"
#include "smtp/scan/scan.h"

/* What is odd in the text of a message; few have any of it. */
struct message_oddity {
    struct held_octets *tail; /* what stands behind an end-of-data look-alike */
    uint64_t offset;          /* of the first oddity */
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
    struct message_oddity *oddity;
    uint32_t recipients_accepted, recipients_deferred, recipients_refused;
    uint32_t exchange, longest_line;
    uint32_t end; /* of `texts` */
    uint16_t recipient_count, mail_from, code, oddities;
    uint16_t outcome : 3, lookalike : 4;
    bool sent : 1, bdat : 1, has_declared_size : 1, body_8bitmime : 1, smtputf8 : 1;
    bool doubtful : 1;   /* its MAIL was not seen */
    bool senderless : 1; /* no MAIL that was accepted began it */
    bool early : 1;      /* its first octets were sent before the 354 */
    bool closing : 1;    /* `exchange` is a 421 that came while the message was sent */
    char texts[];        /* the sender's path, of `mail_from` octets; of each recipient struct rcpt and the path */
};

/* RFC 5321 4.5.3.1.8 says 100; 1000 is the common limit. The rest are counted, not kept. */
#define RECIPIENTS_MAX 2048

struct transaction *transaction_begin(struct smtpscope_session *session, const struct smtpscope_command *mail);
struct transaction *transaction_need(struct smtpscope_session *session);
void transaction_add(struct smtpscope_session *session, const struct smtpscope_command *rcpt,
                     const struct smtpscope_reply *reply, uint32_t exchange);
/* The server's word about the next recipient, behind the message: LMTP, PRDR. */
void transaction_recipient_answered(struct transaction *transaction, const struct smtpscope_reply *reply, uint32_t exchange);
/* Tells the message and ends the transaction. `code` 0 and `exchange` UINT32_MAX: unanswered. */
void transaction_end(struct smtpscope_session *session, enum smtpscope_outcome outcome, uint16_t code, uint32_t exchange);
/* The message's text begins. */
void transaction_scan(struct smtpscope_session *session);
/* It has ended, or never will: what was found in it is the message's. */
void transaction_scanned(struct smtpscope_session *session, struct transaction *transaction);
/* NULL when out of memory. */
struct message_oddity *message_oddity_need(struct smtpscope_session *session, struct transaction *transaction);
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
struct held_octets *maybe_smuggled_end(struct smtpscope_session *session, bool taken);
void transaction_free(struct smtpscope_session *session, struct transaction *transaction);

#endif
