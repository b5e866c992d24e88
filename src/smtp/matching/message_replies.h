/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages that have a reply for each recipient: LMTP and PRDR. Internal to smtp. */
#ifndef SMTP_MESSAGE_REPLIES_H
#define SMTP_MESSAGE_REPLIES_H

#include "smtp/state/queue.h"

/* The reply, exchange `index`, answers the end of a message: is it of one recipient, or announces such, and more are to come? */
bool message_replies_go_on(struct smtpscope_session *session, const struct pending *end, const struct smtpscope_reply *reply,
                           uint32_t index);
/* What became of the message as a whole, by the reply that came last or by what came before it. */
void message_replies_cut(struct smtpscope_session *session); /* no more of them come: told */
void message_replies_end(struct smtpscope_session *session, uint16_t *code, uint32_t *exchange);

#endif
