/* SPDX-License-Identifier: BSD-2-Clause */
/* What must not come back in the text of a reply. Internal to smtp. */
#ifndef SMTP_SECRET_H
#define SMTP_SECRET_H

#include "follower.h"

/* Remembers what must not come back: a line inside AUTH, or what follows its mechanism. */
void secret_note(struct smtpscope_session *session, const char *at, size_t len);
/* Cuts the reply's text where a secret begins. `own`: it answers AUTH, or may. */
void secret_cut(const struct smtpscope_session *session, struct smtpscope_reply *reply, bool own);
static inline void secret_redact(const struct smtpscope_session *session, struct smtpscope_reply *reply, bool own)
{
    if (session->extra || session->secrets_lost)
        secret_cut(session, reply, own);
}

#endif
