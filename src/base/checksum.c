/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every octet of a message is summed, so it is done in vectors: of each word of 64 bits the halves are added apart, and no carry
 * is lost. The functions below are one and the same, compiled for what the processor has.
 */
#include "checksum.h"

#include <string.h>

#define BLOCK 64

#if defined(__GNUC__)
typedef uint64_t lanes __attribute__((vector_size(32)));
typedef uint64_t lanes_anywhere __attribute__((vector_size(32), aligned(1), may_alias));

static inline __attribute__((always_inline)) uint64_t sum_blocks(const uint8_t *at, size_t len)
{
    const lanes low = {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff};
    lanes first = {0}, second = {0};

    for (; len >= BLOCK; at += BLOCK, len -= BLOCK) {
        lanes word = *(const lanes_anywhere *)(const void *)at, next = *(const lanes_anywhere *)(const void *)(at + BLOCK / 2);

        first += (word & low) + (word >> 32);
        second += (next & low) + (next >> 32);
    }
    first += second;
    return first[0] + first[1] + first[2] + first[3];
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t sum_blocks_avx2(const uint8_t *at, size_t len)
{
    return sum_blocks(at, len);
}

static uint64_t sum_blocks_any(const uint8_t *at, size_t len)
{
    return sum_blocks(at, len);
}

static inline uint64_t sum_blocks_best(const uint8_t *at, size_t len)
{
    return __builtin_cpu_supports("avx2") ? sum_blocks_avx2(at, len) : sum_blocks_any(at, len);
}
#else
static inline uint64_t sum_blocks_best(const uint8_t *at, size_t len)
{
    return sum_blocks(at, len);
}
#endif
#else
static uint64_t sum_blocks_best(const uint8_t *at, size_t len)
{
    uint64_t sum = 0;
    uint32_t word;

    for (; len >= BLOCK; len -= BLOCK)
        for (int i = 0; i < BLOCK / 4; i++, at += sizeof word) {
            memcpy(&word, at, sizeof word);
            sum += word;
        }
    return sum;
}
#endif

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *at = data;
    uint32_t word;

    if (len >= BLOCK) {
        sum += sum_blocks_best(at, len);
        at += len / BLOCK * BLOCK;
        len %= BLOCK;
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

bool checksum_of_tcp_is_right(const uint8_t src[16], const uint8_t dst[16], const uint8_t *segment, uint32_t len)
{
    const uint8_t rest[8] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, 6};
    uint64_t sum = checksum_add(0, rest, sizeof rest);

    sum = checksum_add(checksum_add(sum, src, 16), dst, 16);
    return checksum_is_right(checksum_add(sum, segment, len));
}
