/* SPDX-License-Identifier: BSD-2-Clause */
#include "decode/decode.h"

#include "decode/fragment.h"
#include "decode/walk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/*
 * Headers, tags, labels and extension headers of one frame. What is met in the field is about a dozen: Ethernet, two VLAN
 * tags, a label stack, IP, UDP, GTP-U, IP, TCP. Each layer takes at least one octet, so a frame ends by itself too; the
 * bound keeps a hostile frame from costing more than a few ordinary ones.
 */
enum { MAX_LAYERS = 32 };

/* Half of Linux's share for reassembly is plenty for one tap; its time is Linux's (ipfrag_high_thresh, ipfrag_time). */
enum { DEFAULT_DATAGRAMS = 4096, DEFAULT_FRAGMENT_OCTETS = 4 << 20, DEFAULT_FRAGMENT_SECONDS = 30 };

/* The largest packet on a link that carries IP is half of it (Linux's BIG TCP): what claims to be longer lies. */
enum { FRAME_MOST = 1 << 20 };

enum { ETHERNET = 1 };

struct link {
    uint16_t type;
    uint8_t skip; /* octets in front of `layer` */
    uint8_t layer;
};

/* libpcap's link types: DLT_ values, and LINKTYPE_ values where a reader passes them on as they are. */
static const struct link links[] = {
    {ETHERNET, 12, LAYER_ETHERTYPE}, /* EN10MB */
    {113, 14, LAYER_ETHERTYPE},      /* LINUX_SLL */
    {276, 0, LAYER_SLL2},            /* LINUX_SLL2 */
    {12, 0, LAYER_IP},               /* RAW */
    {14, 0, LAYER_IP},               /* RAW */
    {101, 0, LAYER_IP},              /* RAW */
    {228, 0, LAYER_IPV4},            /* IPV4 */
    {229, 0, LAYER_IPV6},            /* IPV6 */
    {0, 0, LAYER_FAMILY},            /* NULL */
    {108, 0, LAYER_FAMILY},          /* LOOP */
    {9, 0, LAYER_PPP},               /* PPP */
    {50, 0, LAYER_PPP},              /* PPP_SERIAL */
    {51, 0, LAYER_PPPOE},            /* PPP_ETHER */
    {166, 2, LAYER_PPP},             /* PPP_PPPD: the direction takes the place of the address octet, then control */
    {204, 1, LAYER_PPP},             /* PPP_WITH_DIR */
    {104, 2, LAYER_ETHERTYPE},       /* C_HDLC */
    {205, 3, LAYER_ETHERTYPE},       /* C_HDLC_WITH_DIR */
    {219, 0, LAYER_MPLS},            /* MPLS */
    {138, 16, LAYER_ETHERTYPE},      /* APPLE_IP_OVER_IEEE1394 */
};

static enum layer (*const layers[LAYERS])(struct walk *walk) = {
    [LAYER_ETHERTYPE] = layer_ethertype,
    [LAYER_TAG] = layer_tag,
    [LAYER_SLL2] = layer_sll2,
    [LAYER_FAMILY] = layer_family,
    [LAYER_PPP] = layer_ppp,
    [LAYER_PPPOE] = layer_pppoe,
    [LAYER_MPLS] = layer_mpls,
    [LAYER_IP] = layer_ip,
    [LAYER_IPV4] = layer_ipv4,
    [LAYER_IPV6] = layer_ipv6,
    [LAYER_EXTENSION] = layer_extension,
    [LAYER_AUTHENTICATION] = layer_authentication,
    [LAYER_FRAGMENT] = layer_fragment,
    [LAYER_UDP] = layer_udp,
    [LAYER_GRE] = layer_gre,
    [LAYER_ERSPAN2] = layer_erspan2,
    [LAYER_ERSPAN3] = layer_erspan3,
    [LAYER_VXLAN] = layer_vxlan,
    [LAYER_VXLAN_GPE] = layer_vxlan_gpe,
    [LAYER_GENEVE] = layer_geneve,
    [LAYER_GTP] = layer_gtp,
    [LAYER_L2TP] = layer_l2tp,
    [LAYER_TZSP] = layer_tzsp,
    [LAYER_TCP] = layer_tcp,
    [LAYER_ICMP] = layer_icmp,
    [LAYER_ICMPV6] = layer_icmpv6,
};

/* A bit a port. */
enum { PORTS_OCTETS = 8192 };

struct decoder {
    struct decoder_config config;
    struct fragments *fragments;
    const struct link *link; /* of the frame before: a capture has one link type, or a few */
    int link_type;
    uint64_t frames, snapped;
    uint64_t datagram; /* of the last frame */
    uint64_t ends[ENDS - END_SEGMENT];
    uint8_t tunnels[PORTS_OCTETS]; /* the UDP ports of tunnels, as config.ports */
    uint8_t every_port[];          /* each bit set; there when no ports were given */
};

static const struct link unknown_link = {0, 0, END_UNKNOWN_LINK};

static const struct link *link_find(int type)
{
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (links[i].type == type)
            return &links[i];
    return &unknown_link;
}

static void decoder_note_tunnels(struct decoder *decoder)
{
    uint16_t ports[64];
    size_t count = decoder_tunnel_ports(ports, sizeof ports / sizeof ports[0]);
    assert(count <= sizeof ports / sizeof ports[0]);
    for (size_t i = 0; i < count; i++)
        decoder->tunnels[ports[i] >> 3] |= (uint8_t)(1u << (ports[i] & 7));
}

struct decoder *decoder_new(const struct decoder_config *config)
{
    size_t every_port = config->ports == NULL ? PORTS_OCTETS : 0;
    struct decoder *decoder = calloc(1, sizeof *decoder + every_port);
    if (decoder == NULL)
        return NULL;
    decoder->config = *config;
    if (every_port > 0)
        decoder->config.ports = memset(decoder->every_port, 0xff, every_port);
    decoder->link = link_find(ETHERNET);
    decoder->link_type = ETHERNET;
    decoder_note_tunnels(decoder);
    struct fragments_config bounds = {
        .max_datagrams = config->max_datagrams ? config->max_datagrams : DEFAULT_DATAGRAMS,
        .max_octets = config->max_fragment_octets ? config->max_fragment_octets : DEFAULT_FRAGMENT_OCTETS,
        .seed = config->hash_seed,
        .timeout = config->fragment_timeout ? config->fragment_timeout : DEFAULT_FRAGMENT_SECONDS * SMTPSCOPE_SECOND,
    };
    decoder->fragments = fragments_new(&bounds);
    if (decoder->fragments == NULL) {
        free(decoder);
        return NULL;
    }
    return decoder;
}

void decoder_free(struct decoder *decoder)
{
    if (decoder == NULL)
        return;
    fragments_free(decoder->fragments);
    free(decoder);
}

static const struct link *decoder_link(struct decoder *decoder, int link_type)
{
    if (decoder->link_type != link_type) {
        decoder->link_type = link_type;
        decoder->link = link_find(link_type);
    }
    return decoder->link;
}

static enum layer walk_frame(struct walk *walk, const struct link *link)
{
    enum layer layer = walk_skip(walk, link->skip, (enum layer)link->layer);
    for (int count = 0; layer < LAYERS; count++) {
        if (count == MAX_LAYERS)
            return END_TOO_DEEP;
        layer = layers[layer](walk);
    }
    return layer;
}

/* What a frame is on sight of its first octets, where these are plain enough. */
enum plain { PLAIN_NOT, PLAIN_OTHER, PLAIN_TCP };

/* The ports of TCP or UDP are at `ports`, with octets enough behind them. */
static inline enum plain plain_ports(const struct decoder *decoder, const struct reader *ports, uint8_t protocol)
{
    uint16_t src = reader_be16(ports, 0), dst = reader_be16(ports, 2);
    const uint8_t *watched = decoder->config.ports;

    if (protocol == PROTOCOL_TCP)
        return (watched[src >> 3] >> (src & 7) | watched[dst >> 3] >> (dst & 7)) & 1 ? PLAIN_TCP : PLAIN_OTHER;
    return protocol == PROTOCOL_UDP && !(decoder->tunnels[dst >> 3] >> (dst & 7) & 1) ? PLAIN_OTHER : PLAIN_NOT;
}

/*
 * Nearly every frame of a mixed link is TCP or UDP on other ports, straight on IP and Ethernet: it is dismissed on sight of its
 * ports, and what is on a watched port there needs no walk either. What has options, fragments, more than one tag or anything
 * odd is left to the walk, which would come to the same.
 */
static inline enum plain plain_network(const struct decoder *decoder, struct reader frame, uint16_t type)
{
    struct reader ip, ports;

    if (type == ETHERTYPE_IPV4) {
        if (!reader_part(&frame, 20, &ip) || !reader_part(&frame, 8, &ports) || reader_u8(&ip, 0) != 0x45 ||
            reader_be16(&ip, 2) < 20 + 8 || (reader_be16(&ip, 6) & 0x3fff) != 0)
            return PLAIN_NOT;
        return plain_ports(decoder, &ports, reader_u8(&ip, 9));
    }
    if (type != ETHERTYPE_IPV6 || !reader_part(&frame, 40, &ip) || !reader_part(&frame, 8, &ports) ||
        reader_u8(&ip, 0) >> 4 != 6 || reader_be16(&ip, 4) < 8)
        return PLAIN_NOT;
    return plain_ports(decoder, &ports, reader_u8(&ip, 6));
}

/* Apart, for the offsets are constants in each of the two then. */
__attribute__((noinline)) static enum plain plain_tagged(const struct decoder *decoder, struct reader frame)
{
    uint16_t vlan, type = plain_ethernet(&frame, &vlan);
    return plain_network(decoder, frame, type);
}

static inline enum plain plain_look(const struct decoder *decoder, struct reader frame)
{
    struct reader whole = frame, ethernet;

    if (!reader_part(&frame, 14, &ethernet))
        return PLAIN_NOT;
    if (reader_be16(&ethernet, 12) == ETHERTYPE_VLAN)
        return plain_tagged(decoder, whole);
    return plain_network(decoder, frame, reader_be16(&ethernet, 12));
}

/* Apart from decoder_frame(): what is dismissed there does not pay for the room that a walk takes on the stack. */
__attribute__((noinline)) static enum layer frame_walk(struct decoder *decoder, int link_type, struct reader frame,
                                                       uint32_t beyond, struct smtpscope_segment *segment)
{
    struct walk walk;
    enum layer end;

    walk.in = frame;
    walk.beyond = beyond;
    walk.ports = decoder->config.ports;
    walk.fragments = decoder->fragments;
    walk.datagram = 0;
    walk.time = segment->time;
    walk.verify_checksums = decoder->config.verify_checksums;
    walk.hops = walk.marks = 0;
    walk.vlan = 0;
    walk.segment = segment;
    end = walk_frame(&walk, decoder_link(decoder, link_type));
    decoder->datagram = walk.datagram;
    return end;
}

bool decoder_frame(struct decoder *decoder, int link_type, const uint8_t *data, uint32_t caplen, uint32_t len,
                   smtpscope_time time, uint64_t number, struct smtpscope_segment *segment)
{
    struct reader frame = reader_over(data, caplen);
    enum plain plain = link_type == ETHERNET ? plain_look(decoder, frame) : PLAIN_NOT;
    enum layer end;
    uint32_t beyond;

    decoder->frames++;
    decoder->datagram = 0;
    if (plain == PLAIN_OTHER) {
        decoder->ends[END_DISMISSED - END_SEGMENT]++;
        return false;
    }
    segment->time = time;
    segment->packet = number;
    len = len < FRAME_MOST ? len : FRAME_MOST;
    beyond = len > caplen ? len - caplen : 0;
    end = plain == PLAIN_TCP ? walk_plain(frame, beyond, decoder->config.verify_checksums, segment)
                             : frame_walk(decoder, link_type, frame, beyond, segment);
    decoder->ends[end - END_SEGMENT]++;
    if (end != END_SEGMENT)
        return false;
    decoder->snapped += segment->missing > 0;
    return true;
}

uint64_t decoder_datagram(const struct decoder *decoder)
{
    return decoder->datagram;
}

void decoder_stats(const struct decoder *decoder, struct decoder_stats *stats)
{
    struct fragments_stats fragments;
    fragments_stats(decoder->fragments, &fragments);
    *stats = (struct decoder_stats){
        .frames = decoder->frames,
        .segments = decoder->ends[END_SEGMENT - END_SEGMENT],
        .dismissed = decoder->ends[END_DISMISSED - END_SEGMENT],
        .malformed = decoder->ends[END_MALFORMED - END_SEGMENT],
        .headers_cut = decoder->ends[END_CUT - END_SEGMENT],
        .held = decoder->ends[END_HELD - END_SEGMENT],
        .dropped = decoder->ends[END_DROPPED - END_SEGMENT],
        .too_deep = decoder->ends[END_TOO_DEEP - END_SEGMENT],
        .unknown_links = decoder->ends[END_UNKNOWN_LINK - END_SEGMENT],
        .damaged = decoder->ends[END_DAMAGED - END_SEGMENT],
        .snapped = decoder->snapped,
        .fragments = fragments.fragments,
        .reassembled = fragments.reassembled,
        .fragments_lost = fragments.lost,
        .datagrams_evicted = fragments.evicted,
        .fragments_contradicting = fragments.contradicting,
        .fragments_waiting = fragments.waiting,
    };
}
