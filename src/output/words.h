/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of the text format: gettext's usual short names. */
#ifndef OUTPUT_WORDS_H
#define OUTPUT_WORDS_H

#include <libintl.h>

#define _(text) gettext(text)
#define N_(text) text
/* Singular and plural in a table, for ngettext(): xgettext wants --keyword=NN_:1,2. */
#define NN_(one, many) one, many

#endif
