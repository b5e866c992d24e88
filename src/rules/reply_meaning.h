/* SPDX-License-Identifier: BSD-2-Clause */
/* What the text of a reply says, as far as the table of phrases tells. */
#ifndef RULES_REPLY_MEANING_H
#define RULES_REPLY_MEANING_H

#include "smtpscope/judge.h"

/* The reason words, then what is no reason for mail: a step that is missing, an extension that is not offered ... */
enum reading {
    READING_NONE,
#define REASON(id, word, retry) READING_##id,
#include "smtpscope/reasons.def"
    READING_SEQ_HELO,
    READING_SEQ_MAIL,
    READING_SEQ_RCPT,
    READING_NESTED_MAIL,
    READING_SEQ_BDAT,
    READING_AUTH_TWICE,
    READING_TLS_TWICE,
    READING_IN_TRANSACTION,
    READING_NO_VALID_RCPT,
    READING_DUPLICATE_HELO,
    READING_CLOSED_TO_CLIENT,
    READING_PIPELINING,
    READING_TOO_SOON,
    READING_NOT_OFFERED,
    READING_PARAMETER,
    READING_LINE_TOO_LONG,
    READING_CLIENT_GONE,
    READING_SYNTAX,
    READING_DNS,
    READING_AFTER_ERROR,
};

/*
 * x0z is about the command (RFC 5321 4.2.1), which does not pass by itself: 401 to 404 are Postfix's soft_bounce, and mean 501
 * to 504; 400 does where its enhanced code says so, and is Courier's word for a server that has trouble where not.
 */
uint16_t code_meant(const struct smtpscope_reply *reply);
/* `server`: the software as far as it is known, "" when not: some words mean something only there. */
enum reading reading_of(const struct smtpscope_reply *reply, const char *server);
/*
 * For measuring what holds on servers that nobody has seen: the same with rows of the table left out. `left_out` has a flag
 * a row, phrase_count() of them, or is NULL.
 */
enum reading reading_without(const struct smtpscope_reply *reply, const char *server, const bool *left_out);
enum smtpscope_reason reason_without(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server,
                                     const bool *left_out);
/* The reason, when the reading is known already. */
enum smtpscope_reason reason_from(enum reading reading, enum smtpscope_verb verb, const struct smtpscope_reply *reply);
size_t phrase_count(void);
/* Does the row match the reply, whatever stands before it in the table? */
bool phrase_matches(size_t row, const struct smtpscope_reply *reply, const char *server);
/* Whose words the row has: "" when many say so. */
const char *phrase_server(size_t row);

static inline bool reading_is_reason(enum reading reading)
{
    return reading != READING_NONE && reading < READING_SEQ_HELO;
}

/* Words about a step that is missing or one too many. */
static inline bool reading_is_order(enum reading reading)
{
    return reading >= READING_SEQ_HELO && reading <= READING_CLOSED_TO_CLIENT;
}

/* Software from a greeting or an EHLO reply; 0 when nothing tells. */
uint8_t server_of(const struct smtpscope_text *text);
/* Its name ("Postfix"), "" for 0. Static. */
const char *server_name(uint8_t server);

#endif
