/* SPDX-License-Identifier: BSD-2-Clause */
/* ATRN and TURN: client and server change places. Internal to smtp. */
#ifndef SMTP_TURN_H
#define SMTP_TURN_H

#include "follower.h"

/* The server has accepted it: a session begins anew, in which whoever connected is the server. */
void session_turn(struct smtpscope_session *session);
/* What the side of the flow is in the session now: after a turn the other one. */
static inline enum smtpscope_side role_of(const struct smtpscope_session *session, enum smtpscope_side side)
{
    return session->state.turned ? (enum smtpscope_side) !side : side;
}

#endif
