/* SPDX-License-Identifier: BSD-2-Clause */
/* A reply meets its command. Internal to smtp. */
#ifndef SMTP_PAIRING_H
#define SMTP_PAIRING_H

#include "smtpscope/session.h"

/* A whole reply; `acked`: client octets that the server had acknowledged. */
void reply_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply, uint64_t acked);

#endif
