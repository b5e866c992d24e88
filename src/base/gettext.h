/* SPDX-License-Identifier: BSD-2-Clause */
/* Words in the user's language: gettext's usual short names. */
#ifndef BASE_GETTEXT_H
#define BASE_GETTEXT_H

#include <libintl.h>

#define _(text) gettext(text)
#define N_(text) text
/* Singular and plural in a table, for ngettext(): xgettext wants --keyword=NN_:1,2. */
#define NN_(one, many) one, many

#endif
