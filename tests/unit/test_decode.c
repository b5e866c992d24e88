/* SPDX-License-Identifier: BSD-2-Clause */
/* Each kind of frame is decoded whole, cut at every length and with every octet changed, always in front of a guard page. */
#include "test_decode.h"

static const struct kind {
    const char *label;
    int link_type;
    const char *layers;
    bool unbounded; /* no IP header says how long the payload is */
} kinds[] = {
    {"Ethernet", 1, "tcp ip4 eth", false},
    {"IPv4 options", 1, "tcp ip4opt eth", false},
    {"IPv4 with segmentation offload", 1, "tcp ip4tso eth", true},
    {"IPv6", 1, "tcp ip6 eth", false},
    {"IPv6 with segmentation offload", 1, "tcp ip6tso eth", true},
    {"IPv6 extension headers", 1, "tcp dest routing hop ip6 eth", false},
    {"IPv6 atomic fragment", 1, "tcp atomic ip6 eth", false},
    {"IPv6 authentication header", 1, "tcp ah ip6 eth", false},
    {"IPv4 authentication header", 1, "tcp ah ip4 eth", false},
    {"LLC and SNAP", 1, "tcp ip4 snap", false},
    {"802.1Q", 1, "tcp ip4 vlan eth", false},
    {"802.1ad", 1, "tcp ip4 vlan qinq eth", false},
    {"0x9100", 1, "tcp ip6 vlan qinq9100 eth", false},
    {"802.1BR", 1, "tcp ip4 etag eth", false},
    {"802.1ah", 1, "tcp ip4 eth itag qinq eth", false},
    {"Linux cooked", 113, "tcp ip4 sll", false},
    {"Linux cooked with a tag", 113, "tcp ip6 vlan sll", false},
    {"Linux cooked 2", 276, "tcp ip4 sll2", false},
    {"Linux cooked 2 with a tag", 276, "tcp ip4 vlan sll2", false},
    {"Linux cooked 2 with a hidden tag", 276, "tcp ip4 sll2tag", false},
    {"Linux cooked 2 with a hidden tag, IPv6", 276, "tcp ip6 sll2tag", false},
    {"raw, 12", 12, "tcp ip4", false},
    {"raw, 14", 14, "tcp ip6", false},
    {"raw, 101", 101, "tcp ip4", false},
    {"raw IPv4", 228, "tcp ip4", false},
    {"raw IPv6", 229, "tcp ip6", false},
    {"loopback", 0, "tcp ip4 null", false},
    {"loopback IPv6", 0, "tcp ip6 null", false},
    {"loopback of the other byte order", 0, "tcp ip4 loop", false},
    {"OpenBSD loopback", 108, "tcp ip6 loop", false},
    {"PPP", 9, "tcp ip4 ppp", false},
    {"PPP with a short protocol", 9, "tcp ip4 ppp1", false},
    {"PPP with HDLC framing", 50, "tcp ip6 ppphdlc", false},
    {"PPP link with Cisco framing", 50, "tcp ip4 cisco", false},
    {"Cisco HDLC", 104, "tcp ip4 cisco", false},
    {"PPPoE", 1, "tcp ip4 pppoe eth", false},
    {"PPPoE in 802.1Q", 1, "tcp ip6 pppoe vlan eth", false},
    {"PPPoE link", 51, "tcp ip4 pppoe", false},
    {"MPLS", 1, "tcp ip4 mpls eth", false},
    {"MPLS, three labels", 1, "tcp ip6 mpls mpls mpls eth", false},
    {"MPLS link", 219, "tcp ip4 mpls", false},
    {"MPLS in PPP", 9, "tcp ip4 mpls ppp", false},
    {"MPLS pseudo-wire", 1, "tcp ip4 eth mpls eth", false},
    {"MPLS pseudo-wire with control word", 1, "tcp ip4 vlan eth word mpls eth", false},
    {"MPLS in IP", 1, "tcp ip4 mpls ip4 eth", false},
    {"IP in IP", 1, "tcp ip4 ip4 eth", false},
    {"6in4", 1, "tcp ip6 ip4 eth", false},
    {"4in6", 1, "tcp ip4 ip6 eth", false},
    {"IPv6 in IPv6", 1, "tcp ip6 ip6 eth", false},
    {"EtherIP", 1, "tcp ip4 eth etherip ip4 eth", false},
    {"GRE", 1, "tcp ip4 gre ip4 eth", false},
    {"GRE with all fields, IPv6", 1, "tcp ip6 grefull ip6 eth", false},
    {"GRE with Ethernet", 1, "tcp ip4 vlan eth grefull ip4 eth", false},
    {"GRE with MPLS", 1, "tcp ip4 mpls gre ip4 eth", false},
    {"PPTP", 1, "tcp ip4 pptp ip4 eth", false},
    {"ERSPAN", 1, "tcp ip4 eth erspan1 ip4 eth", false},
    {"ERSPAN II", 1, "tcp ip4 eth erspan2 ip4 eth", false},
    {"ERSPAN III", 1, "tcp ip6 eth erspan3 ip4 eth", false},
    {"VXLAN", 1, "tcp ip4 eth vxlan ip4 eth", false},
    {"VXLAN on Linux's port", 1, "tcp ip4 vlan eth vxlan8472 ip6 eth", false},
    {"VXLAN-GPE", 1, "tcp ip4 vxlangpe ip4 eth", false},
    {"VXLAN-GPE with Ethernet", 1, "tcp ip6 eth vxlangpe ip4 eth", false},
    {"GENEVE with options", 1, "tcp ip4 eth geneve ip4 eth", false},
    {"GENEVE with IP", 1, "tcp ip6 geneve ip6 eth", false},
    {"GTP-U", 1, "tcp ip4 gtp ip4 eth", false},
    {"GTP-U with a sequence number", 1, "tcp ip6 gtpseq ip4 eth", false},
    {"GTP-U with extensions", 1, "tcp ip4 gtpext ip4 eth", false},
    {"L2TP", 1, "tcp ip4 l2tp ip4 eth", false},
    {"TZSP", 1, "tcp ip4 eth tzsp ip4 eth", false},
    {"six deep", 1, "tcp ip4 ip6 gre ip4 eth vxlan ip4 eth mpls vlan eth", false},
};

/* Each kind, as it is and with what a link may add behind it. */
static void test_kinds(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    for (size_t i = 0; i < unit_count(kinds); i++) {
        struct builder builder;
        struct smtpscope_segment segment = {0};
        builder_build(&builder, kinds[i].layers);
        size_t len = builder_len(&builder);
        struct unit_guarded frame = unit_guarded_init(builder.room + builder.at, len);
        if (!decode(decoder, kinds[i].link_type, frame.data, len, len, &segment))
            fail_msg("%s: no segment", kinds[i].label);
        check_whole(&segment);
        unit_guarded_fini(&frame);
        uint8_t padded[ROOM + 18] = {0};
        memcpy(padded, builder.room + builder.at, len);
        assert_true(decode(decoder, kinds[i].link_type, padded, len + 18, len + 18, &segment));
        if (!kinds[i].unbounded)
            check_whole(&segment);
    }
    decoder_free(decoder);
}

/* Cut at `caplen`: the snapshot length told, or hidden by a length that lies. */
static void check_cut(struct decoder *decoder, const struct kind *kind, const struct builder *builder, size_t caplen, bool told)
{
    size_t len = builder_len(builder);
    struct smtpscope_segment segment = {0};
    struct unit_guarded frame = unit_guarded_init(builder->room + builder->at, caplen);
    bool found = decode(decoder, kind->link_type, frame.data, caplen, told ? len : caplen, &segment);
    if (found) {
        check_segment(&segment);
        if (told || !kind->unbounded)
            assert_int_equal(segment.len + segment.missing, PAYLOAD_LEN);
    }
    if (found != (caplen >= len - PAYLOAD_LEN) && caplen + TCP_OPTIONS < len - PAYLOAD_LEN)
        fail_msg("%s cut at %zu: %d", kind->label, caplen, found);
    unit_guarded_fini(&frame);
}

static void test_every_cut(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    for (size_t i = 0; i < unit_count(kinds); i++) {
        struct builder builder;
        builder_build(&builder, kinds[i].layers);
        for (size_t caplen = 0; caplen <= builder_len(&builder); caplen++) {
            check_cut(decoder, &kinds[i], &builder, caplen, true);
            check_cut(decoder, &kinds[i], &builder, caplen, false);
        }
    }
    stats_of(decoder);
    decoder_free(decoder);
}

/* Nothing but the guard page and the sanitizers judge here: a wrong octet must only never be a wrong access. */
static void test_every_octet_changed(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 4, 0x0f, 0x40, 0x45, 0x60, 0x7f, 0x80, 0xff};
    struct decoder *decoder = decoder_make();
    uint64_t sum = 0;
    for (size_t i = 0; i < unit_count(kinds); i++) {
        struct builder builder;
        builder_build(&builder, kinds[i].layers);
        size_t len = builder_len(&builder);
        struct unit_guarded frame = unit_guarded_init(builder.room + builder.at, len);
        for (size_t at = 0; at < len * unit_count(values); at++) {
            struct smtpscope_segment segment = {0};
            uint8_t *octet = &frame.data[at / unit_count(values)], old = *octet;
            *octet = values[at % unit_count(values)];
            bool found = decode(decoder, kinds[i].link_type, frame.data, len, len, &segment);
            for (uint32_t k = 0; found && k < segment.len; k++)
                sum += segment.data[k];
            *octet = old;
        }
        unit_guarded_fini(&frame);
    }
    assert_true(sum > 0);
    stats_of(decoder);
    decoder_free(decoder);
}

/* A snapshot length in the TCP options leaves no payload, and all of it missing. */
static void test_cut_in_options(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    struct builder builder;
    builder_build(&builder, "tcp ip4 eth");
    assert_true(decode(decoder, 1, builder.room + builder.at, 14 + 20 + 20 + 5, builder_len(&builder), &segment));
    assert_int_equal(segment.len, 0);
    assert_int_equal(segment.missing, PAYLOAD_LEN);
    assert_false(decode(decoder, 1, builder.room + builder.at, 14 + 20 + 19, builder_len(&builder), &segment));
    struct decoder_stats stats = stats_of(decoder);
    assert_int_equal(stats.snapped, 1);
    assert_int_equal(stats.headers_cut, 1);
    decoder_free(decoder);
}

/* Of a segment whose IP header tells no length, the frame's counts: as far as a frame can be so long. */
static void test_length_that_lies(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    struct builder builder;
    builder_build(&builder, "tcp ip4 eth");
    uint8_t *frame = builder.room + builder.at;
    put16(frame + 14 + 2, 0);
    assert_true(decode(decoder, 1, frame, builder_len(&builder), UINT32_MAX, &segment));
    assert_int_equal(segment.len, PAYLOAD_LEN);
    assert_int_equal(segment.missing, (1 << 20) - builder_len(&builder));
    decoder_free(decoder);
}

static void test_dismissed(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    struct builder builder;
    builder_build(&builder, "tcp ip4 eth");
    uint8_t *frame = builder.room + builder.at;
    size_t len = builder_len(&builder);
    put16(frame + 36, 80);
    assert_false(decode(decoder, 1, frame, len, len, &segment));
    assert_int_equal(stats_of(decoder).dismissed, 1);
    put16(frame + 34, SERVER_PORT); /* the other direction */
    assert_true(decode(decoder, 1, frame, len, len, &segment));
    assert_int_equal(segment.src.port, SERVER_PORT);
    frame[23] = 17;
    assert_false(decode(decoder, 1, frame, len, len, &segment));
    put16(frame + 12, 0x0806);
    assert_false(decode(decoder, 1, frame, len, len, &segment));
    assert_false(decode(decoder, 105, frame, len, len, &segment));
    struct decoder_stats stats = stats_of(decoder);
    assert_int_equal(stats.dismissed, 3);
    assert_int_equal(stats.unknown_links, 1);
    decoder_free(decoder);
}

/* A field of "tcp ip4 eth" that contradicts itself. */
static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        size_t at;
        uint8_t value;
    } cases[] = {
        {"version 5", 14, 0x55},
        {"header length 16", 14, 0x44},
        {"total length below the header", 17, 19},
        {"header longer than the packet", 14, 0x4f},
        {"data offset 16", 14 + 20 + 12, 0x40},
    };
    struct decoder *decoder = decoder_make();
    for (size_t i = 0; i < unit_count(cases); i++) {
        struct smtpscope_segment segment = {0};
        struct builder builder;
        builder_build(&builder, "tcp ip4 eth");
        builder.room[builder.at + cases[i].at] = cases[i].value;
        size_t len = i == 3 ? 60 : builder_len(&builder);
        if (decode(decoder, 1, builder.room + builder.at, len, len, &segment) && i != 3)
            fail_msg("%s: taken", cases[i].label);
    }
    assert_true(stats_of(decoder).malformed >= unit_count(cases) - 1);
    struct smtpscope_segment segment;
    assert_false(decode(decoder, 1, NULL, 0, 0, &segment));
    decoder_free(decoder);
}

static void test_too_deep(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    struct builder builder;
    builder_build(&builder, "tcp ip4");
    for (int i = 0; i < 40; i++)
        build_vlan(&builder);
    build_eth(&builder);
    assert_false(decode(decoder, 1, builder.room + builder.at, builder_len(&builder), builder_len(&builder), &segment));
    assert_int_equal(stats_of(decoder).too_deep, 1);
    decoder_free(decoder);
}

static uint32_t random_below(uint32_t end)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % end;
}

/*
 * What is plainly on other ports is dismissed without a walk, on Ethernet alone. Linux cooked frames, with two octets more in
 * front of the same, are walked always: both must come to the same verdict, whatever the octets.
 */
static void test_plainly_other(void **unused)
{
    static const char *const words[] = {"tcp ip4 eth",          "tcp ip6 eth",      "tcp ip4 eth vxlan ip4 eth",
                                        "tcp ip4 gtp ip6 eth",  "tcp ip4 vlan eth", "tcp ip6 vlan eth",
                                        "tcp ip4 vlan vlan eth"};
    struct decoder *quick = decoder_make(), *walk = decoder_make();

    (void)unused;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t cooked[ROOM + 2] = {0}, *frame = cooked + 2;
        struct smtpscope_segment segments[2] = {{.len = 0}};
        struct builder builder;
        builder_build(&builder, words[random_below(unit_count(words))]);
        size_t len = builder_len(&builder), caplen = random_below(3) ? len : 12 + random_below((uint32_t)len - 11);
        memcpy(frame, builder.room + builder.at, len);
        for (unsigned changes = random_below(4); changes > 0; changes--)
            frame[12 + random_below(14 + 40 + 4 - 12)] =
                random_below(2) ? (uint8_t)random_below(8) : (uint8_t)random_below(256);
        if (random_below(2)) /* another destination port */
            frame[(frame[12] == 0x86 ? 14 + 40 : 14 + 20) + 2 + random_below(2)] ^= 1;
        bool found = decode(quick, 1, frame, caplen, len, &segments[0]);
        assert_int_equal(found, decode(walk, 113, cooked, caplen + 2, len + 2, &segments[1]));
        assert_int_equal(segments[0].len, segments[1].len);
        assert_int_equal(segments[0].seq, segments[1].seq);
    }
    struct decoder_stats got = stats_of(quick), wanted = stats_of(walk);
    assert_memory_equal(&got, &wanted, sizeof got);
    assert_true(got.dismissed > 20000 && got.segments > 20000);
    decoder_free(quick);
    decoder_free(walk);
}

static uint16_t checksum_of(const uint8_t *at, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* For an odd and an even number of octets, over IPv4 and IPv6. */
static void test_checksums(void **state)
{
    (void)state;
    static const char *const words[] = {"tcp ip4", "tcp ip6"};
    for (size_t i = 0; i < 4; i++) {
        struct decoder *decoder = decoder_new(&(struct decoder_config){.verify_checksums = true});
        struct smtpscope_segment segment = {0};
        struct builder builder;
        builder_build(&builder, words[i / 2]);
        size_t header = i / 2 ? 40 : 20, addresses = i / 2 ? 32 : 8, less = i % 2;
        uint8_t *ip = builder.room + builder.at, *tcp = ip + header;
        size_t len = builder_len(&builder) - less, tcp_len = len - header;
        put16(i / 2 ? ip + 4 : ip + 2, i / 2 ? tcp_len : len);
        uint32_t pseudo = (uint16_t)~checksum_of(ip + header - addresses, addresses, 6 + (uint32_t)tcp_len);
        put16(tcp + 16, checksum_of(tcp, tcp_len, pseudo));
        assert_true(decode(decoder, 12, ip, len, len, &segment));
        assert_int_equal(stats_of(decoder).damaged, 0);
        tcp[tcp_len - 1] ^= 1;
        assert_false(decode(decoder, 12, ip, len, len, &segment));
        assert_int_equal(stats_of(decoder).damaged, 1);
        decoder_free(decoder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_every_octet_changed),
        cmocka_unit_test(test_cut_in_options),
        cmocka_unit_test(test_dismissed),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_length_that_lies),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_plainly_other),
    };
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
