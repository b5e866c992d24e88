/* SPDX-License-Identifier: BSD-2-Clause */
/* Near matches of a mistyped rule or reason. */
#ifndef APP_EXPLAIN_EXPLAIN_NEAR_H
#define APP_EXPLAIN_EXPLAIN_NEAR_H

#include <stddef.h>

#define EXPLAIN_NEAR_MAX 4u

/* The likest identifiers, the likest first. Static words. */
struct explain_near {
    const char *word[EXPLAIN_NEAR_MAX];
    size_t unlikeness[EXPLAIN_NEAR_MAX];
    size_t count;
};

void explain_near_find(const char *topic, struct explain_near *near);

#endif
