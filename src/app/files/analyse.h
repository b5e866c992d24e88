/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The task behind -r: capture files in, findings on the outputs, then the totals; the exit status tells how it went. Here the
 * parts are put together: reader, workers, publication. With one worker on one processor all of it runs in turns on one thread.
 */
#ifndef APP_FILES_ANALYSE_H
#define APP_FILES_ANALYSE_H

#include "app/options/options.h"

#include <stdio.h>

/* Analyses options->files and writes to `out`. What goes wrong is told on standard error. */
enum status analyse(const struct options *options, FILE *out);

#endif
