/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of the text format: gettext's usual short names. */
#ifndef OUTPUT_WORDS_H
#define OUTPUT_WORDS_H

#include <libintl.h>

#define _(text) gettext(text)
#define N_(text) text

#endif
