/* SPDX-License-Identifier: BSD-2-Clause */
/* IPv4, IPv6, their fragments, and TCP. */
#include "base/checksum.h"
#include "decode/fragment.h"
#include "decode/walk.h"

#include <string.h>

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

enum { IPV6_ADDRESSES = 32 };

/* IP protocols and IPv6 next headers are one number space. */
static const struct next protocols[] = {
    {PROTOCOL_TCP, 0, LAYER_TCP},
    {PROTOCOL_UDP, 0, LAYER_UDP},
    {PROTOCOL_ICMP, 0, LAYER_ICMP},
    {PROTOCOL_ICMPV6, 0, LAYER_ICMPV6},
    {4, 0, LAYER_IPV4},
    {41, 0, LAYER_IPV6},
    {47, 0, LAYER_GRE},
    {0, 0, LAYER_EXTENSION},   /* hop-by-hop options */
    {43, 0, LAYER_EXTENSION},  /* routing */
    {60, 0, LAYER_EXTENSION},  /* destination options */
    {135, 0, LAYER_EXTENSION}, /* mobility */
    {139, 0, LAYER_EXTENSION}, /* HIP */
    {140, 0, LAYER_EXTENSION}, /* shim6 */
    {44, 0, LAYER_FRAGMENT},
    {51, 0, LAYER_AUTHENTICATION},
    {97, 2 + 12, LAYER_ETHERTYPE}, /* EtherIP, RFC 3378 */
    {137, 0, LAYER_MPLS},          /* RFC 4023 */
};

static enum layer walk_protocol(struct walk *walk, uint8_t protocol)
{
    return walk_next(walk, protocols, COUNT(protocols), protocol);
}

static bool port_is_watched(const struct walk *walk, uint16_t port)
{
    return walk->ports[port >> 3] >> (port & 7) & 1;
}

/*
 * The IP header says how much follows: what is behind that is padding or a trailer of the link, what is short of it was not
 * captured. The header is believed over the frame's length, since some tools cut frames without telling; but then it is marked.
 */
static void walk_trim(struct walk *walk, uint32_t len)
{
    size_t left = reader_left(&walk->in);
    if (len > left + walk->beyond)
        walk->marks |= SMTPSCOPE_MARK_TOO_LONG;
    walk->beyond = len > left ? len - (uint32_t)left : 0;
    reader_limit(&walk->in, len);
}

/* Whether the first fragment shows ports that nobody wants. A fragment too short to tell (RFC 1858) is held. */
static bool fragment_is_unwanted(const struct walk *walk, const struct fragment *fragment)
{
    if (fragment->offset != 0 || !reader_has(&walk->in, 0, 4))
        return false;
    uint16_t src = reader_be16(&walk->in, 0), dst = reader_be16(&walk->in, 2);
    if (fragment->protocol == PROTOCOL_TCP)
        return !port_is_watched(walk, src) && !port_is_watched(walk, dst);
    return fragment->protocol == PROTOCOL_UDP && !udp_is_tunnel(dst);
}

static enum layer walk_whole(struct walk *walk, const struct datagram *whole)
{
    walk->in = whole->data;
    walk->beyond = whole->beyond;
    walk->hops = whole->hops;
    if (whole->contested)
        walk->marks |= SMTPSCOPE_MARK_CONTESTED;
    return walk_protocol(walk, whole->protocol);
}

/* Takes a fragment whose addresses and octets are in the walk already, and whose place is in `fragment`. */
static enum layer walk_fragment(struct walk *walk, struct fragment *fragment)
{
    fragment->addresses = walk->addresses;
    fragment->data = walk->in;
    fragment->beyond = walk->beyond;
    fragment->hops = walk->hops;
    fragment->time = walk->time;
    if (next_find(protocols, COUNT(protocols), fragment->protocol) == NULL || fragment->protocol == PROTOCOL_ICMP ||
        fragment->protocol == PROTOCOL_ICMPV6)
        return END_DISMISSED; /* an error of ICMP is small (RFC 1812 4.3.2.3, RFC 4443 2.4), and never comes in fragments */
    if (fragment_is_unwanted(walk, fragment)) {
        fragments_dismiss(walk->fragments, fragment);
        return END_DISMISSED;
    }
    struct datagram whole;
    switch (fragments_add(walk->fragments, fragment, &whole)) {
    case FRAGMENT_HELD: walk->datagram = whole.number; return END_HELD;
    case FRAGMENT_COMPLETES: walk->datagram = whole.number; return walk_whole(walk, &whole);
    case FRAGMENT_DISMISSED: return END_DISMISSED;
    case FRAGMENT_DROPPED: break;
    }
    return END_DROPPED;
}

enum layer layer_ip(struct walk *walk)
{
    if (reader_left(&walk->in) == 0)
        return walk_short(walk);
    uint8_t version = reader_u8(&walk->in, 0) >> 4;
    return version == 4 ? LAYER_IPV4 : version == 6 ? LAYER_IPV6 : END_DISMISSED;
}

/* RFC 791 3.1: the checksum covers the header with its options, whose octets are all there. */
static inline void walk_ipv4_header(struct walk *walk, const struct reader *header, size_t len)
{
    walk->hops = reader_u8(header, 8);
    if (reader_be16(header, 10) != 0 && !checksum_is_right(checksum_add(0, header->at, len)))
        walk->marks |= SMTPSCOPE_MARK_DAMAGED;
}

/*
 * RFC 791 3.1
 *  0 version, header length | service | 2 total length
 *  4 identification                   | 6 flags, fragment offset
 *  8 time to live           | protocol| 10 checksum
 * 12 source, 16 destination, 20 options
 * A total length of 0 is what segmentation offload leaves above 64 KiB: the frame's length counts.
 */
enum layer layer_ipv4(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 20, &header))
        return walk_short(walk);
    uint8_t first = reader_u8(&header, 0);
    uint32_t header_len = (first & 15u) * 4, total = reader_be16(&header, 2);
    if (first >> 4 != 4 || header_len < 20 || (total != 0 && total < header_len))
        return END_MALFORMED;
    if (total != 0)
        walk_trim(walk, total - 20);
    if (!reader_has(&walk->in, 0, header_len - 20))
        return walk_short(walk);
    walk_ipv4_header(walk, &header, header_len);
    reader_skip(&walk->in, header_len - 20);
    uint8_t protocol = reader_u8(&header, 9);
    uint16_t place = reader_be16(&header, 6);
    uint16_t id = reader_be16(&header, 4);
    reader_skip(&header, 12);
    walk->addresses = header;
    if ((place & 0x3fff) == 0)
        return walk_protocol(walk, protocol);
    return walk_fragment(
        walk, &(struct fragment){.id = id, .protocol = protocol, .more = place & 0x2000, .offset = (place & 0x1fffu) * 8});
}

/*
 * RFC 8200 3
 * 0 version, class, flow label | 4 payload length | 6 next header | 7 hop limit | 8 source, 24 destination
 * A payload length of 0: a jumbogram (RFC 2675) or segmentation offload; the frame's length counts.
 */
enum layer layer_ipv6(struct walk *walk)
{
    struct reader header;
    if (!reader_part(&walk->in, 40, &header))
        return walk_short(walk);
    if (reader_u8(&header, 0) >> 4 != 6)
        return END_MALFORMED;
    uint16_t payload = reader_be16(&header, 4);
    if (payload != 0)
        walk_trim(walk, payload);
    uint8_t next = reader_u8(&header, 6);
    walk->hops = reader_u8(&header, 7);
    reader_skip(&header, 8);
    walk->addresses = header;
    return walk_protocol(walk, next);
}

/* RFC 8200 4: next header, then the length in units of 8 octets without the first, and in all `unit * length + base`. */
static enum layer walk_extension(struct walk *walk, size_t base, size_t unit)
{
    struct reader header = walk->in;
    size_t len = base + unit * reader_u8(&header, 1);
    if (!reader_skip(&walk->in, len))
        return walk_short(walk);
    return walk_protocol(walk, reader_u8(&header, 0));
}

/* Protocol 0 and the others are extension headers behind IPv6 only. */
enum layer layer_extension(struct walk *walk)
{
    return reader_left(&walk->addresses) == IPV6_ADDRESSES ? walk_extension(walk, 8, 8) : END_DISMISSED;
}

/* RFC 4302 2.2: the length is in units of 4 octets, less 2. */
enum layer layer_authentication(struct walk *walk)
{
    return walk_extension(walk, 8, 4);
}

/* RFC 8200 4.5: next header, reserved, offset (13 bits) with the M flag last, identification (4) */
enum layer layer_fragment(struct walk *walk)
{
    struct reader header;
    if (reader_left(&walk->addresses) != IPV6_ADDRESSES)
        return END_DISMISSED;
    if (!reader_part(&walk->in, 8, &header))
        return walk_short(walk);
    uint8_t next = reader_u8(&header, 0);
    uint16_t place = reader_be16(&header, 2);
    if ((place & 0xfff9) == 0) /* RFC 6946: an atomic fragment is whole */
        return walk_protocol(walk, next);
    return walk_fragment(
        walk,
        &(struct fragment){.id = reader_be32(&header, 4), .protocol = next, .more = place & 1, .offset = place & 0xfff8u});
}

/* Leaves walk->in at the payload. Options that were cut leave no payload, and less behind it. */
static bool walk_options(struct walk *walk, uint32_t len)
{
    size_t left = reader_left(&walk->in);
    if (len <= left)
        return reader_skip(&walk->in, len);
    uint32_t cut = len - (uint32_t)left;
    if (cut > walk->beyond)
        return false;
    walk->beyond -= cut;
    return reader_skip(&walk->in, left);
}

/* RFC 4291 2.5.5.2. Written in one piece: a processor waits when it reads at once what two writes have just put together. */
static void endpoint_set_ipv4(struct smtpscope_endpoint *endpoint, const uint8_t *address, uint16_t port)
{
    static const uint8_t mapped[sizeof endpoint->addr] = {[10] = 0xff, [11] = 0xff};
    uint32_t words[4];
    memcpy(words, mapped, sizeof words);
    memcpy(&words[3], address, sizeof words[3]);
    memcpy(endpoint->addr, words, sizeof words);
    endpoint->port = port;
}

static void endpoint_set_ipv6(struct smtpscope_endpoint *endpoint, const uint8_t *address, uint16_t port)
{
    memcpy(endpoint->addr, address, sizeof endpoint->addr);
    endpoint->port = port;
}

__attribute__((always_inline)) static inline void set_addresses(struct smtpscope_segment *segment, struct reader addresses,
                                                                uint16_t src_port, uint16_t dst_port)
{
    if (reader_left(&addresses) == IPV6_ADDRESSES) {
        endpoint_set_ipv6(&segment->src, addresses.at, src_port);
        endpoint_set_ipv6(&segment->dst, addresses.at + 16, dst_port);
    } else {
        endpoint_set_ipv4(&segment->src, addresses.at, src_port);
        endpoint_set_ipv4(&segment->dst, addresses.at + 4, dst_port);
    }
}

void segment_addresses(struct smtpscope_segment *segment, struct reader addresses, uint16_t src_port, uint16_t dst_port)
{
    set_addresses(segment, addresses, src_port, dst_port);
}

/* The option at `options`, taken off: its kind; 0 at the end of the list, or where it is broken. RFC 9293 3.2. */
static uint8_t option_next(struct reader *options, struct reader *value)
{
    enum { OPTION_END, OPTION_NOTHING };
    uint8_t kind;
    while ((kind = reader_u8(options, 0)) == OPTION_NOTHING)
        reader_skip(options, 1);
    if (kind == OPTION_END || !reader_part(options, reader_u8(options, 1), value) || !reader_skip(value, 2))
        return OPTION_END;
    return kind;
}

static void segment_option(struct smtpscope_segment *segment, uint8_t kind, const struct reader *value)
{
    enum { SEGMENT_SIZE = 2, WINDOW_SCALE = 3, TIMESTAMPS = 8, MD5_SIGNATURE = 19, AUTHENTICATION = 29, SCALE_MAX = 14 };
    switch (kind) {
    case SEGMENT_SIZE: segment->mss = reader_be16(value, 0); break;
    case WINDOW_SCALE:
        segment->marks |= SMTPSCOPE_MARK_SCALED;
        segment->scale = reader_u8(value, 0) < SCALE_MAX ? reader_u8(value, 0) : SCALE_MAX; /* RFC 7323 2.3 */
        break;
    case TIMESTAMPS:
        segment->marks |= SMTPSCOPE_MARK_STAMPED;
        segment->stamp = reader_be32(value, 0);
        break;
    case MD5_SIGNATURE:
    case AUTHENTICATION: segment->marks |= SMTPSCOPE_MARK_SIGNED; break;
    }
}

/* Nearly all segments have none, or timestamps alone, in the layout of RFC 7323 A. */
static void segment_options(struct smtpscope_segment *segment, struct reader options)
{
    struct reader value;
    if (reader_left(&options) == 12 && reader_be32(&options, 0) == 0x0101080a) {
        segment->marks |= SMTPSCOPE_MARK_STAMPED;
        segment->stamp = reader_be32(&options, 4);
        return;
    }
    for (uint8_t kind; (kind = option_next(&options, &value)) != 0;)
        segment_option(segment, kind, &value);
}

static bool checksum_of_segment_is_right(const struct smtpscope_segment *segment)
{
    return checksum_of_tcp_is_right(segment->src.addr, segment->dst.addr, segment->data - segment->header,
                                    segment->header + segment->len);
}

/*
 * RFC 9293 3.1
 *  0 source port | 2 destination port | 4 sequence number | 8 acknowledgment number
 * 12 data offset | 13 flags | 14 window | 16 checksum | 18 urgent pointer | 20 options
 */
__attribute__((always_inline)) static inline enum layer take_tcp(struct walk *walk)
{
    uint16_t src_port = reader_be16(&walk->in, 0), dst_port = reader_be16(&walk->in, 2);
    struct reader header;
    if (!reader_part(&walk->in, 20, &header))
        return walk_short(walk);
    uint32_t header_len = (reader_u8(&header, 12) >> 4) * 4u;
    struct reader options = walk->in;
    if (header_len < 20 || !walk_options(walk, header_len - 20))
        return END_MALFORMED;
    options.end = walk->in.at;
    struct smtpscope_segment *segment = walk->segment;
    set_addresses(segment, walk->addresses, src_port, dst_port);
    segment->seq = reader_be32(&header, 4);
    segment->ack = reader_be32(&header, 8);
    segment->flags = reader_u8(&header, 13) & 0x3f;
    segment->window = reader_be16(&header, 14);
    segment->data = walk->in.at;
    segment->len = (uint32_t)reader_left(&walk->in);
    segment->missing = walk->beyond;
    segment->hash = 0;
    segment->marks = walk->marks;
    segment->hops = walk->hops;
    segment->vlan = walk->vlan;
    /* What the capture cut cannot be summed. */
    segment->header = walk->beyond == 0 ? (uint8_t)header_len : 0;
    segment->scale = 0;
    segment->stamp = 0;
    segment->mss = 0;
    if (header_len > 20)
        segment_options(segment, options);
    return walk->verify_checksums && segment->header != 0 && !checksum_of_segment_is_right(segment) ? END_DAMAGED : END_SEGMENT;
}

enum layer layer_tcp(struct walk *walk)
{
    uint16_t src_port = reader_be16(&walk->in, 0), dst_port = reader_be16(&walk->in, 2);
    if (!port_is_watched(walk, src_port) && !port_is_watched(walk, dst_port) && reader_has(&walk->in, 0, 4))
        return END_DISMISSED;
    return take_tcp(walk);
}

/* `ipv4` is a constant where it is called: what it asks for is at fixed places, and the walk never leaves the registers. */
__attribute__((always_inline)) static inline enum layer take_plain(struct walk *walk, bool ipv4)
{
    struct reader ip;
    if (!reader_part(&walk->in, ipv4 ? 20 : 40, &ip))
        return walk_short(walk);
    walk_trim(walk, ipv4 ? reader_be16(&ip, 2) - 20u : reader_be16(&ip, 4));
    if (ipv4)
        walk_ipv4_header(walk, &ip, 20);
    else
        walk->hops = reader_u8(&ip, 7);
    reader_skip(&ip, ipv4 ? 12 : 8);
    walk->addresses = ip;
    return take_tcp(walk);
}

enum layer walk_plain(struct reader frame, uint32_t beyond, bool verify_checksums, struct smtpscope_segment *segment)
{
    struct walk walk = {.in = frame, .beyond = beyond, .verify_checksums = verify_checksums, .segment = segment};
    return plain_ethernet(&walk.in, &walk.vlan) == ETHERTYPE_IPV4 ? take_plain(&walk, true) : take_plain(&walk, false);
}
