/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/sessions/batch_follower.h"

/* Segments between two steps of fetching what a segment will need: as long as memory takes to answer. */
#define STEP_AHEAD 3

static void follower_look_ahead(const struct batch_follower *follower, const struct batch_decoded *batch, size_t at)
{
    for (unsigned step = 0; step < SESSIONS_STEPS; step++) {
        size_t ahead = at + (SESSIONS_STEPS - step) * STEP_AHEAD;

        if (ahead < batch->count && batch->entries[ahead].owner == follower->index)
            sessions_prefetch(follower->sessions, batch->entries[ahead].segment.hash, step);
    }
}

void batch_follower_run(struct batch_follower *follower, const struct batch_decoded *batch)
{
    bool many = sessions_are_many(follower->sessions);

    for (size_t i = 0; i < batch->count; i++) {
        const struct decoded_segment *entry = &batch->entries[i];

        if (many)
            follower_look_ahead(follower, batch, i);
        follower->now->packet = entry->segment.packet;
        follower->now->segment = false;
        sessions_expire(follower->sessions, entry->segment.time);
        follower->now->segment = true;
        if (entry->owner == follower->index)
            sessions_segment(follower->sessions, &entry->segment);
    }
}
