/* SPDX-License-Identifier: BSD-2-Clause */
/* Another protocol where SMTP was looked for. Internal to smtp. */
#ifndef SMTP_ALIEN_H
#define SMTP_ALIEN_H

#include "smtp/state/follower.h"
#include "smtp/state/origin.h"

/* A client's line, before any command of the table. */
void alien_check_line(struct smtpscope_session *session, const struct octet_origin *origin, const char *line, size_t len);
/* A server's first line. */
void alien_check_greeting(struct smtpscope_session *session, const struct smtpscope_reply *reply);

#endif
