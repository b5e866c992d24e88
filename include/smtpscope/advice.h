/* SPDX-License-Identifier: BSD-2-Clause */
/* The words: what a rule, a reason, a reply code means, when it is seen, what to do. Translated by gettext. */
#ifndef SMTPSCOPE_ADVICE_H
#define SMTPSCOPE_ADVICE_H

#include "smtpscope/finding.h"

SMTPSCOPE_C_BEGIN

/* Static texts in the language of the locale, through gettext's domain "smtpscope". Never freed; NULL where there is none. */
struct smtpscope_advice {
    const char *meaning;        /* what it means, a sentence or two */
    const char *seen;           /* when it is seen */
    const char *sender_first;   /* for the sending side: what to do first */
    const char *sender_then;    /* ... and if that fails */
    const char *receiver_first; /* for the receiving side */
    const char *receiver_then;
    enum smtpscope_fault audience; /* who should act first */
};

/* A setting of a server's software that bears on a rule or reason. `software` is "Postfix", "Exim" ... */
struct smtpscope_setting {
    const char *software;
    const char *text; /* translated: the setting and what to do with it */
};

/* A reply code, or a code with an enhanced code. */
struct smtpscope_code_advice {
    uint16_t code;
    const char *name;      /* "Mailbox unavailable" */
    const char *reference; /* "RFC 5321 4.2.3" */
    const char *klass;     /* translated: "transient negative completion" ... */
    const char *meaning, *seen, *resolve;
    bool transient, permanent;
    enum smtpscope_fault acts; /* who must act */
    enum smtpscope_retry retry;
    const uint16_t *related; /* terminated by 0 */
};

/* Advice for the rule, refined by its reason where one is given. Never fails: each rule has a row. */
void smtpscope_advice_rule(enum smtpscope_rule rule, enum smtpscope_reason reason, struct smtpscope_advice *advice);
/* Settings for a rule; `server` (the software, "" when unknown) puts its own first, and alone when it has one.
 * Fills at most `max`, returns how many. */
size_t smtpscope_advice_settings(enum smtpscope_rule rule, enum smtpscope_reason reason, const char *server,
                                 struct smtpscope_setting *settings, size_t max);
/* false: the code is of no list we know. */
bool smtpscope_advice_code(unsigned code, struct smtpscope_code_advice *advice);
/* The codes of the table in ascending order; returns how many there are in all. */
size_t smtpscope_advice_codes(uint16_t *codes, size_t max);
/* Meaning of an enhanced code's class, subject and detail (RFC 3463 and its registry); NULL when unregistered. */
const char *smtpscope_advice_enhanced(unsigned klass, unsigned subject, unsigned detail);

/* The summary of a rule and the detail of a finding in the language in force, into `buffer`. */
const char *smtpscope_advice_summary(enum smtpscope_rule rule);
size_t smtpscope_advice_detail(const struct smtpscope_finding *finding, char *buffer, size_t size);
/* The same in two steps, for who has many of them: the template in the language in force, static, and what fills it. `number`
 * is the finding's detail_number, by which the language chooses singular or plural. */
const char *smtpscope_advice_detail_template(enum smtpscope_detail detail, uint64_t number);
size_t smtpscope_advice_detail_fill(const char *pattern, const struct smtpscope_finding *finding, char *buffer, size_t size);

SMTPSCOPE_C_END

#endif
