/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/packet_numbering.h"

#include <stdlib.h>
#include <string.h>

bool packets_init(struct packets *packets, size_t count)
{
    packets->files = calloc(count, sizeof *packets->files);
    packets->room = packets->files ? count : 0;
    return packets->files != NULL;
}

bool packets_add(struct packets *packets, const char *name, uint64_t before)
{
    size_t count = packets->count;

    if (count == packets->room)
        return false;
    packets->files[count] = (struct packets_file){name, before};
    packets->count = count + 1;
    return true;
}

bool packets_insert(struct packets *packets, const char *name, uint64_t before)
{
    size_t at = packets->count;

    if (at == packets->room)
        return false;
    for (; at && packets->files[at - 1].before > before; at--)
        packets->files[at] = packets->files[at - 1];
    packets->files[at] = (struct packets_file){name, before};
    packets->count++;
    return true;
}

const char *packets_remove(struct packets *packets, const char *name)
{
    size_t at = 0, count = packets->count;
    const char *removed;

    while (at < count && strcmp(packets->files[at].name, name) != 0)
        at++;
    if (at == count)
        return NULL;
    removed = packets->files[at].name;
    memmove(&packets->files[at], &packets->files[at + 1], (count - at - 1) * sizeof *packets->files);
    packets->count--;
    return removed;
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
    packets->files = NULL;
    packets->count = packets->room = 0;
}
