/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The task behind -i: interfaces in, findings on the outputs as they happen, for weeks. Here the parts are put together: workers,
 * publication, metrics, signals, the service manager. Nothing that a reader does, or leaves undone, reaches the workers.
 */
#ifndef APP_LIVE_WATCH_H
#define APP_LIVE_WATCH_H

#include "app/options/options.h"

/*
 * Watches until SIGTERM or SIGINT. `options` are those of the command line `argv`, which SIGHUP reads anew; what it changes is
 * taken into `options`. What goes wrong is told on standard error.
 */
enum status watch(struct options *options, int argc, char **argv);

#endif
