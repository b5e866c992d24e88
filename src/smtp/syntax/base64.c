/* SPDX-License-Identifier: BSD-2-Clause */
#include "base64.h"

#include <stdint.h>

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t base64_decode(const char *at, size_t len, char *to)
{
    uint32_t bits = 0;
    unsigned count = 0;
    char *begin = to;

    while (len && at[len - 1] == '=')
        len--;
    for (; len && *at == '='; at++)
        len--;
    for (; len; at++, len--) {
        int digit = digit_of(*at);

        if (digit < 0)
            return 0;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        *to++ = (char)(bits >> count & 0xff);
    }
    return (size_t)(to - begin);
}

size_t base64_encode(const char *at, size_t len, unsigned before, char *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned count = before * 8 % 6,
             skip = before != 0; /* bits of the octets before in the first character: it is not theirs alone */
    char *begin = to;

    for (; len; at++, len--) {
        bits = bits << 8 | (unsigned char)*at;
        for (count += 8; count >= 6;) {
            count -= 6;
            if (skip)
                skip--;
            else
                *to++ = digits[bits >> count & 63];
        }
    }
    return (size_t)(to - begin);
}
