/* SPDX-License-Identifier: BSD-2-Clause */
/* How unlike two words are: what a mistyped identifier was meant to be. */
#ifndef BASE_UNLIKE_H
#define BASE_UNLIKE_H

#include <stddef.h>

#define UNLIKE_MAX 48u /* longer than every identifier */

/* 0 for the same, small for a slip of the keyboard, a part of it, or the same beginning; UNLIKE_MAX for no likeness. */
size_t unlikeness(const char *topic, const char *word);

#endif
