/* SPDX-License-Identifier: BSD-2-Clause */
/* What the text of a reply says, as far as the table of phrases tells. */
#ifndef RULES_REPLY_MEANING_H
#define RULES_REPLY_MEANING_H

#include "smtpscope/judge.h"

/* The reason words, then what is no reason for mail: a step that is missing, an extension that is not offered ... */
enum reply_meaning {
    MEANING_NONE,
#define REASON(id, word, retry, fault, deferral, refusal) MEANING_##id,
#include "smtpscope/reasons.def"
    MEANING_SEQ_HELO,
    MEANING_SEQ_MAIL,
    MEANING_SEQ_RCPT,
    MEANING_NESTED_MAIL,
    MEANING_SEQ_BDAT,
    MEANING_AUTH_TWICE,
    MEANING_TLS_TWICE,
    MEANING_IN_TRANSACTION,
    MEANING_NO_VALID_RCPT,
    MEANING_DUPLICATE_HELO,
    MEANING_CLOSED_TO_CLIENT,
    MEANING_PIPELINING,
    MEANING_TOO_SOON,
    MEANING_NOT_OFFERED,
    MEANING_PARAMETER,
    MEANING_LINE_TOO_LONG,
    MEANING_CLIENT_GONE,
    MEANING_SYNTAX,
    MEANING_DNS,
    MEANING_AFTER_ERROR,
    MEANING_EIGHT_BIT,
    MEANING_NUL,
};

/*
 * x0z is about the command (RFC 5321 4.2.1), which does not pass by itself: 401 to 404 are Postfix's soft_bounce, and mean 501
 * to 504; 400 does where its enhanced code says so, and is Courier's word for a server that has trouble where not.
 */
uint16_t code_meant(const struct smtpscope_reply *reply);
/* `server`: the software as far as it is known, "" when not: some words mean something only there. */
enum reply_meaning meaning_of(const struct smtpscope_reply *reply, const char *server);
/*
 * For measuring what holds on servers that nobody has seen: the same with rows of the table left out. `left_out` has a flag
 * a row, phrase_count() of them, or is NULL.
 */
enum reply_meaning meaning_without(const struct smtpscope_reply *reply, const char *server, const bool *left_out);
enum smtpscope_reason reason_without(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server,
                                     const bool *left_out);
/* The reason, when the meaning is known already. */
enum smtpscope_reason reason_from(enum reply_meaning meaning, enum smtpscope_verb verb, const struct smtpscope_reply *reply);
size_t phrase_count(void);
/* Does the row match the reply, whatever stands before it in the table? */
bool phrase_matches(size_t row, const struct smtpscope_reply *reply, const char *server);
/* Whose words the row has: "" when many say so. */
const char *phrase_server(size_t row);

static inline bool meaning_is_reason(enum reply_meaning meaning)
{
    return meaning != MEANING_NONE && meaning < MEANING_SEQ_HELO;
}

/* Words about octets and lines: at the end of a message they are about its form. */
static inline bool meaning_is_form(enum reply_meaning meaning)
{
    return meaning == MEANING_LINE_TOO_LONG || meaning == MEANING_EIGHT_BIT || meaning == MEANING_NUL;
}

/* Words about a step that is missing or one too many. */
static inline bool meaning_is_order(enum reply_meaning meaning)
{
    return meaning >= MEANING_SEQ_HELO && meaning <= MEANING_CLOSED_TO_CLIENT;
}

/* Software from a greeting or an EHLO reply; 0 when nothing tells. */
uint8_t server_of(const struct smtpscope_text *text);
/* Its name ("Postfix"), "" for 0. Static. */
const char *server_name(uint8_t server);

#endif
