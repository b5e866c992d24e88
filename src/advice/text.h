/* SPDX-License-Identifier: BSD-2-Clause */
/* How the stage marks and looks up its texts. */
#ifndef SMTPSCOPE_ADVICE_TEXT_H
#define SMTPSCOPE_ADVICE_TEXT_H

#include <libintl.h>
#include <stddef.h>

/* Marks a text for xgettext where it stands in a table. */
#define N_(text) text

/* The text in the language in force. NULL and "" are themselves: gettext answers "" with the catalogue's header. */
static inline const char *text_translate(const char *text)
{
    return text == NULL || *text == '\0' ? text : dgettext("smtpscope", text);
}

#endif
