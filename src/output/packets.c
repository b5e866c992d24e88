/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/packets.h"

#include <stdlib.h>

bool packets_add(struct packets *packets, const char *name, uint64_t before)
{
    struct packets_file *files = realloc(packets->files, (packets->count + 1) * sizeof *files);

    if (!files)
        return false;
    packets->files = files;
    packets->files[packets->count++] = (struct packets_file){name, before};
    return true;
}

const char *packets_find(const struct packets *packets, uint64_t ordinal, uint64_t *number)
{
    size_t begin = 0, end = packets->count, middle;

    *number = 0;
    while (begin < end) {
        middle = begin + (end - begin) / 2;
        if (packets->files[middle].before < ordinal)
            begin = middle + 1;
        else
            end = middle;
    }
    if (!begin)
        return NULL;
    *number = ordinal - packets->files[begin - 1].before;
    return packets->files[begin - 1].name;
}

void packets_fini(struct packets *packets)
{
    free(packets->files);
    *packets = (struct packets){0};
}
