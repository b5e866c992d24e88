/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checksum of the Internet protocols, RFC 1071: the one's complement sum of words of 16 bits.
 *
 * Every octet of a message is summed, so it is done in vectors: of each word of 64 bits the halves are added apart, and no carry
 * is lost. The functions for blocks are one and the same, compiled for what the processor has.
 */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CHECKSUM_BLOCK 64

#if defined(__GNUC__)
typedef uint64_t checksum_lanes __attribute__((vector_size(32)));
typedef uint64_t checksum_lanes_anywhere __attribute__((vector_size(32), aligned(1), may_alias));

static inline __attribute__((always_inline)) uint64_t checksum_blocks(const uint8_t *at, size_t len)
{
    const checksum_lanes low = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
    checksum_lanes first = {0}, second = {0};

    for (; len >= CHECKSUM_BLOCK; at += CHECKSUM_BLOCK, len -= CHECKSUM_BLOCK) {
        checksum_lanes word = *(const checksum_lanes_anywhere *)(const void *)at,
                       next = *(const checksum_lanes_anywhere *)(const void *)(at + CHECKSUM_BLOCK / 2);

        first += (word & low) + (word >> 32);
        second += (next & low) + (next >> 32);
    }
    first += second;
    return first[0] + first[1] + first[2] + first[3];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline uint64_t checksum_blocks_avx2(const uint8_t *at, size_t len)
{
    return checksum_blocks(at, len);
}

static inline uint64_t checksum_blocks_any(const uint8_t *at, size_t len)
{
    return checksum_blocks(at, len);
}

static inline uint64_t checksum_blocks_best(const uint8_t *at, size_t len)
{
    return __builtin_cpu_supports("avx2") ? checksum_blocks_avx2(at, len) : checksum_blocks_any(at, len);
}
#else
static inline uint64_t checksum_blocks_best(const uint8_t *at, size_t len)
{
    return checksum_blocks(at, len);
}
#endif
#else
static inline uint64_t checksum_blocks_best(const uint8_t *at, size_t len)
{
    uint64_t sum = 0;
    uint32_t word;

    for (; len >= CHECKSUM_BLOCK; len -= CHECKSUM_BLOCK)
        for (int i = 0; i < CHECKSUM_BLOCK / 4; i++, at += sizeof word) {
            memcpy(&word, at, sizeof word);
            sum += word;
        }
    return sum;
}
#endif

/*
 * Adds `len` octets to `sum`, which begins with 0, in the byte order of the machine (RFC 1071 2 (B): the result does not depend on
 * it). All parts of what is summed but the last have an even length.
 */
static inline uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *at = data;
    uint32_t word;

    if (len >= CHECKSUM_BLOCK) {
        sum += checksum_blocks_best(at, len);
        at += len / CHECKSUM_BLOCK * CHECKSUM_BLOCK;
        len %= CHECKSUM_BLOCK;
    }
    for (; len >= sizeof word; at += sizeof word, len -= sizeof word) {
        memcpy(&word, at, sizeof word);
        sum += word;
    }
    word = 0;
    if (len) {
        memcpy(&word, at, len);
        sum += word;
    }
    return sum;
}

/* Whether all that was summed, its checksum included, comes to what it must. */
static inline bool checksum_is_right(uint64_t sum)
{
    return sum && sum % 0xffff == 0; /* adding what is carried out keeps the remainder */
}

/*
 * Whether the checksum of a TCP segment is right (RFC 9293 3.1): of `len` octets, header and all, between two addresses of IPv6.
 * It is the same for IPv4 addresses that are mapped into those (RFC 4291 2.5.5.2), whose other octets add nothing.
 */
static inline bool checksum_of_tcp_is_right(const uint8_t src[16], const uint8_t dst[16], const uint8_t *segment, uint32_t len)
{
    const uint8_t rest[8] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, 6};
    uint64_t sum = checksum_add(0, rest, sizeof rest);

    sum = checksum_add(checksum_add(sum, src, 16), dst, 16);
    return checksum_is_right(checksum_add(sum, segment, len));
}

#endif
