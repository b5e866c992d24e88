/* SPDX-License-Identifier: BSD-2-Clause */
/* Apart from what each segment does, which is the shorter for it. */
#include "recent.h"

#define RECENT_ALL (RECENT_CHUNKS * RECENT_OCTETS)

void recent_keep_lines(struct recent *recent, uint64_t seed, const uint8_t *data, uint32_t len)
{
    uint32_t keep = len < RECENT_ALL ? len : RECENT_ALL, chunks = (keep + RECENT_OCTETS - 1) / RECENT_OCTETS;

    data += len - keep;
    keep -= (chunks - 1) * RECENT_OCTETS;
    /* Where not all fits, nothing of what was before stays, and so nothing that did not stand right before it. */
    memmove(recent->chunks + chunks, recent->chunks, (RECENT_CHUNKS - chunks) * sizeof recent->chunks[0]);
    for (; chunks > 1; data += RECENT_OCTETS)
        recent->chunks[--chunks] = chunk_make(seed, data, RECENT_OCTETS);
    recent->chunks[0] = chunk_make(seed, data, keep);
}

bool recent_differs(const struct recent *recent, uint64_t seed, uint32_t behind, const uint8_t *data, uint32_t len)
{
    for (unsigned i = 0; i < RECENT_CHUNKS && recent->chunks[i]; i++) {
        uint32_t chunk = recent->chunks[i] % (1u << RECENT_LEN_BITS);

        if (behind < chunk)
            return false;
        if (behind <= len && chunk_make(seed, data + (behind - chunk), chunk) != recent->chunks[i])
            return true;
        behind -= chunk;
    }
    return false;
}
