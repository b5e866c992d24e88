/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/process/progress.h"

#include "base/clock.h"
#include "base/gettext.h"

#include <stdio.h>
#include <unistd.h>

#define FIRST_AFTER_NS 1000000000
#define EVERY_NS 200000000
#define MEGABYTE 1e6

void progress_init(struct progress *progress)
{
    *progress = (struct progress){.terminal = isatty(STDERR_FILENO)};
    progress->begin_ns = clock_monotonic();
    progress->next_ns = progress->begin_ns + FIRST_AFTER_NS;
}

void progress_tick(struct progress *progress, uint64_t packets, uint64_t octets, uint64_t total)
{
    int64_t now;
    double seconds;

    if (!progress->terminal)
        return;
    now = clock_monotonic();
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
