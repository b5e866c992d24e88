/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE /* sched_getaffinity(2) */
#include "app/process/processors.h"

#include <sched.h>

unsigned processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) ? 0 : CPU_COUNT(&set);

    return count > 1 ? (unsigned)count : 1;
}
