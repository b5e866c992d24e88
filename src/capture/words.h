/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with an input, in the user's language: gettext's usual short names. */
#ifndef CAPTURE_WORDS_H
#define CAPTURE_WORDS_H

#include <libintl.h>

#define _(text) gettext(text)
#define N_(text) text

#endif
