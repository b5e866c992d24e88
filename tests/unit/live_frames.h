/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames written for the tests of live capture: Ethernet, tags, IPv4 or IPv6, tunnels, TCP or UDP. */
#ifndef SMTPSCOPE_TESTS_LIVE_FRAMES_H
#define SMTPSCOPE_TESTS_LIVE_FRAMES_H

#include "unit.h"

enum { FRAME_ROOM = 1024, TCP = 6, UDP = 17, ICMP = 1, GRE = 47, ESP = 50 };

struct made {
    uint8_t octets[FRAME_ROOM];
    size_t len;
};

/* A connection: what the four fields say of its first direction, turned round for the other. */
struct ends {
    uint32_t client, server; /* the last octets of the addresses */
    uint16_t client_port, server_port;
};

static inline struct ends ends_turned(struct ends ends)
{
    return (struct ends){ends.server, ends.client, ends.server_port, ends.client_port};
}

static inline void put(struct made *made, uint64_t value, size_t len)
{
    assert_true(made->len + len <= FRAME_ROOM);
    for (size_t i = len; i-- > 0;)
        made->octets[made->len++] = (uint8_t)(value >> 8 * i);
}

static inline void put_ethernet(struct made *made, uint16_t type)
{
    put(made, 0x020000000001, 6);
    put(made, 0x020000000002, 6);
    put(made, type, 2);
}

/* RFC 1071, over the header that begins at `at`. */
static inline void ipv4_checksum(struct made *made, size_t at)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2)
        sum += (uint32_t)made->octets[at + i] << 8 | made->octets[at + i + 1];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    made->octets[at + 10] = (uint8_t)(~sum >> 8);
    made->octets[at + 11] = (uint8_t)~sum;
}

/* An IPv4 header in front of `len` octets; `place` is the flags and the fragment offset. */
static inline void put_ipv4(struct made *made, struct ends ends, uint8_t protocol, uint16_t place, size_t len)
{
    size_t at = made->len;
    put(made, 0x4500, 2);
    put(made, 20 + len, 2);
    put(made, 0x1234, 2);
    put(made, place, 2);
    put(made, 64, 1);
    put(made, protocol, 1);
    put(made, 0, 2);
    put(made, 0x0a000000 | ends.client, 4);
    put(made, 0x0a000000 | ends.server, 4);
    ipv4_checksum(made, at);
}

static inline void put_ipv6(struct made *made, struct ends ends, uint8_t next, size_t len)
{
    put(made, 0x60000000, 4);
    put(made, len, 2);
    put(made, next, 1);
    put(made, 64, 1);
    put(made, 0x20010db800000000, 8);
    put(made, ends.client, 8);
    put(made, 0x20010db800000000, 8);
    put(made, ends.server, 8);
}

enum { TCP_LEN = 20, UDP_LEN = 8 };

/* A segment without payload; `mark` is its sequence number. */
static inline void put_tcp(struct made *made, struct ends ends, uint32_t mark)
{
    put(made, ends.client_port, 2);
    put(made, ends.server_port, 2);
    put(made, mark, 4);
    put(made, 0, 4);
    put(made, 0x5010ffff, 4);
    put(made, 0, 4);
}

static inline void put_udp(struct made *made, struct ends ends, size_t len)
{
    put(made, ends.client_port, 2);
    put(made, ends.server_port, 2);
    put(made, UDP_LEN + len, 2);
    put(made, 0, 2);
}

/* Ethernet, IPv4, TCP: padded to what Ethernet wants at least, as a card would. */
static inline struct made made_tcp4(struct ends ends, uint32_t mark)
{
    struct made made = {.len = 0};
    put_ethernet(&made, 0x0800);
    put_ipv4(&made, ends, TCP, 0, TCP_LEN);
    put_tcp(&made, ends, mark);
    return made;
}

static inline struct made made_tcp6(struct ends ends, uint32_t mark)
{
    struct made made = {.len = 0};
    put_ethernet(&made, 0x86dd);
    put_ipv6(&made, ends, TCP, TCP_LEN);
    put_tcp(&made, ends, mark);
    return made;
}

/* Behind two tags */
static inline struct made made_qinq(struct ends ends, uint32_t mark)
{
    struct made made = {.len = 0};
    put_ethernet(&made, 0x88a8);
    put(&made, 0x0005810060060800, 8); /* with a priority that looks like the version of IPv6 */
    put_ipv4(&made, ends, TCP, 0, TCP_LEN);
    put_tcp(&made, ends, mark);
    return made;
}

/*
 * Between tunnel ends 10.0.1.1 and 10.0.1.2; `back` is the direction, of which the outer source port depends as in the field.
 */
static inline struct made made_vxlan(struct ends ends, uint32_t mark, bool back)
{
    struct made made = {.len = 0};
    struct made inner = made_tcp4(ends, mark);
    uint16_t port = (uint16_t)(49152 + (ends.client * 7 + ends.client_port) % 16384);
    struct ends outer = {back ? 0x102 : 0x101, back ? 0x101 : 0x102, port, 4789};
    put_ethernet(&made, 0x0800);
    put_ipv4(&made, outer, UDP, 0, UDP_LEN + 8 + inner.len);
    put_udp(&made, outer, 8 + inner.len);
    put(&made, 0x0800000000000500, 8);
    for (size_t i = 0; i < inner.len; i++)
        put(&made, inner.octets[i], 1);
    return made;
}

#endif
