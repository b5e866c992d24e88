/* SPDX-License-Identifier: BSD-2-Clause */
/* What a phrase may mean. */
#ifndef RULES_READING_MEANING_H
#define RULES_READING_MEANING_H

#include "smtpscope/rule.h"

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
    MEANING_OTHER_SERVER, /* what another server said, to this one: see steps.def */
    MEANING_AFTER_ERROR,
    MEANING_EIGHT_BIT,
    MEANING_NUL,
    MEANING_LMTP,    /* the server's hello is LHLO */
    MEANING_BECAUSE, /* "due to": what stands behind it is why */
};

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

#endif
