/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands that only read the tables: rules, explain, compare. */
#ifndef APP_EXPLAIN_EXPLAIN_H
#define APP_EXPLAIN_EXPLAIN_H

#include <stdbool.h>
#include <stdio.h>

/*
 * All three write to `out`, text wrapped to the terminal's width (80 columns when `out` is none) or JSON, in the language that
 * setlocale() and the "smtpscope" text domain give. They return 0, or 2 after one line on stderr; write errors are left for
 * the caller to find by ferror().
 */

/* The catalogue: a line a rule, or one JSON array. */
int explain_rules(bool json, FILE *out);

/*
 * What a topic means and what to do: a reply code ("450"), with an enhanced code ("450 4.7.1"), an enhanced code alone
 * ("4.7.1", "X.7.1"), a rule ("sequence.nested-mail", or "nested-mail" where only one rule is called so), a reason word
 * ("greylisted"), a family or a glob ("deferral", "*.bare-lf": then the rules it names), a reply line or a bounce's ("550 5.1.1 User
 * unknown") that was said at `stage` (NULL: see explain_reply.h), or "-", such lines on standard input. Else near matches go to
 * stderr.
 */
int explain_topic(const char *topic, const char *stage, bool json, FILE *out);

/* Two reply codes side by side, what differs in substance, and when which is right. */
int explain_compare(const char *a, const char *b, bool json, FILE *out);

#endif
