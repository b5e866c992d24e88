/* SPDX-License-Identifier: BSD-2-Clause */
/* What the text of a reply says, as far as the table of phrases tells. */
#ifndef RULES_READING_H
#define RULES_READING_H

#include "smtpscope/judge.h"

/* The reason words, then what is no reason for mail: a step that is missing, an extension that is not offered ... */
enum reading {
    READING_NONE,
#define REASON(id, word, retry) READING_##id,
#include "smtpscope/reasons.def"
    READING_SEQ_HELO, READING_SEQ_MAIL, READING_SEQ_RCPT, READING_NESTED_MAIL, READING_SEQ_BDAT, READING_AUTH_TWICE,
    READING_TLS_TWICE, READING_IN_TRANSACTION, READING_NO_VALID_RCPT, READING_DUPLICATE_HELO, READING_PIPELINING, READING_TOO_SOON,
    READING_NOT_OFFERED, READING_PARAMETER, READING_LINE_TOO_LONG,
};

enum reading reading_of(const struct smtpscope_reply *reply);

static inline bool reading_is_reason(enum reading reading)
{
    return reading != READING_NONE && reading < READING_SEQ_HELO;
}

/* Software from a greeting or an EHLO reply; "" when nothing tells. Static. */
const char *server_of(const struct smtpscope_text *text);

#endif
