/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/sessions/worker.h"

/* Segments between two steps of fetching what a segment will need: as long as memory takes to answer. */
#define STEP_AHEAD 3

static void worker_look_ahead(const struct worker *worker, const struct round *round, size_t at)
{
    for (unsigned step = 0; step < SESSIONS_STEPS; step++) {
        size_t ahead = at + (SESSIONS_STEPS - step) * STEP_AHEAD;

        if (ahead < round->count && round->entries[ahead].owner == worker->index)
            sessions_prefetch(worker->sessions, round->entries[ahead].segment.hash, step);
    }
}

void worker_round(struct worker *worker, const struct round *round)
{
    bool many = sessions_are_many(worker->sessions);

    for (size_t i = 0; i < round->count; i++) {
        const struct round_entry *entry = &round->entries[i];

        if (many)
            worker_look_ahead(worker, round, i);
        worker->now->packet = entry->segment.packet;
        worker->now->segment = false;
        sessions_expire(worker->sessions, entry->segment.time);
        worker->now->segment = true;
        if (entry->owner == worker->index)
            sessions_segment(worker->sessions, &entry->segment);
    }
}
