/* SPDX-License-Identifier: BSD-2-Clause */
/* What a reply says by itself of the command that it answers. Internal to smtp. */
#ifndef SMTP_ANCHOR_H
#define SMTP_ANCHOR_H

#include "smtpscope/session.h"

/* The commands that a reply can be the answer to, by its code and text alone. */
struct anchor {
    uint64_t verbs;             /* a bit an enum smtpscope_verb; 0: it does not say */
    enum smtpscope_verb likely; /* the usual one of them; VERB_NONE: it does not say */
};

/* It looks through the text. */
struct anchor anchor_of(const struct smtpscope_reply *reply);

/* How well a reply is the answer to a command. */
enum fit {
    FIT_NO,    /* its code cannot be */
    FIT_ODD,   /* its code can; its text names another command, or no server would say so to such a line */
    FIT_MAY,   /* nothing is against it */
    FIT_NAMES, /* it says so: by a code of its own, or as it repeats what was sent */
};
enum fit fit_of_verb(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const struct anchor *anchor);
/* The same without a look at the text: FIT_NAMES and FIT_MAY are certain, FIT_NO asks for a closer look. */
enum fit fit_at_once(enum smtpscope_verb verb, const struct smtpscope_reply *reply);
/* Does the reply's text repeat the command's address, or the line that is no command? */
bool reply_repeats(const struct smtpscope_reply *reply, const struct smtpscope_command *command);

#endif
