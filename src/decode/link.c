/* SPDX-License-Identifier: BSD-2-Clause */
/* Link layers and what stands between them and IP: EtherTypes, tags, PPP, MPLS. */
#include "decode/walk.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

/* The most frequent first: the search is linear. An inner Ethernet frame begins with 12 octets of addresses. */
static const struct next ethertypes[] = {
    {0x0800, 0, LAYER_IPV4},
    {0x86dd, 0, LAYER_IPV6},
    {0x8100, 0, LAYER_TAG}, /* 802.1Q */
    {0x88a8, 0, LAYER_TAG}, /* 802.1ad */
    {0x9100, 0, LAYER_TAG}, /* QinQ before 802.1ad */
    {0x9200, 0, LAYER_TAG},
    {0x8847, 0, LAYER_MPLS},
    {0x8848, 0, LAYER_MPLS},
    {0x8864, 0, LAYER_PPPOE},
    {0x880b, 0, LAYER_PPP},
    {0x6558, 12, LAYER_ETHERTYPE}, /* transparent Ethernet, in GRE and GENEVE */
    {0x88be, 0, LAYER_ERSPAN2},
    {0x22eb, 0, LAYER_ERSPAN3},
    {0x88e7, 4 + 12, LAYER_ETHERTYPE}, /* 802.1ah: the I-tag, then the customer's frame */
    {0x893f, 6, LAYER_ETHERTYPE},      /* 802.1BR */
};

static const struct next ppp_protocols[] = {
    {0x0021, 0, LAYER_IPV4},
    {0x0057, 0, LAYER_IPV6},
    {0x0281, 0, LAYER_MPLS},
    {0x0283, 0, LAYER_MPLS},
};

/* AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on macOS. */
static const struct next families[] = {
    {2, 0, LAYER_IPV4}, {10, 0, LAYER_IPV6}, {23, 0, LAYER_IPV6}, {24, 0, LAYER_IPV6}, {28, 0, LAYER_IPV6}, {30, 0, LAYER_IPV6},
};

enum layer walk_ethertype(struct walk *walk, uint16_t type)
{
    return walk_next(walk, ethertypes, COUNT(ethertypes), type);
}

/* IEEE 802.2 behind a length: SNAP with an EtherType, or IP's own service access point. */
static enum layer walk_llc(struct walk *walk)
{
    uint32_t control = reader_be32(&walk->in, 0) >> 8;
    if (control == 0x060603)
        return walk_skip(walk, 3, LAYER_IPV4);
    bool snap = control == 0xaaaa03 && reader_u8(&walk->in, 3) == 0 && reader_be16(&walk->in, 4) == 0;
    return snap && reader_has(&walk->in, 0, 6) ? walk_skip(walk, 6, LAYER_ETHERTYPE) : END_DISMISSED;
}

/* Below 0x600 the field is a length. */
enum layer layer_ethertype(struct walk *walk)
{
    struct reader field;
    if (!reader_part(&walk->in, 2, &field))
        return walk_short(walk);
    uint16_t type = reader_be16(&field, 0);
    return type < 0x600 ? walk_llc(walk) : walk_ethertype(walk, type);
}

/* Class (3 bits), eligible to be dropped (1), VLAN (12) */
enum layer layer_tag(struct walk *walk)
{
    walk_network(walk, reader_be16(&walk->in, 0) & 0xfffu);
    return walk_skip(walk, 2, LAYER_ETHERTYPE);
}

/*
 * Of two tags the kernel takes one off a frame. Linux names the other one as the protocol; from 6.10 on what is behind it, though
 * it is still there: then its two octets follow, and the EtherType once more. Wireshark differs: it takes them for a bad IP
 * header. A whole IPv4 packet may look like that when it has as many octets as the EtherType says.
 */
static bool sll2_hides_tag(const struct walk *walk, uint16_t type)
{
    bool ip = type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6;
    uint8_t version = type == ETHERTYPE_IPV4 ? 4 : 6;
    return ip && reader_be16(&walk->in, 2) == type && reader_u8(&walk->in, 4) >> 4 == version &&
           reader_left(&walk->in) + walk->beyond != type;
}

/* Protocol (2), reserved (2), interface (4), ARPHRD type (2), packet type (1), address length (1), address (8) */
enum layer layer_sll2(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 20, &header))
        return walk_short(walk);
    uint16_t type = reader_be16(&header, 0);
    return sll2_hides_tag(walk, type) ? walk_skip(walk, 2, LAYER_ETHERTYPE) : walk_ethertype(walk, type);
}

/* DLT_NULL has the byte order of the capturing machine, DLT_LOOP the network's. A family is a small number in one of them. */
enum layer layer_family(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 4, &header))
        return walk_short(walk);
    uint32_t family = reader_be32(&header, 0);
    if (family > 0xffff)
        family = reader_le32(&header, 0);
    return walk_next(walk, families, COUNT(families), family);
}

/*
 * RFC 1661, with or without the address and control octets of RFC 1662, with the protocol in one octet or two.
 * A serial line may carry Cisco's HDLC instead, told by its first octet.
 */
enum layer layer_ppp(struct walk *walk)
{
    uint16_t start = reader_be16(&walk->in, 0);
    if (start == 0x0f00 || start == 0x8f00)
        return walk_skip(walk, 2, LAYER_ETHERTYPE);
    if (start == 0xff03)
        reader_skip(&walk->in, 2);
    bool compressed = reader_u8(&walk->in, 0) & 1;
    uint16_t protocol = compressed ? reader_u8(&walk->in, 0) : reader_be16(&walk->in, 0);
    if (!reader_skip(&walk->in, compressed ? 1 : 2))
        return walk_short(walk);
    return walk_next(walk, ppp_protocols, COUNT(ppp_protocols), protocol);
}

/* RFC 2516 4: version and type 0x11, code 0 in a session, session, length */
enum layer layer_pppoe(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 6, &header))
        return walk_short(walk);
    return reader_be16(&header, 0) == 0x1100 ? LAYER_PPP : END_DISMISSED;
}

static bool ethertype_is_known(uint16_t type)
{
    return next_find(ethertypes, COUNT(ethertypes), type) != NULL;
}

/*
 * Nothing names what is under the last label (RFC 4928 2): IP by its version. Else a pseudo-wire of Ethernet, with a control
 * word (RFC 4448 4.6) where an EtherType that we know stands in the right place behind one.
 */
static enum layer walk_unlabelled(struct walk *walk)
{
    uint8_t version = reader_u8(&walk->in, 0) >> 4;
    if (version == 4)
        return LAYER_IPV4;
    if (version == 6)
        return LAYER_IPV6;
    if (version == 0 && ethertype_is_known(reader_be16(&walk->in, 4 + 12)))
        return walk_skip(walk, 4 + 12, LAYER_ETHERTYPE);
    return walk_skip(walk, 12, LAYER_ETHERTYPE);
}

/* RFC 3032 2.1: label (20 bits), class (3), bottom of stack (1), TTL (8) */
enum layer layer_mpls(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 4, &header))
        return walk_short(walk);
    bool bottom = reader_u8(&header, 2) & 1;
    walk_network(walk, reader_be32(&header, 0) >> 12);
    return bottom ? walk_unlabelled(walk) : LAYER_MPLS;
}
