/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known to be secret in a session, and must not come back in a later line. Internal to smtp. */
#ifndef SMTP_SECRET_H
#define SMTP_SECRET_H

#include "smtp/state/follower.h"

enum secret_kind {
    SECRET_ANSWER, /* a line inside AUTH, or what follows its mechanism */
    SECRET_USER,   /* the same where it names the user: as it was sent it is secret, decoded it is in many a reply */
    SECRET_WORDS,  /* what stands behind a word like PASS */
    SECRET_MAYBE,  /* what of a line is not shown: it may be anything */
};
/* Remembers what must not come back, by hashes: no password stays in memory. */
void secret_note(struct smtpscope_session *session, const char *at, size_t len, enum secret_kind kind);
void secrets_free(struct smtpscope_session *session);

/*
 * Where the next secret in the text begins, at `at` or behind it, and its length; the text's length when there is none.
 * `recent`: also words of the latest lines that are too short, or too usual, to be looked for everywhere.
 */
size_t secret_find(const struct smtpscope_session *session, struct smtpscope_text text, size_t at, bool recent, size_t *len);

/* A copy of the text that may be written to, until the next one is made; NULL when out of memory. */
char *secrets_copy(struct smtpscope_session *session, struct smtpscope_text text);

#endif
