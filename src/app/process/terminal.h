/* SPDX-License-Identifier: BSD-2-Clause */
/* How text for people fits where it goes. */
#ifndef APP_PROCESS_TERMINAL_H
#define APP_PROCESS_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* What --color says. */
enum colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

/* Is it one, and not a file or a pipe? */
bool terminal_is(FILE *out);
/* Columns of the terminal that `out` is, or that COLUMNS says, within what is read easily. */
unsigned terminal_columns(FILE *out);
/* Whether text to `out` is coloured: as `wanted` says, else on a terminal unless NO_COLOR or TERM=dumb. */
bool terminal_colour(enum colour wanted, FILE *out);

#endif
