/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a direction delivered last, as much of it as tells whether octets that are sent again are the same. Internal to stream.
 *
 * It is kept as a few chunks, each a length and a hash. No chunk goes over the end of a segment, and most commands and replies
 * are one or two. So what is sent again can be compared where it has the old boundaries, where several segments have become
 * one, and where one was cut, but for the chunks that are cut themselves. The roads not taken: a hash of each whole segment,
 * which a copy that lacks one octet evades; and one ring for all flows, where what is told of one would depend on others.
 *
 * Ten bits of hash are enough. Equal octets have equal hashes, so there is no false alarm. One chunk of a thousand that differs
 * goes unnoticed, but nobody can see which, to try until one does; and more come again too late to be compared at all. Which
 * one that is must not depend on the run: a capture that is read again has the same findings.
 */
#ifndef STREAM_RECENT_H
#define STREAM_RECENT_H

#include "base/hash.h"

#include <stdbool.h>

/* With these, MAIL, RCPT and DATA are remembered, sent at once or one by one. One more makes a flow 16 octets longer. */
#define RECENT_CHUNKS 3
#define RECENT_OCTETS 48
#define RECENT_LEN_BITS 6
/* No line is longer, RFC 5321 4.5.3.1.4: such a segment is the body of a message, and only its end is worth the time. */
#define RECENT_LINES 512

_Static_assert(RECENT_OCTETS < 1 << RECENT_LEN_BITS, "the length of a chunk fits in its bits");

/* Chunks with nothing between them, the last one first, each a hash and a length. 0: of what was before nothing is known. */
struct recent {
    uint16_t chunks[RECENT_CHUNKS];
};

/* A chunk of `len` octets, at least one. */
static inline uint16_t chunk_make(uint64_t seed, const uint8_t *data, uint32_t len)
{
    return (uint16_t)(hash_octets(data, len, seed) << RECENT_LEN_BITS | len);
}

/* For recent_keep(): a segment of more than one chunk, remembered whole when it fits, or its end. */
void recent_keep_lines(struct recent *recent, uint64_t seed, const uint8_t *data, uint32_t len);

/* Remembers what is delivered now: `len` octets, at least one, of which each segment of a message pays for one chunk. */
static inline void recent_keep(struct recent *recent, uint64_t seed, const uint8_t *data, uint32_t len)
{
    struct recent before = *recent;

    if (len <= RECENT_OCTETS) {
        memcpy(recent->chunks + 1, before.chunks, sizeof before.chunks - sizeof before.chunks[0]); /* memmove() is a call */
        recent->chunks[0] = chunk_make(seed, data, len);
    } else if (len <= RECENT_LINES) {
        recent_keep_lines(recent, seed, data, len);
    } else {
        *recent = (struct recent){.chunks = {chunk_make(seed, data + (len - RECENT_OCTETS), RECENT_OCTETS)}};
    }
}

/*
 * Do octets that are sent again differ from what was delivered? `data` begins `behind` octets before the next one to deliver,
 * and its `len` octets may go beyond that. Told of the chunks that are there as a whole.
 */
bool recent_differs(const struct recent *recent, uint64_t seed, uint32_t behind, const uint8_t *data, uint32_t len);

#endif
