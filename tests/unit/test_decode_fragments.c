/* SPDX-License-Identifier: BSD-2-Clause */
/* Reassembly: in every order, overlapping, contradicting, cut, never complete, in floods, and one in another. */
#include "test_decode.h"

#include <assert.h>

enum { PIECE = 24, PIECES = (20 + TCP_OPTIONS + PAYLOAD_LEN + PIECE - 1) / PIECE };

static void build_fragment_header(struct builder *builder, bool v6, uint32_t id, size_t off, bool more)
{
    if (!v6) {
        builder->protocol = 6;
        build_ip4_header(builder, 0, (uint16_t)id, (uint16_t)(off / 8 | (more ? 0x2000 : 0)));
        return;
    }
    uint8_t *at = builder_prepend(builder, 8);
    at[0] = 6;
    put16(at + 2, off | more);
    put32(at + 4, id);
    builder->protocol = 44;
    build_ip6(builder);
}

static uint32_t words_sum(const uint8_t *at, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += (uint32_t)at[i] << (i % 2 ? 0 : 8);
    return sum;
}

/* Gives a segment between the two IPv4 addresses its checksum (RFC 9293 3.1). */
static void sum_segment(uint8_t *at, size_t len)
{
    uint32_t sum = words_sum(client4, 4) + words_sum(server4, 4) + 6 + (uint32_t)len + words_sum(at, len);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(at + 16, ~sum & 0xffff);
}

/* Octets [off, end) of the segment as a fragment. */
static void build_fragment(struct builder *builder, bool v6, uint32_t id, size_t off, size_t end)
{
    struct builder whole;
    builder_build(&whole, "tcp");
    size_t len = builder_len(&whole);
    sum_segment(whole.room + whole.at, len);
    builder_init(builder);
    if (end > len)
        end = len;
    builder_text(builder, whole.room + whole.at + off, end - off);
    build_fragment_header(builder, v6, id, off, end < len);
}

static bool send_fragment(struct decoder *decoder, bool v6, uint32_t id, size_t off, size_t end,
                          struct smtpscope_segment *segment)
{
    struct builder builder;
    build_fragment(&builder, v6, id, off, end);
    size_t len = builder_len(&builder);
    struct unit_guarded frame = unit_guarded_init(builder.room + builder.at, len);
    bool found = decode(decoder, 12, frame.data, len, len, segment);
    unit_guarded_fini(&frame);
    return found;
}

static bool send_piece(struct decoder *decoder, bool v6, size_t id, size_t piece, struct smtpscope_segment *segment)
{
    return send_fragment(decoder, v6, (uint32_t)id, piece * PIECE, (piece + 1) * PIECE, segment);
}

/* Every order of the pieces, twice over the same decoder, so that entries are used again. */
static void test_fragments_in_any_order(void **state)
{
    (void)state;
    static_assert(PIECES == 3, "the orders below are of three");
    static const uint8_t orders[][PIECES] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct decoder *decoder = decoder_make();
    for (size_t i = 0; i < 4 * unit_count(orders); i++) {
        struct smtpscope_segment segment = {0};
        const uint8_t *order = orders[i / 4];
        assert_false(send_piece(decoder, i % 2, i, order[0], &segment));
        assert_false(send_piece(decoder, i % 2, i, order[0], &segment)); /* again */
        assert_false(send_piece(decoder, i % 2, i, order[1], &segment));
        assert_true(send_piece(decoder, i % 2, i, order[2], &segment));
        check_whole(&segment);
        assert_false(segment.marks & SMTPSCOPE_MARK_CONTESTED);
        assert_false(send_piece(decoder, i % 2, i, order[1], &segment)); /* late */
    }
    struct decoder_stats stats = stats_of(decoder);
    assert_int_equal(stats.reassembled, 4 * unit_count(orders));
    assert_int_equal(stats.fragments_waiting, 0);
    assert_int_equal(stats.fragments_lost, 0);
    decoder_free(decoder);
}

static bool send_changed(struct decoder *decoder, uint32_t id, size_t off, size_t end, size_t at, uint8_t octet,
                         struct smtpscope_segment *segment)
{
    struct builder builder;
    build_fragment(&builder, false, id, off, end);
    builder.room[builder.at + at] = octet;
    return decode(decoder, 12, builder.room + builder.at, builder_len(&builder), builder_len(&builder), segment);
}

enum { HEADER = 20, HOPS_AT = 8 };

/* The same octets twice are no contradiction. */
static void test_fragments_overlap_equal(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    assert_false(send_fragment(decoder, false, 9, 0, 40, &segment));
    assert_false(send_fragment(decoder, false, 9, 32, 48, &segment));
    assert_true(send_fragment(decoder, false, 9, 24, 999, &segment));
    check_whole(&segment);
    assert_false(segment.marks & SMTPSCOPE_MARK_CONTESTED);
    decoder_free(decoder);
}

/* Octets that differ: before the true ones, behind them, or when the datagram was complete with them; what comes out is contested. */
static void test_fragments_contested(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    assert_false(send_changed(decoder, 1, 32, 48, HEADER, '!', &segment));
    assert_false(send_fragment(decoder, false, 1, 0, 48, &segment));
    assert_true(send_fragment(decoder, false, 1, 48, 999, &segment));
    check_whole(&segment);
    assert_true(segment.marks & SMTPSCOPE_MARK_CONTESTED);
    assert_false(send_fragment(decoder, false, 2, 0, 48, &segment));
    assert_false(send_changed(decoder, 2, 32, 48, HEADER, '!', &segment));
    assert_true(send_fragment(decoder, false, 2, 48, 999, &segment));
    check_whole(&segment);
    assert_true(segment.marks & SMTPSCOPE_MARK_CONTESTED);
    assert_false(send_changed(decoder, 3, 48, 999, HEADER, '!', &segment));
    assert_true(send_fragment(decoder, false, 3, 0, 48, &segment));
    assert_false(segment.marks & SMTPSCOPE_MARK_CONTESTED);
    assert_true(send_fragment(decoder, false, 3, 48, 999, &segment));
    check_whole(&segment);
    assert_true(segment.marks & SMTPSCOPE_MARK_CONTESTED);
    assert_int_equal(stats_of(decoder).fragments_contradicting, 3);
    decoder_free(decoder);
}

/* A datagram comes from as far as the nearest of its fragments. */
static void test_fragments_hops(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    assert_false(send_changed(decoder, 9, 0, 48, HOPS_AT, 3, &segment));
    assert_true(send_fragment(decoder, false, 9, 48, 999, &segment));
    assert_int_equal(segment.hops, 3);
    decoder_free(decoder);
}

/* An end that lies: too far, or too near. The true fragments come together as if it had not come. */
static void test_fragments_end_lies(void **state)
{
    (void)state;
    static const size_t places[] = {800, 48};
    for (size_t i = 0; i < unit_count(places); i++) {
        struct decoder *decoder = decoder_make();
        struct smtpscope_segment segment = {0};
        struct builder builder;
        assert_false(send_fragment(decoder, false, 9, 0, 24, &segment));
        builder_init(&builder);
        builder_prepend(&builder, 8);
        build_fragment_header(&builder, false, 9, places[i], false);
        assert_false(decode(decoder, 12, builder.room + builder.at, builder_len(&builder), builder_len(&builder), &segment));
        assert_false(send_fragment(decoder, false, 9, 48, 999, &segment));
        assert_true(send_fragment(decoder, false, 9, 24, 48, &segment));
        check_whole(&segment);
        decoder_free(decoder);
    }
}

/* An end before what is there, or within a unit, no octets, beyond 64 KiB: what contradicts itself is dropped. */
static void test_fragments_contradict(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    struct builder builder;
    static const struct {
        size_t len, off;
        bool more, itself;
    } cases[] = {
        {16, 64, true, false}, {8, 8, false, false}, {13, 8, true, true}, {0, 8, true, true}, {16, 65528, false, true}};
    size_t dropped = 0;
    assert_false(send_fragment(decoder, false, 9, 48, 999, &segment));
    for (size_t i = 0; i < unit_count(cases); i++) {
        builder_init(&builder);
        builder_prepend(&builder, cases[i].len);
        build_fragment_header(&builder, false, 9, cases[i].off, cases[i].more);
        assert_false(decode(decoder, 12, builder.room + builder.at, builder_len(&builder), builder_len(&builder), &segment));
        dropped += cases[i].itself;
        assert_int_equal(stats_of(decoder).dropped, dropped);
    }
    assert_true(send_fragment(decoder, false, 9, 0, 48, &segment));
    check_whole(&segment);
    decoder_free(decoder);
}

/* The snapshot length cut the middle one: what is before it is there, and the rest is missing. */
static void test_fragments_snapped(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    struct builder builder;
    assert_false(send_piece(decoder, true, 9, 0, &segment));
    build_fragment(&builder, true, 9, PIECE, 2 * PIECE);
    size_t len = builder_len(&builder);
    assert_false(decode(decoder, 12, builder.room + builder.at, len - 4, len, &segment));
    assert_true(send_piece(decoder, true, 9, 2, &segment));
    check_segment(&segment);
    assert_int_equal(segment.len, 2 * PIECE - 4 - 20 - TCP_OPTIONS);
    assert_int_equal(segment.len + segment.missing, PAYLOAD_LEN);
    decoder_free(decoder);
}

/* Never completed: packet time runs out, and what comes later is of another datagram. */
static void test_fragments_time_out(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    struct builder builder;
    assert_false(send_fragment(decoder, false, 9, 0, 48, &segment));
    build_fragment(&builder, false, 9, 48, 999);
    uint32_t len = (uint32_t)builder_len(&builder);
    assert_false(decoder_frame(decoder, 12, builder.room + builder.at, len, len, 38 * SMTPSCOPE_SECOND, 1, &segment));
    struct decoder_stats stats = stats_of(decoder);
    assert_int_equal(stats.fragments_lost, 1);
    assert_int_equal(stats.fragments_waiting, 1);
    assert_int_equal(stats.datagrams_evicted, 0);
    decoder_free(decoder);
}

/* More datagrams than may be held: the oldest go, the youngest still come together. */
static void test_fragments_flood(void **state)
{
    (void)state;
    enum { FLOOD = 5000, KEPT = 16 };
    struct decoder *decoder = decoder_new(&(struct decoder_config){.max_datagrams = KEPT});
    struct smtpscope_segment segment = {0};
    struct builder builder;
    for (uint32_t id = 0; id < FLOOD; id++) {
        build_fragment(&builder, true, id, 0, 48);
        uint32_t len = (uint32_t)builder_len(&builder);
        assert_false(decoder_frame(decoder, 12, builder.room + builder.at, len, len, id, id, &segment));
    }
    struct decoder_stats stats = stats_of(decoder);
    assert_int_equal(stats.fragments_waiting, KEPT);
    assert_int_equal(stats.datagrams_evicted, FLOOD - KEPT);
    assert_int_equal(stats.fragments_lost, FLOOD - KEPT);
    for (uint32_t id = FLOOD - 10; id < FLOOD; id++)
        assert_true(send_fragment(decoder, true, id, 48, 999, &segment));
    assert_false(send_fragment(decoder, true, 1, 48, 999, &segment));
    decoder_free(decoder);
}

/* Large datagrams: the octets are the bound, and a decoder that may hold nothing drops. */
static void test_fragments_octets(void **state)
{
    (void)state;
    static uint8_t big[40 + 8];
    struct smtpscope_segment segment = {0};
    memset(ports, 0xff, sizeof ports);
    for (size_t i = 0; i < 2; i++) {
        struct decoder_config config = {.ports = ports, .max_fragment_octets = i ? 1 : 1 << 20};
        struct decoder *decoder = decoder_new(&config);
        assert_non_null(decoder);
        for (uint16_t id = 0; id < 200; id++) {
            struct builder builder;
            builder_init(&builder);
            builder_text(&builder, big, 8);
            build_fragment_header(&builder, false, id, 32000, true);
            size_t len = builder_len(&builder);
            assert_false(decode(decoder, 12, builder.room + builder.at, len, len, &segment));
        }
        struct decoder_stats stats = stats_of(decoder);
        assert_int_equal(stats.fragments_waiting, i ? 0 : 32);
        assert_int_equal(stats.dropped, i ? 200 : 0);
        decoder_free(decoder);
    }
}

/* Pseudo-random, the same in every run. */
static uint32_t chance(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

/* What was sent for each octet of the datagram: true ones, and changed ones. */
struct model {
    bool is_true[2048], is_changed[2048];
    bool contradicts;
};

static bool send_random(struct decoder *decoder, uint32_t id, uint32_t *state, bool lie, struct model *model,
                        struct smtpscope_segment *segment)
{
    size_t off = chance(state, 9) * 8, end = chance(state, 3) || !off ? off + (1 + chance(state, 6)) * 8 : 999;
    bool changed = lie && !chance(state, 4);
    struct builder builder;
    build_fragment(&builder, false, id, off, end);
    size_t len = builder_len(&builder) - HEADER;
    for (size_t i = 0; i < len; i++) {
        builder.room[builder.at + HEADER + i] ^= changed ? 0x80 : 0;
        (changed ? model->is_changed : model->is_true)[off + i] = true;
    }
    model->contradicts |= changed;
    return decode(decoder, 12, builder.room + builder.at, builder_len(&builder), builder_len(&builder), segment);
}

/* Each octet of a segment that comes out is one that was sent for its place; without a lie all of them are the true ones. */
static void check_model(const struct smtpscope_segment *segment, const struct model *model)
{
    assert_true(segment->len <= PAYLOAD_LEN);
    for (size_t i = 0; i < segment->len; i++) {
        uint8_t octet = segment->data[i], want = (uint8_t)payload[i];
        size_t place = HEADER + TCP_OPTIONS + i;
        assert_true((octet == want && model->is_true[place]) || (octet == (want ^ 0x80) && model->is_changed[place]));
    }
    if (model->contradicts)
        return;
    assert_int_equal(segment->len, PAYLOAD_LEN);
    assert_false(segment->marks & SMTPSCOPE_MARK_CONTESTED);
}

/* Fragments at random, cut and sent again as may be, every second datagram with lies among them. */
static void test_fragments_model(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    uint32_t seed = 1, whole = 0;
    for (uint32_t id = 0; id < 20000; id++) {
        static const struct model nothing;
        struct smtpscope_segment segment = {0};
        struct model model = nothing;
        for (int i = 0; i < 12; i++)
            if (send_random(decoder, id, &seed, id % 2, &model, &segment)) {
                check_model(&segment, &model);
                whole++;
            }
    }
    assert_true(whole > 5000);
    decoder_free(decoder);
}

/* Hundreds of forged fragments between those of one datagram do not push it out. */
static void test_fragments_storm(void **state)
{
    (void)state;
    enum { STORM = 1000 };
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    assert_false(send_fragment(decoder, false, 9, 0, 48, &segment));
    for (uint32_t id = 0; id < STORM; id++)
        assert_false(send_fragment(decoder, true, id, 0, 48, &segment));
    assert_true(send_fragment(decoder, false, 9, 48, 999, &segment));
    check_whole(&segment);
    decoder_free(decoder);
}

/* A first fragment of other ports, before the true one or behind it, dismisses nothing. */
static void test_fragments_ports_lie(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    for (size_t i = 0; i < 2; i++) {
        struct smtpscope_segment segment = {0};
        struct builder builder;
        if (i)
            assert_false(send_fragment(decoder, false, 9, 0, 48, &segment));
        build_fragment(&builder, false, 9, 0, 48);
        put16(builder.room + builder.at + 22, 80);
        assert_false(decode(decoder, 12, builder.room + builder.at, builder_len(&builder), builder_len(&builder), &segment));
        if (!i)
            assert_false(send_fragment(decoder, false, 9, 0, 48, &segment));
        assert_true(send_fragment(decoder, false, 9, 48, 999, &segment));
        check_whole(&segment);
        decoder_free(decoder);
        decoder = decoder_make();
    }
    decoder_free(decoder);
}

/* A first fragment of other ports dismisses the datagram, and what is of no use takes no place. */
static void test_fragments_dismissed(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    struct builder builder;
    assert_false(send_piece(decoder, false, 9, 1, &segment));
    build_fragment(&builder, false, 9, 0, PIECE);
    put16(builder.room + builder.at + 22, 80);
    assert_false(decode(decoder, 12, builder.room + builder.at, builder_len(&builder), builder_len(&builder), &segment));
    assert_false(send_piece(decoder, false, 9, 2, &segment));
    struct decoder_stats stats = stats_of(decoder);
    assert_int_equal(stats.dismissed, 2);
    assert_int_equal(stats.fragments_waiting, 0);
    build_fragment(&builder, false, 10, PIECE, 2 * PIECE);
    builder.room[builder.at + 9] = 1; /* ICMP */
    assert_false(decode(decoder, 12, builder.room + builder.at, builder_len(&builder), builder_len(&builder), &segment));
    assert_int_equal(stats_of(decoder).dismissed, 3);
    decoder_free(decoder);
}

/* The fragments of a tunnel's packets, which carry fragments themselves. */
static void test_fragments_in_fragments(void **state)
{
    (void)state;
    struct decoder *decoder = decoder_make();
    struct smtpscope_segment segment = {0};
    bool found = false;
    for (size_t inner = 0; inner < PIECES; inner++) {
        struct builder packet;
        build_fragment(&packet, false, 9, inner * PIECE, (inner + 1) * PIECE);
        size_t len = builder_len(&packet), half = len / 2 / 8 * 8;
        for (size_t outer = 2; outer-- > 0;) {
            struct builder builder;
            builder_init(&builder);
            builder_text(&builder, packet.room + packet.at + outer * half, outer ? len - half : half);
            build_fragment_header(&builder, true, (uint32_t)inner, outer * half, outer == 0);
            builder.room[builder.at + 40] = 4;
            assert_false(found);
            found = decode(decoder, 12, builder.room + builder.at, builder_len(&builder), builder_len(&builder), &segment);
        }
    }
    assert_true(found);
    check_whole(&segment);
    assert_int_equal(stats_of(decoder).reassembled, PIECES + 1);
    decoder_free(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fragments_in_any_order), cmocka_unit_test(test_fragments_overlap_equal),
        cmocka_unit_test(test_fragments_contested),    cmocka_unit_test(test_fragments_end_lies),
        cmocka_unit_test(test_fragments_hops),         cmocka_unit_test(test_fragments_storm),
        cmocka_unit_test(test_fragments_model),        cmocka_unit_test(test_fragments_ports_lie),
        cmocka_unit_test(test_fragments_contradict),   cmocka_unit_test(test_fragments_snapped),
        cmocka_unit_test(test_fragments_time_out),     cmocka_unit_test(test_fragments_flood),
        cmocka_unit_test(test_fragments_octets),       cmocka_unit_test(test_fragments_dismissed),
        cmocka_unit_test(test_fragments_in_fragments),
    };
    return cmocka_run_group_tests_name("fragments", tests, NULL, NULL);
}
