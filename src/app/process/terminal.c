/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/process/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Lines longer than a hand are hard to read; shorter than this there is no room for the labels. */
#define COLUMNS_MAX 120
#define COLUMNS_MIN 60
#define COLUMNS_DEFAULT 80

bool terminal_is(FILE *out)
{
    return isatty(fileno(out));
}

unsigned terminal_columns(FILE *out)
{
    struct winsize size = {0};
    const char *environment = getenv("COLUMNS");
    long columns = COLUMNS_DEFAULT;

    if (environment)
        columns = strtol(environment, NULL, 10);
    else if (!ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col)
        columns = size.ws_col;
    return columns < COLUMNS_MIN ? COLUMNS_MIN : columns > COLUMNS_MAX ? COLUMNS_MAX : (unsigned)columns;
}

/* NO_COLOR: https://no-color.org */
bool terminal_colour(enum colour wanted, FILE *out)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    if (wanted != COLOUR_AUTO)
        return wanted == COLOUR_ALWAYS;
    return terminal_is(out) && !(no_colour && *no_colour) && !(terminal && !strcmp(terminal, "dumb"));
}
