/* SPDX-License-Identifier: BSD-2-Clause */
/* Labelled replies: lines of server, step, meaning, reply and more, parted by tabs. */
#ifndef TESTS_REASONS_LABELLED_H
#define TESTS_REASONS_LABELLED_H

#include "rules/reply_meaning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABELLED_FIELDS 6

struct labelled {
    char text[2048];
    char *fields[LABELLED_FIELDS];
};

/* The software as a session's greeting would tell it, from the collection's column. */
static inline const char *software_of_server(const char *column)
{
    static const char *const names[] = {"Postfix", "Exim",    "Sendmail",  "Haraka",   "hMailServer", "Dovecot", "aiosmtpd",
                                        "Gmail",   "Comcast", "OpenSMTPD", "Exchange", "qmail",       "rspamd",  "postgrey"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strncmp(column, names[i], strlen(names[i])))
            return names[i];
    return column;
}

static inline enum smtpscope_verb verb_of_step(const char *step)
{
    static const struct {
        const char *step;
        enum smtpscope_verb verb;
    } rows[] = {{"MAIL", SMTPSCOPE_VERB_MAIL}, {"RCPT", SMTPSCOPE_VERB_RCPT}, {"EOM", SMTPSCOPE_VERB_EOD},
                {"DATA", SMTPSCOPE_VERB_DATA}, {"AUTH", SMTPSCOPE_VERB_AUTH}, {"STARTTLS", SMTPSCOPE_VERB_STARTTLS},
                {"VRFY", SMTPSCOPE_VERB_VRFY}, {"HELO", SMTPSCOPE_VERB_HELO}, {"XCLIENT", SMTPSCOPE_VERB_XCLIENT}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strncmp(step, rows[i].step, strlen(rows[i].step)))
            return rows[i].verb;
    return SMTPSCOPE_VERB_NONE;
}

/* "450 4.7.1 text" as the follower would give it. */
static inline struct smtpscope_reply reply_of_line(const char *line)
{
    struct smtpscope_reply reply = {.code = (uint16_t)strtoul(line, NULL, 10), .lines = 1};
    unsigned klass, subject, detail;
    const char *text = line + 4;
    int used = 0;

    if (sscanf(text, "%u.%u.%u%n", &klass, &subject, &detail, &used) == 3 && (text[used] == ' ' || !text[used])) {
        reply.enhanced.klass = (uint8_t)klass;
        reply.enhanced.subject = (uint16_t)subject;
        reply.enhanced.detail = (uint16_t)detail;
        text += used + (text[used] == ' ');
    }
    reply.text = reply.first = (struct smtpscope_text){text, strlen(text)};
    return reply;
}

/* The next line that is no comment and has at least four fields; false at the end. */
static inline bool labelled_read(FILE *file, struct labelled *labelled)
{
    while (fgets(labelled->text, sizeof labelled->text, file)) {
        size_t count = 0;

        labelled->text[strcspn(labelled->text, "\r\n")] = '\0';
        for (char *at = labelled->text; at && count < LABELLED_FIELDS; count++) {
            labelled->fields[count] = at;
            at = strchr(at, '\t');
            if (at)
                *at++ = '\0';
        }
        if (*labelled->text != '#' && count >= 4)
            return true;
    }
    return false;
}

#endif
