/* SPDX-License-Identifier: BSD-2-Clause */
/* Near matches of a mistyped rule or reason. */
#ifndef APP_EXPLAIN_NEAR_H
#define APP_EXPLAIN_NEAR_H

#include <stddef.h>

#define EXPLAIN_NEAR_MAX 4u
#define EXPLAIN_UNLIKE 48u /* longer than every identifier */

/* The likest identifiers, the likest first. Static words. */
struct explain_near {
    const char *word[EXPLAIN_NEAR_MAX];
    size_t unlikeness[EXPLAIN_NEAR_MAX];
    size_t count;
};

/* 0 for the same, small for a slip of the keyboard, a part of it, or the same beginning; EXPLAIN_UNLIKE for no likeness. */
size_t explain_unlikeness(const char *topic, const char *word);
void explain_near_find(const char *topic, struct explain_near *near);

#endif
