/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture/batch.h"

#include <assert.h>
#include <stdlib.h>

struct batch *batch_new(void)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->frames = malloc(BATCH_FRAMES * sizeof *batch->frames);
    if (batch->frames != NULL && batch_reserve(batch, BATCH_BLOCK))
        return batch;
    batch_free(batch);
    return NULL;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    free(batch->frames);
    free(batch->block);
    free(batch);
}

bool batch_reserve(struct batch *batch, size_t room)
{
    assert(batch->count == 0);
    if (room <= batch->room)
        return true;
    uint8_t *block = realloc(batch->block, room);
    if (block == NULL)
        return false;
    batch->block = block;
    batch->room = room;
    return true;
}

void batch_swap(struct batch *batch, struct batch *other)
{
    struct batch kept = *batch;
    *batch = *other;
    *other = kept;
}
