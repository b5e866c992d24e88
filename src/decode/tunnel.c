/* SPDX-License-Identifier: BSD-2-Clause */
/* Tunnels: what carries Ethernet or IP inside UDP or GRE. */
#include "decode/decode.h"
#include "decode/walk.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

/* An inner Ethernet frame begins with two addresses. */
enum { ETHERNET_ADDRESSES = 12 };

/* By destination port: a tunnel's source port is often chosen by a hash of the inner flow. */
static const struct next udp_ports[] = {
    {4789, 0, LAYER_VXLAN},     {8472, 0, LAYER_VXLAN}, /* Linux's before one was assigned */
    {4790, 0, LAYER_VXLAN_GPE}, {6081, 0, LAYER_GENEVE}, {2152, 0, LAYER_GTP},
    {1701, 0, LAYER_L2TP},      {6635, 0, LAYER_MPLS}, /* RFC 7510 */
    {37008, 0, LAYER_TZSP},
};

bool udp_is_tunnel(uint16_t port)
{
    return next_find(udp_ports, COUNT(udp_ports), port) != NULL;
}

size_t decoder_tunnel_ports(uint16_t *ports, size_t room)
{
    for (size_t i = 0; i < COUNT(udp_ports) && i < room; i++)
        ports[i] = udp_ports[i].key;
    return COUNT(udp_ports);
}

/* RFC 768: source port, destination port, length, checksum */
enum layer layer_udp(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 8, &header))
        return walk_short(walk);
    return walk_next(walk, udp_ports, COUNT(udp_ports), reader_be16(&header, 2));
}

enum gre_flag { GRE_CHECKSUM = 0x8000, GRE_ROUTING = 0x4000, GRE_KEY = 0x2000, GRE_SEQUENCE = 0x1000, GRE_ACK = 0x0080 };

/* RFC 2784, RFC 2890: flags and version (2), protocol (2), then 4 octets for each flag; version 1 is PPTP's (RFC 2637 4.1). */
enum layer layer_gre(struct walk *walk)
{
    enum { ERSPAN = 0x88be };
    struct reader header;
    if (!reader_part(&walk->in, 4, &header))
        return walk_short(walk);
    uint16_t flags = reader_be16(&header, 0), protocol = reader_be16(&header, 2);
    unsigned version = flags & 7;
    if (version > 1 || flags & GRE_ROUTING)
        return END_DISMISSED;
    size_t fields = (flags & GRE_CHECKSUM ? 1u : 0u) + (flags & GRE_KEY ? 1u : 0u) + (flags & GRE_SEQUENCE ? 1u : 0u) +
                    (version == 1 && flags & GRE_ACK ? 1u : 0u);
    if (!reader_skip(&walk->in, 4 * fields))
        return walk_short(walk);
    if (protocol == ERSPAN && !(flags & GRE_SEQUENCE)) /* type I has no header of its own */
        return walk_skip(walk, ETHERNET_ADDRESSES, LAYER_ETHERTYPE);
    return walk_ethertype(walk, protocol);
}

/* draft-foschiano-erspan 4.2: eight octets, the version 1 */
enum layer layer_erspan2(struct walk *walk)
{
    return walk_skip(walk, 8 + ETHERNET_ADDRESSES, LAYER_ETHERTYPE);
}

/* draft-foschiano-erspan 4.3: twelve octets; in the last two bits 10 to 14 are the frame's type, bit 0 announces eight more */
enum layer layer_erspan3(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 12, &header))
        return walk_short(walk);
    uint16_t last = reader_be16(&header, 10);
    unsigned type = last >> 10 & 31;
    if ((last & 1) != 0 && !reader_skip(&walk->in, 8))
        return walk_short(walk);
    return type == 2 ? LAYER_IP : walk_skip(walk, ETHERNET_ADDRESSES, LAYER_ETHERTYPE);
}

/* RFC 7348 5: flags (1) of which 0x08 is set, reserved (3), network identifier (3), reserved (1) */
enum layer layer_vxlan(struct walk *walk)
{
    if ((reader_u8(&walk->in, 0) & 0x08) == 0)
        return END_DISMISSED;
    walk_network(walk, reader_be32(&walk->in, 4) >> 8);
    return walk_skip(walk, 8 + ETHERNET_ADDRESSES, LAYER_ETHERTYPE);
}

/* draft-ietf-nvo3-vxlan-gpe 3: as VXLAN, with the next protocol in octet 3 */
enum layer layer_vxlan_gpe(struct walk *walk)
{
    static const struct next inner[] = {
        {1, 0, LAYER_IPV4}, {2, 0, LAYER_IPV6}, {3, ETHERNET_ADDRESSES, LAYER_ETHERTYPE}, {5, 0, LAYER_MPLS}};
    struct reader header;
    if (!reader_part(&walk->in, 8, &header))
        return walk_short(walk);
    return walk_next(walk, inner, COUNT(inner), reader_u8(&header, 3));
}

/* RFC 8926 3.4: version (2 bits), units of 4 octets of options (6), flags (1), protocol (2), identifier (3), reserved (1) */
enum layer layer_geneve(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 8, &header))
        return walk_short(walk);
    uint8_t first = reader_u8(&header, 0);
    if (first >> 6 != 0)
        return END_DISMISSED;
    walk_network(walk, reader_be32(&header, 4) >> 8);
    if (!reader_skip(&walk->in, (first & 63u) * 4))
        return walk_short(walk);
    return walk_ethertype(walk, reader_be16(&header, 2));
}

/* 3GPP TS 29.281 5.2.1: an extension is its length in units of 4, content, and in its last octet the type of the next one. */
static enum layer walk_gtp_extensions(struct walk *walk, uint8_t type)
{
    while (type != 0) {
        struct reader extension;
        size_t len = reader_u8(&walk->in, 0) * 4u;
        if (!reader_part(&walk->in, len, &extension))
            return walk_short(walk);
        if (len == 0)
            return END_MALFORMED;
        type = reader_u8(&extension, len - 1);
    }
    return LAYER_IP;
}

/*
 * 3GPP TS 29.281 5.1: version 1 (3 bits), protocol type 1, reserved, E, S, PN; message type, 255 for user data; length (2);
 * tunnel (4). Any of E, S and PN brings four octets more: sequence (2), N-PDU (1), the type of the first extension (1).
 */
enum layer layer_gtp(struct walk *walk)
{
    struct reader header, optional;
    if (!reader_part(&walk->in, 8, &header))
        return walk_short(walk);
    uint8_t first = reader_u8(&header, 0);
    if (first >> 4 != 3 || reader_u8(&header, 1) != 255)
        return END_DISMISSED;
    if ((first & 7) == 0)
        return LAYER_IP;
    if (!reader_part(&walk->in, 4, &optional))
        return walk_short(walk);
    return walk_gtp_extensions(walk, first & 4 ? reader_u8(&optional, 3) : 0);
}

enum l2tp_flag { L2TP_CONTROL = 0x8000, L2TP_LENGTH = 0x4000, L2TP_SEQUENCE = 0x0800, L2TP_OFFSET = 0x0200 };

/* RFC 2661 3.1: flags and version 2, [length], tunnel, session, [ns, nr], [offset size, padding], PPP */
enum layer layer_l2tp(struct walk *walk)
{
    uint16_t flags = reader_be16(&walk->in, 0);
    if (flags & L2TP_CONTROL || (flags & 15) != 2)
        return END_DISMISSED;
    size_t len = 2u + 4u + (flags & L2TP_LENGTH ? 2u : 0u) + (flags & L2TP_SEQUENCE ? 4u : 0u);
    if (flags & L2TP_OFFSET)
        len += 2u + reader_be16(&walk->in, len);
    return walk_skip(walk, len, LAYER_PPP);
}

/* TaZmen Sniffer Protocol, what routers mirror with: version 1, type, protocol (2; 1 is Ethernet), tags up to the tag 1. */
enum layer layer_tzsp(struct walk *walk)
{
    enum { TAG_PADDING = 0, TAG_END = 1 };
    struct reader header;
    if (!reader_part(&walk->in, 4, &header))
        return walk_short(walk);
    if (reader_u8(&header, 0) != 1 || reader_u8(&header, 1) > 1 || reader_be16(&header, 2) != 1)
        return END_DISMISSED;
    while (reader_left(&walk->in) > 0 && reader_u8(&walk->in, 0) != TAG_END) {
        size_t len = reader_u8(&walk->in, 0) == TAG_PADDING ? 1 : 2u + reader_u8(&walk->in, 1);
        if (!reader_skip(&walk->in, len))
            return walk_short(walk);
    }
    return walk_skip(walk, 1 + ETHERNET_ADDRESSES, LAYER_ETHERTYPE);
}
