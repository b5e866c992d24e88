/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/worker.h"

void worker_round(struct worker *worker, const struct round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        const struct round_entry *entry = &round->entries[i];

        worker->now->packet = entry->segment.packet;
        worker->now->segment = false;
        sessions_expire(worker->sessions, entry->segment.time);
        worker->now->segment = true;
        if (entry->owner == worker->index)
            sessions_segment(worker->sessions, &entry->segment);
    }
}
