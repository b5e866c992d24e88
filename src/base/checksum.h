/* SPDX-License-Identifier: BSD-2-Clause */
/* The checksum of the Internet protocols, RFC 1071: the one's complement sum of words of 16 bits. */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Adds `len` octets to `sum`, which begins with 0, in the byte order of the machine (RFC 1071 2 (B): the result does not depend on
 * it). All parts of what is summed but the last have an even length.
 */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);

/* Whether all that was summed, its checksum included, comes to what it must. */
static inline bool checksum_is_right(uint64_t sum)
{
    for (; sum >> 16; sum = (sum & 0xffff) + (sum >> 16))
        ;
    return sum == 0xffff;
}

/*
 * Whether the checksum of a TCP segment is right (RFC 9293 3.1): of `len` octets, header and all, between two addresses of IPv6.
 * It is the same for IPv4 addresses that are mapped into those (RFC 4291 2.5.5.2), whose other octets add nothing.
 */
bool checksum_of_tcp_is_right(const uint8_t src[16], const uint8_t dst[16], const uint8_t *segment, uint32_t len);

#endif
