/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMP and ICMPv6 errors about TCP segments on watched ports: who sent one, and why the segment did not arrive. An error quotes the
 * IP header and at least the eight octets behind it (RFC 792; RFC 4443 2.4 as much as fits): ports and sequence number.
 */
#include "decode/walk.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
enum { ANY_CODE = 255, IPV4_ADDRESSES = 8, IPV6_ADDRESSES = 32 };

struct icmp_row {
    uint8_t type, code;
    enum smtpscope_icmp icmp;
};

/* RFC 792, RFC 1812 5.2.7.1 */
static const struct icmp_row icmp_rows[] = {
    {3, 0, SMTPSCOPE_ICMP_NETWORK},
    {3, 1, SMTPSCOPE_ICMP_HOST},
    {3, 2, SMTPSCOPE_ICMP_PORT},
    {3, 3, SMTPSCOPE_ICMP_PORT},
    {3, 4, SMTPSCOPE_ICMP_TOO_BIG},
    {3, 6, SMTPSCOPE_ICMP_NETWORK},
    {3, 7, SMTPSCOPE_ICMP_HOST},
    {3, 9, SMTPSCOPE_ICMP_PROHIBITED},
    {3, 10, SMTPSCOPE_ICMP_PROHIBITED},
    {3, 13, SMTPSCOPE_ICMP_PROHIBITED},
    {11, ANY_CODE, SMTPSCOPE_ICMP_EXPIRED},
};
/* RFC 4443 3 */
static const struct icmp_row icmpv6_rows[] = {
    {1, 0, SMTPSCOPE_ICMP_NETWORK},        {1, 1, SMTPSCOPE_ICMP_PROHIBITED},     {1, 3, SMTPSCOPE_ICMP_HOST},
    {1, 4, SMTPSCOPE_ICMP_PORT},           {1, 5, SMTPSCOPE_ICMP_PROHIBITED},     {1, 6, SMTPSCOPE_ICMP_PROHIBITED},
    {2, ANY_CODE, SMTPSCOPE_ICMP_TOO_BIG}, {3, ANY_CODE, SMTPSCOPE_ICMP_EXPIRED},
};

static enum smtpscope_icmp icmp_of(const struct icmp_row *rows, size_t count, uint8_t type, uint8_t code)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].type == type && (rows[i].code == code || rows[i].code == ANY_CODE))
            return rows[i].icmp;
    return SMTPSCOPE_ICMP_NONE;
}

/* Leaves `in` at the TCP header that is quoted; false: another protocol, a further fragment, or too little of it. */
static bool quoted_tcp(struct reader *in, struct reader *addresses)
{
    struct reader header;
    bool ipv4 = reader_u8(in, 0) >> 4 == 4;
    size_t len = ipv4 ? (reader_u8(in, 0) & 15u) * 4u : 40u;

    if (len < 20 || !reader_part(in, len, &header))
        return false;
    if (ipv4 ? reader_u8(&header, 9) != PROTOCOL_TCP || reader_be16(&header, 6) & 0x1fff
             : reader_u8(&header, 0) >> 4 != 6 || reader_u8(&header, 6) != PROTOCOL_TCP)
        return false;
    reader_skip(&header, ipv4 ? 12 : 8);
    reader_limit(&header, ipv4 ? IPV4_ADDRESSES : IPV6_ADDRESSES);
    *addresses = header;
    return reader_has(in, 0, 8);
}

static bool is_watched(const struct walk *walk, uint16_t port)
{
    return walk->ports[port >> 3] >> (port & 7) & 1;
}

/* Did the one that the quoted segment was for say so itself? */
static bool is_from_destination(const struct reader *outer, const struct reader *quoted)
{
    size_t len = reader_left(quoted) / 2;

    if (reader_left(outer) != reader_left(quoted))
        return false;
    for (size_t i = 0; i < len; i++)
        if (reader_u8(outer, i) != reader_u8(quoted, len + i))
            return false;
    return true;
}

static enum layer walk_error(struct walk *walk, enum smtpscope_icmp icmp, uint32_t mtu)
{
    struct smtpscope_segment *segment = walk->segment;
    struct reader outer = walk->addresses, quoted;
    uint16_t src_port, dst_port;

    if (icmp == SMTPSCOPE_ICMP_NONE || !reader_skip(&walk->in, 8) || !quoted_tcp(&walk->in, &quoted))
        return END_DISMISSED;
    src_port = reader_be16(&walk->in, 0);
    dst_port = reader_be16(&walk->in, 2);
    if (!is_watched(walk, src_port) && !is_watched(walk, dst_port))
        return END_DISMISSED;
    segment_addresses(segment, quoted, src_port, dst_port);
    segment->seq = reader_be32(&walk->in, 4);
    segment->ack = 0;
    segment->flags = 0;
    segment->window = (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX);
    segment->data = outer.at;
    segment->len = segment->missing = 0;
    segment->hash = 0;
    segment->marks = SMTPSCOPE_MARK_ICMP;
    segment->header = (uint8_t)(reader_left(&outer) / 2);
    segment->hops = 0;
    segment->scale = (uint8_t)icmp;
    segment->vlan = walk->vlan;
    segment->mss = 0;
    segment->stamp = is_from_destination(&outer, &quoted);
    return END_SEGMENT;
}

/* RFC 792, RFC 1191 4: type, code, checksum; in TOO_BIG the MTU is in the seventh and eighth octet. */
enum layer layer_icmp(struct walk *walk)
{
    enum smtpscope_icmp icmp = icmp_of(icmp_rows, COUNT(icmp_rows), reader_u8(&walk->in, 0), reader_u8(&walk->in, 1));

    return walk_error(walk, icmp, icmp == SMTPSCOPE_ICMP_TOO_BIG ? reader_be16(&walk->in, 6) : 0);
}

/* RFC 4443 3.2: the MTU has 32 bits. */
enum layer layer_icmpv6(struct walk *walk)
{
    enum smtpscope_icmp icmp = icmp_of(icmpv6_rows, COUNT(icmpv6_rows), reader_u8(&walk->in, 0), reader_u8(&walk->in, 1));

    return walk_error(walk, icmp, icmp == SMTPSCOPE_ICMP_TOO_BIG ? reader_be32(&walk->in, 4) : 0);
}
