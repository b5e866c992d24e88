/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's octets. Internal to smtp. */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "smtp/state/follower.h"
#include "smtp/state/held_octets.h"

void client_octets(struct smtpscope_session *session, const char *data, size_t len, struct octet_origin origin);
void client_gap(struct smtpscope_session *session, uint64_t len, const struct octet_origin *origin);
/* The reply to the command that held the client's octets back has come. */
void client_resolve(struct smtpscope_session *session, enum client_mode mode);
/* The server's reply to a held command is lost: the octets themselves decide. */
void client_resolve_unknown(struct smtpscope_session *session);
/* What stood behind the look-alike is read again, as the commands the server took it for; and freed. */
void client_replay(struct smtpscope_session *session, struct held_octets *tail);
void client_close(struct smtpscope_session *session);

#endif
