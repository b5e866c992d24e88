/* SPDX-License-Identifier: BSD-2-Clause */
/* Decimal digits, two at a time: there is a division for each pair, and lines are full of numbers. */
#ifndef BASE_DIGITS_H
#define BASE_DIGITS_H

#include <stdint.h>
#include <string.h>

/* The last `count` digits of `number`, with leading zeros; returns what is behind them. */
static inline char *digits_put(char *to, uint64_t number, unsigned count)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
        "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
        "9899";
    unsigned at = count;

    for (; at >= 2; at -= 2) {
        memcpy(to + at - 2, pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (at)
        *to = (char)('0' + number % 10);
    return to + count;
}

/* How many digits `number` has; 0 has one. */
static inline unsigned digits_count(uint64_t number)
{
    unsigned count = 1;

    for (; number >= 10000; number /= 10000)
        count += 4;
    return count + (number >= 10) + (number >= 100) + (number >= 1000);
}

#endif
