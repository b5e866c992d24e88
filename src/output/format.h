/* SPDX-License-Identifier: BSD-2-Clause */
/* Times, endpoints, commands and codes as all formats write them. */
#ifndef OUTPUT_FORMAT_H
#define OUTPUT_FORMAT_H

#include "base/writer.h"
#include "smtpscope/session.h"

/* RFC 3339 in UTC with `digits` (0, 3, 9) of the second's fraction: "2026-11-21T22:05:22.030000000Z". */
void format_time(struct writer *writer, smtpscope_time time, char between, unsigned digits);
/* "192.0.2.10", "2001:db8::1" */
void format_address(struct writer *writer, const struct smtpscope_endpoint *endpoint);
/* "192.0.2.10:25", "[2001:db8::1]:25" */
void format_endpoint(struct writer *writer, const struct smtpscope_endpoint *endpoint);
/* "4.7.1"; nothing when there is none. */
void format_enhanced(struct writer *writer, const struct smtpscope_enhanced *enhanced);

/* `text` up to its first line end. */
struct smtpscope_text format_first_line(struct smtpscope_text text);

const char *format_side(enum smtpscope_side side); /* "client", "server" */

#endif
