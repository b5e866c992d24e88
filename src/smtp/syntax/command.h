/* SPDX-License-Identifier: BSD-2-Clause */
/* One command line, and what is no SMTP at all. Internal to smtp. */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "smtpscope/session.h"

/*
 * One line, without its end. Texts point into the line, and may hold a secret: see shown.h. Returns the kinds of its octets
 * together (enum octet_kind).
 */
unsigned command_parse(struct smtpscope_command *command, const char *line, size_t len);
/* Is the first word of the line, which may have its end and more behind it, a verb of the table? */
bool command_is_known(const char *line, size_t len);
enum smtpscope_alien alien_of(const char *line, size_t len);
/* The same of a server's first line, with the code that it begins with. */
enum smtpscope_alien alien_of_greeting(const char *line, size_t len, uint16_t code);

#endif
