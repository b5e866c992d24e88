/* SPDX-License-Identifier: BSD-2-Clause */
/* A reply meets its command. Internal to smtp. */
#ifndef SMTP_PAIRING_H
#define SMTP_PAIRING_H

#include "smtp/matching/match.h"

/* A whole reply; `acked`: client octets that the server had acknowledged. */
void reply_arrived(struct smtpscope_session *session, struct smtpscope_reply *reply, uint64_t acked);
/* A reply that waited for what follows it, if there is one, is read now; `next`: the one that came, AFTERMATH_REPLY alone. */
void reply_decide(struct smtpscope_session *session, enum aftermath aftermath, const struct smtpscope_reply *next,
                  uint64_t next_acked);
/* The session ends, and what the client sent in clear behind the 220 to STARTTLS was never answered: told. */
void clear_unanswered(struct smtpscope_session *session);
/* The client sends something, and has acknowledged so much of what the server said. */
void client_goes_on(struct smtpscope_session *session, uint64_t acked);

#endif
