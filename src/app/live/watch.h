/* SPDX-License-Identifier: BSD-2-Clause */
/* The task of a sensor: interfaces in, findings out, for weeks. */
#ifndef APP_LIVE_WATCH_H
#define APP_LIVE_WATCH_H

#include "app/options/options.h"

/*
 * Watches until SIGTERM or SIGINT. `options` are those of the command line `argv`, which SIGHUP reads anew; what it changes is
 * taken into `options`. What goes wrong is told on standard error.
 */
enum status watch(struct options *options, int argc, char **argv);

#endif
