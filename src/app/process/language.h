/* SPDX-License-Identifier: BSD-2-Clause */
/* The language that the program's words come in. */
#ifndef APP_PROCESS_LANGUAGE_H
#define APP_PROCESS_LANGUAGE_H

#include "base/gettext.h"

/*
 * Sets the locale and finds the translations: beside the program (../share/locale), or where it was to be installed.
 * `language` is "en", "fr", "de", or NULL for the environment's. May be called again.
 */
void language_init(const char *language);

#endif
