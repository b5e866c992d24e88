/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/packet_numbering.h"

#include <stdlib.h>
#include <string.h>

bool packet_numbering_init(struct packet_numbering *numbering, size_t count)
{
    numbering->files = calloc(count, sizeof *numbering->files);
    numbering->room = numbering->files ? count : 0;
    return numbering->files != NULL;
}

bool packet_numbering_add(struct packet_numbering *numbering, const char *name, uint64_t before)
{
    size_t count = numbering->count;

    if (count == numbering->room)
        return false;
    numbering->files[count] = (struct numbered_file){name, before};
    numbering->count = count + 1;
    return true;
}

bool packet_numbering_insert(struct packet_numbering *numbering, const char *name, uint64_t before)
{
    size_t at = numbering->count;

    if (at == numbering->room)
        return false;
    for (; at && numbering->files[at - 1].before > before; at--)
        numbering->files[at] = numbering->files[at - 1];
    numbering->files[at] = (struct numbered_file){name, before};
    numbering->count++;
    return true;
}

const char *packet_numbering_remove(struct packet_numbering *numbering, const char *name)
{
    size_t at = 0, count = numbering->count;
    const char *removed;

    while (at < count && strcmp(numbering->files[at].name, name) != 0)
        at++;
    if (at == count)
        return NULL;
    removed = numbering->files[at].name;
    memmove(&numbering->files[at], &numbering->files[at + 1], (count - at - 1) * sizeof *numbering->files);
    numbering->count--;
    return removed;
}

const char *packet_numbering_find(const struct packet_numbering *numbering, uint64_t ordinal, uint64_t *number)
{
    size_t begin = 0, end = numbering->count, middle;

    *number = 0;
    while (begin < end) {
        middle = begin + (end - begin) / 2;
        if (numbering->files[middle].before < ordinal)
            begin = middle + 1;
        else
            end = middle;
    }
    if (!begin)
        return NULL;
    *number = ordinal - numbering->files[begin - 1].before;
    return numbering->files[begin - 1].name;
}

void packet_numbering_fini(struct packet_numbering *numbering)
{
    free(numbering->files);
    numbering->files = NULL;
    numbering->count = numbering->room = 0;
}
