/* SPDX-License-Identifier: BSD-2-Clause */
/* Reply lines without a capture: those of bounces and of logs. */
#ifndef APP_EXPLAIN_EXPLAIN_REPLY_H
#define APP_EXPLAIN_EXPLAIN_REPLY_H

#include <stdbool.h>
#include <stdio.h>

/* Has the topic a reply line in it, "550 5.1.1 User unknown", more than a code and an enhanced code? */
bool explain_is_reply(const char *topic);
/*
 * What the line means and what to do, as a session in which a server says so at `stage` would have it ("rcpt"; NULL: where the
 * line itself says, else at RCPT). What stands before the code, as in bounces and logs, is left out. As explain_topic().
 */
int explain_reply(const char *topic, const char *stage, bool json, FILE *out);
/* Each line of `in`, "550-..." together with those behind it: one JSON object a reply, with nulls where it is none. */
int explain_replies(FILE *in, const char *stage, FILE *out);

#endif
