/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's clocks, for the stages that have to do with it; what is judged has packet time, which is an argument. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "smtpscope/types.h"

#include <time.h>

/* What the clock `id` says, in ns. */
static inline smtpscope_time clock_read(clockid_t id)
{
    struct timespec now = {0};

    clock_gettime(id, &now);
    return (smtpscope_time)now.tv_sec * SMTPSCOPE_SECOND + now.tv_nsec;
}

/* ns from a moment of its own; never set. */
static inline smtpscope_time clock_monotonic(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/* The same in ms. */
static inline int64_t clock_monotonic_ms(void)
{
    return clock_monotonic() / (SMTPSCOPE_SECOND / 1000);
}

#endif
