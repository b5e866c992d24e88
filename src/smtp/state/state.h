/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's state: what the replies make of it. Internal to smtp. */
#ifndef SMTP_STATE_H
#define SMTP_STATE_H

#include "smtpscope/session.h"

/* What the reply to `verb` makes of the state; `offer`: of an EHLO that was accepted, else NULL. */
void state_apply(struct smtpscope_state *state, enum smtpscope_verb verb, const struct smtpscope_command *command,
                 const struct smtpscope_reply *reply, const struct smtpscope_offer *offer);
/* What is in doubt when a command got no reply that we know of. */
enum smtpscope_doubt state_doubt(enum smtpscope_verb verb);
/* The message is over, whatever was said of it. */
void state_message_end(struct smtpscope_state *state);
/* TLS begins, and what was said before is forgotten: RFC 3207 4.2. */
void state_tls(struct smtpscope_state *state);

#endif
