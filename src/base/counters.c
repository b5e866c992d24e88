/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/counters.h"

void counters_add(const struct counter_table *table, void *to, const void *from)
{
    uint64_t *sums = to;
    const uint64_t *parts = from;

    for (size_t i = 0; i < table->count; i++) {
        if (table->rows[i].kind != COUNTER_MOST)
            sums[i] += parts[i];
        else if (parts[i] > sums[i])
            sums[i] = parts[i];
    }
}

uint64_t counters_value(const void *counters, size_t i)
{
    return ((const uint64_t *)counters)[i];
}
