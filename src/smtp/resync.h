/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's octets where the capture does not show what they are. Internal to smtp. */
#ifndef SMTP_RESYNC_H
#define SMTP_RESYNC_H

#include "smtp/state/origin.h"
#include "smtpscope/session.h"

/* Takes octets of unknown kind; when there are enough to tell, sets the mode and has them read as what they are. */
size_t resync_take(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin);
bool tls_begins(const char *data, size_t len);
/* The head of a TLS record of any type, where it is all there. */
bool record_begins(const char *data, size_t len);
/* No text: what a TLS record has behind its head, where that was lost. */
bool octets_are_binary(const char *data, size_t len);
/* No verb is longer; a line without an end in so many octets is a message's. */
#define RESYNC_OCTETS 64

#endif
