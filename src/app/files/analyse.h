/* SPDX-License-Identifier: BSD-2-Clause */
/* The main task: captures in, findings out. */
#ifndef APP_FILES_ANALYSE_H
#define APP_FILES_ANALYSE_H

#include "app/options/options.h"

#include <stdio.h>

/* Analyses options->files and writes to `out`. What goes wrong is told on standard error. */
enum status analyse(const struct options *options, FILE *out);

#endif
