/* SPDX-License-Identifier: BSD-2-Clause */
/* How the stage marks and looks up its texts. */
#ifndef ADVICE_TEXT_H
#define ADVICE_TEXT_H

#include <libintl.h>
#include <stddef.h>
#include <stdint.h>

/* Marks a text for xgettext where it stands in a table. */
#define N_(text) text

/* The text in the language in force. NULL and "" are themselves: gettext answers "" with the catalogue's header. */
static inline const char *text_translate(const char *text)
{
    return text == NULL || *text == '\0' ? text : dgettext("smtpscope", text);
}

/* The form for `number` by the language's own rule; `many` NULL: the text has one form. */
static inline const char *text_translate_number(const char *one, const char *many, uint64_t number)
{
    return many == NULL ? text_translate(one) : dngettext("smtpscope", one, many, (unsigned long)number);
}

#endif
