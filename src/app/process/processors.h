/* SPDX-License-Identifier: BSD-2-Clause */
/* How many threads are worth having. */
#ifndef APP_PROCESS_PROCESSORS_H
#define APP_PROCESS_PROCESSORS_H

/* More workers than this share no more work. */
#define WORKERS_MAX 64

/* How many processors the program may run on: one at least. */
unsigned processors(void);

#endif
