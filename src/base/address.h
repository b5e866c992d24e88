/* SPDX-License-Identifier: BSD-2-Clause */
/* An address as text. IPv4 is kept as RFC 4291 2.5.5.2 maps it. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The longest one, and the NUL. */
#define ADDRESS_TEXT INET6_ADDRSTRLEN

static inline bool address_is_ipv4(const uint8_t addr[16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return !memcmp(addr, prefix, sizeof prefix);
}

/* "192.0.2.1", "2001:db8::1" (RFC 5952). Returns `text`. */
static inline const char *address_text(const uint8_t addr[16], char text[ADDRESS_TEXT])
{
    bool ipv4 = address_is_ipv4(addr);

    return inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? addr + 12 : addr, text, ADDRESS_TEXT);
}

#endif
