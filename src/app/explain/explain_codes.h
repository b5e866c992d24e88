/* SPDX-License-Identifier: BSD-2-Clause */
/* Explaining reply codes and enhanced codes, and the words for who acts and whether a retry helps. */
#ifndef APP_EXPLAIN_EXPLAIN_CODES_H
#define APP_EXPLAIN_EXPLAIN_CODES_H

#include "smtpscope/rule.h"

#include <stdbool.h>
#include <stdio.h>

/* Does the topic look like a code, "450", "4.7.1", "X.7.1" or something near to one? */
bool explain_is_number(const char *topic);
/* explain_topic() for such a topic. */
int explain_number(const char *topic, bool json, FILE *out);

/* Translated, never NULL. */
const char *explain_fault(enum smtpscope_fault fault);
const char *explain_retry(enum smtpscope_retry retry);

#endif
