/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a session's lines may be shown: the one door to the facts. Internal to smtp. */
#ifndef SMTP_SHOWN_H
#define SMTP_SHOWN_H

#include "smtp/state/follower.h"

/*
 * Shortens the texts of a command that was parsed from `line`, of which `whole` is false when octets of it are not there, and
 * whose octets are of the kinds `seen` (enum octet_kind); what is hidden is remembered as secret.
 */
void command_show(struct smtpscope_session *session, struct smtpscope_command *command, const char *line, size_t len,
                  unsigned seen, bool whole);
/* What was taken for a command was an answer inside AUTH: its reply says so. */
void command_hide(struct smtpscope_command *command);
/* RFC 4954 4 and 6. Not RFC: Courier's 534 is for anything that is too large. */
bool reply_is_about_auth(uint16_t code);
/* Takes out of the reply's text what is, or may be, a secret. `command` is what it answers. */
void reply_show(struct smtpscope_session *session, const struct smtpscope_command *command, bool greeting,
                struct smtpscope_reply *reply);

#endif
