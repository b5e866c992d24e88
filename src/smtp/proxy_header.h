/* SPDX-License-Identifier: BSD-2-Clause */
/* A PROXY header before the client's first octet. Internal to smtp. */
#ifndef SMTP_PROXY_HEADER_H
#define SMTP_PROXY_HEADER_H

#include "smtp/state/origin.h"
#include "smtpscope/session.h"

/*
 * The first octets of a client: returns the length of the header that they begin with, of which `proxy` is filled; 0: they are
 * none; SIZE_MAX: so far they may be one.
 */
size_t proxy_header_read(const char *data, size_t len, struct smtpscope_proxy *proxy);
/* CLIENT_PREFACE: takes the header, or leaves all to whoever reads commands. Returns the octets used. */
size_t proxy_header_take(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin);
/* What the server made of it is known: told, once. */
void proxy_header_decided(struct smtpscope_session *session, enum smtpscope_proxy_outcome outcome);

#endif
