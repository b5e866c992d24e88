/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands between the angle brackets of MAIL and RCPT. Internal to smtp. */
#ifndef SMTP_PATH_H
#define SMTP_PATH_H

#include "smtpscope/session.h"

/* The parts of a path; the texts point into it. "@one,@two:local@domain", RFC 5321 4.1.2. */
struct path {
    struct smtpscope_text route;  /* with its colon; RFC 5321 C: to be ignored */
    struct smtpscope_text local;  /* with its quotes */
    struct smtpscope_text domain; /* or an address literal with its brackets; empty without an "@" */
};
struct path path_split(const struct smtpscope_text *text);

/* `seen`, here and below: the kinds of the octets (octets.h) of the line, or of more. */

/* The end of a path that begins behind its bracket: the bracket that closes it, not one in a quoted local part; or NULL. */
const char *path_close(const char *at, const char *end, unsigned seen);

/*
 * What is odd about a path, as bits of enum smtpscope_command_oddity: too long, no address by RFC 5321 4.1.2 (with UTF-8 as RFC
 * 6531 adds it), an encoded word, an attack. `empty`: <> is allowed, and <postmaster> is not.
 */
uint32_t path_oddities(const struct smtpscope_text *text, unsigned seen, bool empty);

#endif
