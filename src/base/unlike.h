/* SPDX-License-Identifier: BSD-2-Clause */
/* How unlike two words are: what a mistyped identifier was meant to be. */
#ifndef BASE_UNLIKE_H
#define BASE_UNLIKE_H

#include <stddef.h>

#define UNLIKE_MAX 48u /* longer than every identifier */

/* 0 for the same, small for a slip of the keyboard, a part of it, or the same beginning; UNLIKE_MAX for no likeness. */
size_t unlikeness(const char *topic, const char *word);

/*
 * The likest of words, the first of equals; NULL: none is like it. Each stands as a const char * at the beginning of one of `count`
 * rows of `size` octets.
 */
const char *likest(const char *topic, const void *rows, size_t count, size_t size);

#endif
