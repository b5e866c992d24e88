/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames written from the inside out: "tcp ip4 gre ip4 eth" is a segment in IPv4 in GRE in IPv4 on Ethernet. */
#ifndef SMTPSCOPE_TESTS_TEST_DECODE_H
#define SMTPSCOPE_TESTS_TEST_DECODE_H

#include "unit.h"

#include "decode/decode.h"

enum { CLIENT_PORT = 40000, SERVER_PORT = 25, ROOM = 4096 };

static const char payload[] = "RCPT TO:<postmaster@example.org>\r\n";
enum { PAYLOAD_LEN = sizeof payload - 1, TCP_OPTIONS = 12, SEQ = 0x12345678, ACK = 0x1abcdef0, WINDOW = 501 };

static const uint8_t client4[4] = {192, 0, 2, 1}, server4[4] = {198, 51, 100, 25};
static const uint8_t client6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1}, server6[16] = {0x20, 1, 0xd, 0xb8, [15] = 0x25};

/* What is written so far, at the end of the room, and the numbers by which an outer layer names it. */
struct builder {
    uint8_t room[ROOM];
    size_t at;
    uint16_t ethertype, ppp;
    uint8_t protocol;
};

static void builder_init(struct builder *builder)
{
    *builder = (struct builder){.at = ROOM};
}

static uint8_t *builder_prepend(struct builder *builder, size_t len)
{
    assert_true(builder->at >= len);
    builder->at -= len;
    return memset(builder->room + builder->at, 0, len);
}

static size_t builder_len(const struct builder *builder)
{
    return ROOM - builder->at;
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static void builder_text(struct builder *builder, const void *octets, size_t len)
{
    memcpy(builder_prepend(builder, len), octets, len);
}

static void build_tcp(struct builder *builder)
{
    builder_text(builder, payload, PAYLOAD_LEN);
    uint8_t *at = builder_prepend(builder, 20 + TCP_OPTIONS);
    put16(at, CLIENT_PORT);
    put16(at + 2, SERVER_PORT);
    put32(at + 4, SEQ);
    put32(at + 8, ACK);
    at[12] = (20 + TCP_OPTIONS) / 4 << 4;
    at[13] = SMTPSCOPE_TCP_PSH | SMTPSCOPE_TCP_ACK;
    put16(at + 14, WINDOW);
    memset(at + 20, 1, TCP_OPTIONS);
    builder->protocol = 6;
}

static void build_ip4_header(struct builder *builder, size_t options, uint16_t id, uint16_t place)
{
    uint8_t *at = builder_prepend(builder, 20 + options);
    at[0] = (uint8_t)(0x45 + options / 4);
    put16(at + 2, builder_len(builder));
    put16(at + 4, id);
    put16(at + 6, place);
    at[8] = 64;
    at[9] = builder->protocol;
    memcpy(at + 12, client4, 4);
    memcpy(at + 16, server4, 4);
    memset(at + 20, 1, options);
    builder->protocol = 4;
    builder->ethertype = 0x0800;
    builder->ppp = 0x21;
}

static void build_ip4(struct builder *builder)
{
    build_ip4_header(builder, 0, 1, 0x4000);
}

static void build_ip4_options(struct builder *builder)
{
    build_ip4_header(builder, 8, 1, 0x4000);
}

/* Segmentation offload: a total length of 0. */
static void build_ip4_tso(struct builder *builder)
{
    build_ip4(builder);
    put16(builder->room + builder->at + 2, 0);
}

static void build_ip6(struct builder *builder)
{
    size_t len = builder_len(builder);
    uint8_t *at = builder_prepend(builder, 40);
    at[0] = 0x60;
    put16(at + 4, len);
    at[6] = builder->protocol;
    at[7] = 64;
    memcpy(at + 8, client6, 16);
    memcpy(at + 24, server6, 16);
    builder->protocol = 41;
    builder->ethertype = 0x86dd;
    builder->ppp = 0x57;
}

static void build_ip6_tso(struct builder *builder)
{
    build_ip6(builder);
    put16(builder->room + builder->at + 4, 0);
}

static void build_extension(struct builder *builder, uint8_t protocol, size_t len, uint8_t len_field)
{
    uint8_t *at = builder_prepend(builder, len);
    at[0] = builder->protocol;
    at[1] = len_field;
    builder->protocol = protocol;
}

static void build_hop(struct builder *builder)
{
    build_extension(builder, 0, 8, 0);
}

static void build_routing(struct builder *builder)
{
    build_extension(builder, 43, 24, 2);
}

static void build_destination(struct builder *builder)
{
    build_extension(builder, 60, 16, 1);
}

static void build_authentication(struct builder *builder)
{
    build_extension(builder, 51, 24, 4);
}

/* RFC 6946 */
static void build_atomic(struct builder *builder)
{
    build_extension(builder, 44, 8, 0);
}

static void build_ethertype(struct builder *builder, size_t len)
{
    uint8_t *at = builder_prepend(builder, len + 2);
    put16(at + len, builder->ethertype);
}

static void build_eth(struct builder *builder)
{
    build_ethertype(builder, 12);
    builder->room[builder->at] = 2;
    builder->ethertype = 0x6558;
    builder->protocol = 0;
}

static void build_tag(struct builder *builder, uint16_t type, size_t len)
{
    build_ethertype(builder, len);
    builder->ethertype = type;
}

static void build_vlan(struct builder *builder)
{
    build_tag(builder, 0x8100, 2);
}

static void build_qinq(struct builder *builder)
{
    build_tag(builder, 0x88a8, 2);
}

static void build_qinq_old(struct builder *builder)
{
    build_tag(builder, 0x9100, 2);
}

static void build_etag(struct builder *builder)
{
    build_tag(builder, 0x893f, 6);
}

static void build_itag(struct builder *builder)
{
    builder_prepend(builder, 4);
    builder->ethertype = 0x88e7;
}

/* IEEE 802.3 with a length, LLC and SNAP */
static void build_snap(struct builder *builder)
{
    static const uint8_t snap[6] = {0xaa, 0xaa, 3};
    build_ethertype(builder, 0);
    builder_text(builder, snap, sizeof snap);
    builder->ethertype = (uint16_t)builder_len(builder);
    build_eth(builder);
}

static void build_sll(struct builder *builder)
{
    build_ethertype(builder, 14);
}

static void build_sll2(struct builder *builder)
{
    put16(builder_prepend(builder, 20), builder->ethertype);
}

/* What Linux 6.10 and later say of a frame with a tag in it: the EtherType behind the tag. */
static void build_sll2_of_tagged(struct builder *builder)
{
    uint16_t behind = builder->ethertype;
    build_vlan(builder);
    builder->ethertype = behind;
    build_sll2(builder);
}

static void build_null(struct builder *builder)
{
    uint8_t family = builder->ethertype == 0x0800 ? 2 : 30;
    builder_prepend(builder, 4)[0] = family;
}

static void build_loop(struct builder *builder)
{
    uint8_t family = builder->ethertype == 0x0800 ? 2 : 24;
    builder_prepend(builder, 4)[3] = family;
}

static void build_ppp(struct builder *builder)
{
    put16(builder_prepend(builder, 2), builder->ppp);
}

static void build_ppp_compressed(struct builder *builder)
{
    builder_prepend(builder, 1)[0] = (uint8_t)builder->ppp;
}

static void build_ppp_hdlc(struct builder *builder)
{
    build_ppp(builder);
    put16(builder_prepend(builder, 2), 0xff03);
}

static void build_cisco(struct builder *builder)
{
    build_ethertype(builder, 2);
    builder->room[builder->at] = 0x0f;
}

static void build_pppoe(struct builder *builder)
{
    build_ppp(builder);
    size_t len = builder_len(builder);
    uint8_t *at = builder_prepend(builder, 6);
    at[0] = 0x11;
    put16(at + 4, len);
    builder->ethertype = 0x8864;
}

static void build_mpls(struct builder *builder)
{
    uint8_t bottom = builder->ethertype != 0x8847;
    builder_prepend(builder, 4)[2] = bottom;
    builder->ethertype = 0x8847;
    builder->ppp = 0x281;
    builder->protocol = 137;
}

/* RFC 4448 4.6 */
static void build_control_word(struct builder *builder)
{
    builder_prepend(builder, 4);
}

static void build_etherip(struct builder *builder)
{
    builder_prepend(builder, 2)[0] = 0x30;
    builder->protocol = 97;
}

static void build_gre_flags(struct builder *builder, uint16_t flags, size_t fields)
{
    uint8_t *at = builder_prepend(builder, 4 + 4 * fields);
    put16(at, flags);
    put16(at + 2, builder->ethertype);
    builder->protocol = 47;
}

static void build_gre(struct builder *builder)
{
    build_gre_flags(builder, 0, 0);
}

static void build_gre_full(struct builder *builder)
{
    build_gre_flags(builder, 0xb000, 3);
}

static void build_pptp(struct builder *builder)
{
    build_ppp(builder);
    builder->ethertype = 0x880b;
    build_gre_flags(builder, 0x3081, 3);
}

static void build_erspan1(struct builder *builder)
{
    builder->ethertype = 0x88be;
    build_gre_flags(builder, 0, 0);
}

static void build_erspan2(struct builder *builder)
{
    builder_prepend(builder, 8)[0] = 0x10;
    builder->ethertype = 0x88be;
    build_gre_flags(builder, 0x1000, 1);
}

static void build_erspan3(struct builder *builder)
{
    uint8_t *at = builder_prepend(builder, 20);
    at[0] = 0x20;
    at[11] = 1;
    builder->ethertype = 0x22eb;
    build_gre_flags(builder, 0x1000, 1);
}

static void build_udp(struct builder *builder, uint16_t port)
{
    size_t len = builder_len(builder);
    uint8_t *at = builder_prepend(builder, 8);
    put16(at, 50000);
    put16(at + 2, port);
    put16(at + 4, len + 8);
    builder->protocol = 17;
}

static void build_vxlan(struct builder *builder)
{
    builder_prepend(builder, 8)[0] = 8;
    build_udp(builder, 4789);
}

static void build_vxlan_linux(struct builder *builder)
{
    builder_prepend(builder, 8)[0] = 8;
    build_udp(builder, 8472);
}

static void build_vxlan_gpe(struct builder *builder)
{
    uint8_t next = builder->ethertype == 0x0800 ? 1 : builder->ethertype == 0x86dd ? 2 : 3;
    uint8_t *at = builder_prepend(builder, 8);
    at[0] = 0x0c;
    at[3] = next;
    build_udp(builder, 4790);
}

static void build_geneve(struct builder *builder)
{
    uint8_t *at = builder_prepend(builder, 8 + 12);
    at[0] = 3;
    put16(at + 2, builder->ethertype);
    build_udp(builder, 6081);
}

static void build_gtp_header(struct builder *builder, uint8_t flags)
{
    size_t len = builder_len(builder);
    uint8_t *at = builder_prepend(builder, 8);
    at[0] = 0x30 | flags;
    at[1] = 255;
    put16(at + 2, len);
    build_udp(builder, 2152);
}

static void build_gtp(struct builder *builder)
{
    build_gtp_header(builder, 0);
}

static void build_gtp_sequence(struct builder *builder)
{
    builder_prepend(builder, 4)[3] = 0x85; /* not an extension: E is not set */
    build_gtp_header(builder, 2);
}

static void build_gtp_extensions(struct builder *builder)
{
    static const uint8_t optional_and_two[] = {0, 1, 0, 0x85, 1, 0, 9, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0};
    builder_text(builder, optional_and_two, sizeof optional_and_two);
    build_gtp_header(builder, 4);
}

static void build_l2tp(struct builder *builder)
{
    build_ppp_hdlc(builder);
    uint8_t *at = builder_prepend(builder, 2 + 2 + 4 + 4 + 2 + 3);
    put16(at, 0x4a02);
    put16(at + 12, 3);
    build_udp(builder, 1701);
}

static void build_tzsp(struct builder *builder)
{
    static const uint8_t header[] = {1, 0, 0, 1, 0, 10, 2, 1, 2, 1};
    builder_text(builder, header, sizeof header);
    build_udp(builder, 37008);
}

static const struct {
    const char *name;
    void (*build)(struct builder *builder);
} layers[] = {
    {"tcp", build_tcp},
    {"ip4", build_ip4},
    {"ip4opt", build_ip4_options},
    {"ip4tso", build_ip4_tso},
    {"ip6", build_ip6},
    {"ip6tso", build_ip6_tso},
    {"hop", build_hop},
    {"routing", build_routing},
    {"dest", build_destination},
    {"ah", build_authentication},
    {"atomic", build_atomic},
    {"eth", build_eth},
    {"vlan", build_vlan},
    {"qinq", build_qinq},
    {"qinq9100", build_qinq_old},
    {"etag", build_etag},
    {"itag", build_itag},
    {"snap", build_snap},
    {"sll", build_sll},
    {"sll2", build_sll2},
    {"sll2tag", build_sll2_of_tagged},
    {"null", build_null},
    {"loop", build_loop},
    {"ppp", build_ppp},
    {"ppp1", build_ppp_compressed},
    {"ppphdlc", build_ppp_hdlc},
    {"cisco", build_cisco},
    {"pppoe", build_pppoe},
    {"mpls", build_mpls},
    {"word", build_control_word},
    {"etherip", build_etherip},
    {"gre", build_gre},
    {"grefull", build_gre_full},
    {"pptp", build_pptp},
    {"erspan1", build_erspan1},
    {"erspan2", build_erspan2},
    {"erspan3", build_erspan3},
    {"vxlan", build_vxlan},
    {"vxlan8472", build_vxlan_linux},
    {"vxlangpe", build_vxlan_gpe},
    {"geneve", build_geneve},
    {"gtp", build_gtp},
    {"gtpseq", build_gtp_sequence},
    {"gtpext", build_gtp_extensions},
    {"l2tp", build_l2tp},
    {"tzsp", build_tzsp},
};

static void builder_layer(struct builder *builder, const char *name, size_t len)
{
    for (size_t i = 0; i < unit_count(layers); i++)
        if (strlen(layers[i].name) == len && memcmp(layers[i].name, name, len) == 0) {
            layers[i].build(builder);
            return;
        }
    fail_msg("no layer %.*s", (int)len, name);
}

static void builder_build(struct builder *builder, const char *words)
{
    builder_init(builder);
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        builder_layer(builder, words, len);
        words += len + (words[len] == ' ');
    }
}

static uint8_t ports[8192];

static struct decoder *decoder_make(void)
{
    memset(ports, 0, sizeof ports);
    ports[SERVER_PORT / 8] |= 1 << SERVER_PORT % 8;
    struct decoder *decoder = decoder_new(&(struct decoder_config){.ports = ports});
    assert_non_null(decoder);
    return decoder;
}

static bool decode(struct decoder *decoder, int link_type, const uint8_t *data, size_t caplen, size_t len,
                   struct smtpscope_segment *segment)
{
    return decoder_frame(decoder, link_type, data, (uint32_t)caplen, (uint32_t)len, 7 * SMTPSCOPE_SECOND, 42, segment);
}

static struct decoder_stats stats_of(const struct decoder *decoder)
{
    struct decoder_stats stats;
    decoder_stats(decoder, &stats);
    assert_int_equal(stats.frames, stats.segments + stats.dismissed + stats.malformed + stats.headers_cut + stats.held +
                                       stats.dropped + stats.too_deep + stats.unknown_links + stats.damaged);
    return stats;
}

static void check_addresses(const struct smtpscope_segment *segment)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(segment->src.addr, mapped, 12) == 0;
    assert_memory_equal(segment->src.addr + (v4 ? 12 : 0), v4 ? client4 : client6, v4 ? 4 : 16);
    assert_memory_equal(segment->dst.addr + (v4 ? 12 : 0), v4 ? server4 : server6, v4 ? 4 : 16);
    if (v4)
        assert_memory_equal(segment->dst.addr, mapped, 12);
}

static void check_segment(const struct smtpscope_segment *segment)
{
    check_addresses(segment);
    assert_int_equal(segment->src.port, CLIENT_PORT);
    assert_int_equal(segment->dst.port, SERVER_PORT);
    assert_int_equal(segment->seq, SEQ);
    assert_int_equal(segment->ack, ACK);
    assert_int_equal(segment->flags, SMTPSCOPE_TCP_PSH | SMTPSCOPE_TCP_ACK);
    assert_int_equal(segment->window, WINDOW);
    assert_int_equal(segment->time, 7 * SMTPSCOPE_SECOND);
    assert_int_equal(segment->packet, 42);
    assert_true(segment->len <= PAYLOAD_LEN);
    assert_memory_equal(segment->data, payload, segment->len);
}

static void check_whole(const struct smtpscope_segment *segment)
{
    check_segment(segment);
    assert_int_equal(segment->len, PAYLOAD_LEN);
    assert_int_equal(segment->missing, 0);
}

#endif
