/* SPDX-License-Identifier: BSD-2-Clause */
/* The field of struct options that a row of the table names: written, compared, copied and freed, whatever it holds. */
#ifndef APP_OPTIONS_OPTION_STORE_H
#define APP_OPTIONS_OPTION_STORE_H

#include "app/options/option_table.h"

/* Into a plain field of any width, an enum's and a bool's too. */
void option_put_number(const struct option_row *row, struct options *options, uint64_t number);
/* A copy of `value` replaces a string, and is added to a list. false: out of memory. */
bool option_put_string(const struct option_row *row, struct options *options, const char *value);
/* Are the two fields the same? */
bool option_equal(const struct option_row *row, const struct options *a, const struct options *b);
/* Sets the field of `to` to a copy of that of `from`; false for want of memory. */
bool option_copy(const struct option_row *row, struct options *to, const struct options *from);
/* Frees what the field owns, and empties it. */
void option_clear(const struct option_row *row, struct options *options);

#endif
