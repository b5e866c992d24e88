/* SPDX-License-Identifier: BSD-2-Clause */
/* --help and --version. */
#ifndef APP_OPTIONS_USAGE_H
#define APP_OPTIONS_USAGE_H

#include <stdio.h>

/* One screen of 80 columns. */
void usage_help(FILE *out);
/* The program's version and those of the libraries it runs with. */
void usage_version(FILE *out);

#endif
