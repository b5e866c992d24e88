/* SPDX-License-Identifier: BSD-2-Clause */
/* How far the work is, on standard error: only on a terminal, and only when the work takes longer than a second. */
#ifndef APP_PROCESS_PROGRESS_H
#define APP_PROCESS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown, terminal;
    int64_t begin_ns, next_ns; /* of the monotonic clock */
};

void progress_init(struct progress *progress);
/* Shows the state when it is time to. `total` 0: unknown. Cheap enough for each thousand packets. */
void progress_tick(struct progress *progress, uint64_t packets, uint64_t octets, uint64_t total);
/* Removes the line. */
void progress_clear(struct progress *progress);

#endif
