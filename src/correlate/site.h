/* SPDX-License-Identifier: BSD-2-Clause */
/* The registered domain that a host's name belongs to. */
#ifndef CORRELATE_SITE_H
#define CORRELATE_SITE_H

#include "smtpscope/types.h"

/*
 * "mail-1.example.co.uk" -> "example.co.uk", by the Public Suffix List that libpsl was built with. Points into `name`, of `len`
 * octets in lower case, not terminated. Empty: it has none, as an address or a name without a dot has.
 */
struct smtpscope_text site_of(const char *name, size_t len);

#endif
