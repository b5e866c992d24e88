/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/progress.h"

#include "app/words.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define FIRST_AFTER_NS 1000000000
#define EVERY_NS 200000000
#define MEGABYTE 1e6

static int64_t clock_now(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void progress_init(struct progress *progress)
{
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO)};
    progress->begin_ns = clock_now();
    progress->next_ns = progress->begin_ns + FIRST_AFTER_NS;
}

void progress_tick(struct progress *progress, uint64_t packets, uint64_t octets, uint64_t total)
{
    int64_t now;
    double seconds;

    if (!progress->terminal)
        return;
    now = clock_now();
    if (now < progress->next_ns)
        return;
    seconds = (double)(now - progress->begin_ns) / 1e9;
    progress->next_ns = now + EVERY_NS;
    progress->shown = true;
    fprintf(stderr, "\r\033[K");
    if (total)
        fprintf(stderr, "%3.0f %%  ", 100.0 * (double)octets / (double)total);
    fprintf(stderr, _("%llu packets, %.0f MB, %.0f MB/s"), (unsigned long long)packets, (double)octets / MEGABYTE,
            (double)octets / MEGABYTE / seconds);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}
