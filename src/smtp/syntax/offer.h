/* SPDX-License-Identifier: BSD-2-Clause */
/* The reply to EHLO, and the names of SASL mechanisms. Internal to smtp. */
#ifndef SMTP_OFFER_H
#define SMTP_OFFER_H

#include "smtpscope/session.h"

/* Reads a whole reply. One line, as many a reply is, offers nothing. */
struct smtpscope_offer offer_read(const struct smtpscope_reply *reply);
/* The mechanism of that name, in whatever case; NONE. */
enum smtpscope_mechanism mechanism_find(const char *name, size_t len);

#endif
