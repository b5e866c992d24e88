/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's octets. Internal to smtp. */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "smtp/state/origin.h"
#include "smtpscope/session.h"

/* Three digits of a class that exists, and a separator or the end. */
bool is_reply_line(const char *line, size_t len);
void server_octets(struct smtpscope_session *session, const char *data, size_t len, struct octet_origin origin);
void server_gap(struct smtpscope_session *session);
void server_close(struct smtpscope_session *session);
void reply_lines_free(struct smtpscope_session *session);

#endif
