/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A keyed hash of short keys and of text: XXH3, whose every product has the seed in both factors. As long as the seed is secret
 * nobody can prepare keys that collide; with one that is known, anybody can.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* `data` may be NULL where `len` is 0: XXH3 reads nothing then. */
static inline uint64_t hash_octets(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

/* Of two words. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    return XXH3_64bits_withSeed(&a, sizeof a, b);
}

#endif
