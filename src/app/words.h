/* SPDX-License-Identifier: BSD-2-Clause */
/* The program's own words, and the language they come in. */
#ifndef APP_WORDS_H
#define APP_WORDS_H

#include <libintl.h>

#define _(text) gettext(text)
#define N_(text) text

/*
 * Sets the locale and finds the translations: beside the program (../share/locale), or where it was to be installed.
 * `language` is "en", "fr", "de", or NULL for the environment's. May be called again.
 */
void words_init(const char *language);

#endif
