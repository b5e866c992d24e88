/* SPDX-License-Identifier: BSD-2-Clause */
/* Telling the service manager, as sd_notify(3) does, how we are. Where there is none, nothing happens; nor is one waited for. */
#ifndef APP_PROCESS_NOTIFY_H
#define APP_PROCESS_NOTIFY_H

#include "smtpscope/types.h"

/* Interfaces and outputs are open. Also at the end of a reload. `status` is shown beside the service; NULL: none. */
void notify_ready(const char *status);
/* SIGHUP: notify_ready() follows. */
void notify_reloading(void);
/* What is open is being finished. */
void notify_stopping(const char *status);
/* Alive: to be called twice in notify_watchdog_interval() at least, from where the work is done. */
void notify_watchdog(void);
/* To be called now and then: tells what the manager had no room for. */
void notify_again(void);
/* How long the manager waits for notify_watchdog() before it starts us anew; 0: it does not. */
smtpscope_time notify_watchdog_interval(void);

#endif
