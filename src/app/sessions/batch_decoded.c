/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/sessions/batch_decoded.h"

#include <stdlib.h>

bool round_init(struct round *round)
{
    *round = (struct round){.batch = batch_new()};
    return round->batch != NULL;
}

void round_fini(struct round *round)
{
    batch_free(round->batch);
    for (size_t i = 0; i < round->copy_count; i++)
        free(round->copies[i]);
    free(round->copies);
    free(round->entries);
}
