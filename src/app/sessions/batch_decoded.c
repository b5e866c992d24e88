/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/sessions/batch_decoded.h"

#include <stdlib.h>

bool batch_decoded_init(struct batch_decoded *batch)
{
    *batch = (struct batch_decoded){.batch = batch_new()};
    return batch->batch != NULL;
}

void batch_decoded_fini(struct batch_decoded *batch)
{
    batch_free(batch->batch);
    for (size_t i = 0; i < batch->copy_count; i++)
        free(batch->copies[i]);
    free(batch->copies);
    free(batch->entries);
}
