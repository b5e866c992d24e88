/* SPDX-License-Identifier: BSD-2-Clause */
/* A seeded hash of short keys and of text. Not cryptographic: the seed keeps collisions from being prepared. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Folds the 128-bit product of two words: each input bit reaches about half of the output's. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_octets(const void *data, size_t len, uint64_t seed)
{
    const uint8_t *at = data;
    uint64_t word, hash = seed ^ len;

    for (; len >= sizeof word; at += sizeof word, len -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = hash_mix(hash, word);
    }
    word = 0;
    if (len) /* a NULL of no octets is fine */
        memcpy(&word, at, len);
    return hash_mix(hash, word ^ ((uint64_t)len << 56));
}

#endif
