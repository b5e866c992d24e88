/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk through the headers of one frame: one loop, one function a layer, each of which says what comes next.
 *
 * Most layers differ only in a number that names the next one and in octets to skip before it, so these are rows of tables
 * (struct next), and only what has a shape of its own is a function.
 */
#ifndef DECODE_WALK_H
#define DECODE_WALK_H

#include "base/reader.h"
#include "smtpscope/segment.h"

struct fragments;

enum {
    PROTOCOL_ICMP = 1,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_VLAN = 0x8100
};

/* What the octets at walk.in are. The values from END_SEGMENT on end the walk, and say how. */
enum layer {
    LAYER_ETHERTYPE, /* two octets that name what follows: Ethernet, SLL, Cisco HDLC, behind a tag */
    LAYER_TAG,       /* 802.1Q */
    LAYER_SLL2,
    LAYER_FAMILY, /* BSD loopback: an address family */
    LAYER_PPP,
    LAYER_PPPOE,
    LAYER_MPLS,
    LAYER_IP, /* IPv4 or IPv6 by the version */
    LAYER_IPV4,
    LAYER_IPV6,
    LAYER_EXTENSION,      /* an IPv6 extension header of the common shape */
    LAYER_AUTHENTICATION, /* RFC 4302 */
    LAYER_FRAGMENT,       /* the IPv6 fragment header */
    LAYER_UDP,
    LAYER_GRE,
    LAYER_ERSPAN2,
    LAYER_ERSPAN3,
    LAYER_VXLAN,
    LAYER_VXLAN_GPE,
    LAYER_GENEVE,
    LAYER_GTP,
    LAYER_L2TP,
    LAYER_TZSP,
    LAYER_TCP,
    LAYER_ICMP,
    LAYER_ICMPV6,
    LAYERS,

    END_SEGMENT = LAYERS,
    END_DISMISSED,
    END_MALFORMED,
    END_CUT,
    END_HELD,
    END_DROPPED,
    END_TOO_DEEP,
    END_UNKNOWN_LINK,
    END_DAMAGED,
    ENDS,
};

struct walk {
    struct reader in;        /* what was captured from here on, as far as the innermost IP header says that it reaches */
    uint32_t beyond;         /* octets that were on the wire behind in.end */
    struct reader addresses; /* source and destination of the innermost IP header: 8 or 32 octets */
    const uint8_t *ports;    /* the bitmap of watched TCP ports */
    struct fragments *fragments;
    uint64_t datagram; /* that the frame is a fragment of, by its number; 0: of none */
    smtpscope_time time;
    bool verify_checksums;
    uint8_t hops;                      /* of the innermost IP header */
    uint8_t marks;                     /* enum smtpscope_segment_mark: what was seen on the way */
    uint16_t vlan;                     /* see walk_network() */
    struct smtpscope_segment *segment; /* filled by layer_tcp() */
};

/*
 * A tag, a label or a tunnel's number: what is behind it is of a network of its own. A VLAN alone is itself, and 0 is none; what
 * is nested is folded.
 */
static inline void walk_network(struct walk *walk, uint32_t number)
{
    walk->vlan = (uint16_t)((walk->vlan * 33u ^ number ^ number >> 12) & 0xfff);
}

/* A row: behind `key`, skip `skip` octets, and `layer` is there. */
struct next {
    uint16_t key;
    uint8_t skip;
    uint8_t layer;
};

/* A header is not all there: cut by the capture, or never sent. */
static inline enum layer walk_short(const struct walk *walk)
{
    return walk->beyond > 0 ? END_CUT : END_MALFORMED;
}

/* Skips octets that must be there for `layer` to begin. */
static inline enum layer walk_skip(struct walk *walk, size_t len, enum layer layer)
{
    return reader_skip(&walk->in, len) ? layer : walk_short(walk);
}

static inline const struct next *next_find(const struct next *rows, size_t count, unsigned key)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].key == key)
            return &rows[i];
    return NULL;
}

/* Goes where the row of `key` says; what has no row is nothing that is followed. */
static inline enum layer walk_next(struct walk *walk, const struct next *rows, size_t count, unsigned key)
{
    const struct next *row = next_find(rows, count, key);
    return row == NULL ? END_DISMISSED : walk_skip(walk, row->skip, (enum layer)row->layer);
}

/* What an EtherType (also GRE's and GENEVE's protocol) and a PPP protocol lead to; link.c. */
enum layer walk_ethertype(struct walk *walk, uint16_t type);

/* The ends of a segment: addresses as IP has them, 4 or 16 octets each; ip.c. */
void segment_addresses(struct smtpscope_segment *segment, struct reader addresses, uint16_t src_port, uint16_t dst_port);

/* Whether a UDP port is a tunnel's; tunnel.c. */
bool udp_is_tunnel(uint16_t port);

/* Takes Ethernet's header, and one VLAN tag, off a frame: what follows; 0 when it ends before. `vlan` is that of the tag. */
static inline uint16_t plain_ethernet(struct reader *frame, uint16_t *vlan)
{
    struct reader ethernet, tag;

    *vlan = 0;
    if (!reader_part(frame, 14, &ethernet))
        return 0;
    if (reader_be16(&ethernet, 12) != ETHERTYPE_VLAN)
        return reader_be16(&ethernet, 12);
    if (!reader_part(frame, 4, &tag))
        return 0;
    *vlan = reader_be16(&tag, 0) & 0xfff;
    return reader_be16(&tag, 2);
}

/*
 * The whole walk of a frame that is TCP, straight on IPv4 without options or on IPv6, and these on plain_ethernet(), by ports that
 * are watched; ip.c.
 */
enum layer walk_plain(struct reader frame, uint32_t beyond, bool verify_checksums, struct smtpscope_segment *segment);

/* The layers, by the file that has them. Each takes its header off walk->in and returns what follows. */
enum layer layer_ethertype(struct walk *walk);
enum layer layer_tag(struct walk *walk);
enum layer layer_sll2(struct walk *walk);
enum layer layer_family(struct walk *walk);
enum layer layer_ppp(struct walk *walk);
enum layer layer_pppoe(struct walk *walk);
enum layer layer_mpls(struct walk *walk);

enum layer layer_ip(struct walk *walk);
enum layer layer_ipv4(struct walk *walk);
enum layer layer_ipv6(struct walk *walk);
enum layer layer_extension(struct walk *walk);
enum layer layer_authentication(struct walk *walk);
enum layer layer_fragment(struct walk *walk);
enum layer layer_tcp(struct walk *walk);

enum layer layer_icmp(struct walk *walk);
enum layer layer_icmpv6(struct walk *walk);

enum layer layer_udp(struct walk *walk);
enum layer layer_gre(struct walk *walk);
enum layer layer_erspan2(struct walk *walk);
enum layer layer_erspan3(struct walk *walk);
enum layer layer_vxlan(struct walk *walk);
enum layer layer_vxlan_gpe(struct walk *walk);
enum layer layer_geneve(struct walk *walk);
enum layer layer_gtp(struct walk *walk);
enum layer layer_l2tp(struct walk *walk);
enum layer layer_tzsp(struct walk *walk);

#endif
