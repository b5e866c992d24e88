/* SPDX-License-Identifier: BSD-2-Clause */
/* What a reply says by itself of the command that it answers. Internal to smtp. */
#ifndef SMTP_ANCHOR_H
#define SMTP_ANCHOR_H

#include "smtpscope/session.h"

/* The verb that a reply names by itself, for a command that was lost; VERB_NONE when it does not. It looks through the text. */
enum smtpscope_verb reply_implies(const struct smtpscope_reply *reply);
/* How well a reply of this code, which implies that verb, fits as the answer to `verb`: 0 not at all, 1 it may, 2 it says so. */
int reply_fits(enum smtpscope_verb verb, uint16_t code, enum smtpscope_verb implied);

#endif
