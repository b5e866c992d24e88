/* SPDX-License-Identifier: BSD-2-Clause */
/* A session that is taken up within: is it SMTP, or TLS? Internal to smtp. */
#ifndef SMTP_START_H
#define SMTP_START_H

#include "smtp/state/follower.h"
#include "smtp/state/origin.h"

/*
 * What one side sent in one piece, while neither has shown that it speaks SMTP in clear. True: it is TLS, or noise that may be,
 * and nothing is read of it.
 */
bool start_takes(struct smtpscope_session *session, enum smtpscope_side side, const char *data, size_t len,
                 const struct octet_origin *origin);
/* From this octet of the side on both are TLS. */
void start_inside_tls(struct smtpscope_session *session, enum smtpscope_side side, const struct octet_origin *origin);
/* A whole reply, or a command of the table, was read: from here on what is odd is odd SMTP. */
static inline void start_anchor(struct smtpscope_session *session)
{
    session->unanchored = session->noisy = false;
}

#endif
