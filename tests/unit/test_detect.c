/* SPDX-License-Identifier: BSD-2-Clause */
/* What nDPI calls the first octets, and which connections on other ports are followed: whole, and from their first segment. */
#include "unit.h"

#include "detect/candidates.h"

enum { MAX_SEGMENTS = 2048, MAX_OCTETS = 8192 };

static struct detect *detect;

/* "S:" and "C:" in front of what a side says; the turns end where a line of the table does. */
static size_t turns_of(const char *const *lines, struct detect_turn *turns)
{
    size_t count = 0;
    for (; lines[count] != NULL; count++) {
        const char *text = lines[count] + 2;
        enum smtpscope_side side = lines[count][0] == 'S' ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
        turns[count] = (struct detect_turn){side, (const uint8_t *)text, strlen(text)};
    }
    return count;
}

#define GREETING "S:220 mx.example ESMTP Postfix\r\n"
#define OFFERS "S:250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250 8BITMIME\r\n"

static const struct {
    const char *label;
    const char *lines[8];
    const char *want; /* NULL: not known */
} rows[] = {
    {"SMTP", {GREETING, "C:EHLO client.example\r\n", OFFERS}, "SMTP"},
    {"SMTP by HELO",
     {"S:220 mx.example ESMTP\r\n", "C:HELO client\r\n", "S:250 mx.example\r\n", "C:MAIL FROM:<a@b.example>\r\n"},
     "SMTP"},
    {"a greeting alone", {GREETING}, NULL},
    {"FTP", {"S:220 ftp.example FTP server ready\r\n", "C:USER joe\r\n", "S:331 Password required for joe\r\n"}, NULL},
    {"POP3", {"S:+OK POP3 ready\r\n", "C:USER joe\r\n", "S:+OK\r\n", "C:PASS secret\r\n"}, "POP3"},
    {"HTTP", {"C:GET / HTTP/1.1\r\nHost: www.example\r\n\r\n"}, "HTTP"},
    {"SSH", {"C:SSH-2.0-OpenSSH_9.2p1\r\n"}, "SSH"},
    {"nothing", {NULL}, NULL},
    {"an empty line", {"C:\r\n"}, NULL},
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct detect_turn turns[8];
        const char *got = detect_protocol(detect, turns, turns_of(rows[i].lines, turns));
        if ((got == NULL) != (rows[i].want == NULL) || (got != NULL && strcmp(got, rows[i].want) != 0))
            fail_msg("%s: got %s, want %s", rows[i].label, got ? got : "nothing", rows[i].want ? rows[i].want : "nothing");
    }
}

/* Octets at a guard page, of any content and any length up to more than a packet has. */
static void test_octets(void **state)
{
    (void)state;
    uint8_t octets[3000];
    uint32_t random = 1;
    for (size_t round = 0; round < 300; round++) {
        size_t len = round * 10 + 1;
        for (size_t i = 0; i < len; i++)
            octets[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        struct unit_guarded guarded = unit_guarded_init(octets, len);
        struct detect_turn turn = {round % 2 ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT, guarded.data, len};
        const char *name = detect_protocol(detect, &turn, 1);
        assert_true(name == NULL || strcmp(name, DETECT_SMTP) != 0);
        unit_guarded_fini(&guarded);
    }
}

/* --- candidates */

struct followed {
    size_t count;
    uint64_t packets[MAX_SEGMENTS];
    uint8_t octets[2][MAX_OCTETS];
    size_t len[2];
    uint64_t segments_octets;
};

struct wire {
    struct candidates *candidates;
    struct followed followed;
    struct smtpscope_endpoint side[2];
    uint32_t next[2];
    uint64_t packet;
    smtpscope_time time;
};

/* The octets go where their sequence numbers say, so that order and repetition do not matter. */
static void follow(void *ctx, const struct smtpscope_segment *segment)
{
    struct wire *wire = ctx;
    struct followed *followed = &wire->followed;
    enum smtpscope_side side = segment->src.port == wire->side[1].port ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
    uint32_t first = side == SMTPSCOPE_CLIENT ? 1001 : 0xfffffff1; /* the server's numbers wrap */
    uint32_t at = segment->seq + ((segment->flags & SMTPSCOPE_TCP_SYN) != 0) - first;
    assert_memory_equal(&segment->dst, &wire->side[!side], sizeof segment->dst);
    assert_true(followed->count < MAX_SEGMENTS && at + segment->len <= MAX_OCTETS);
    followed->packets[followed->count++] = segment->packet;
    if (segment->len > 0)
        memcpy(followed->octets[side] + at, segment->data, segment->len);
    if (at + segment->len > followed->len[side])
        followed->len[side] = at + segment->len;
}

static struct smtpscope_segment segment_of(struct wire *wire, enum smtpscope_side side, uint8_t flags, const char *data,
                                           size_t len)
{
    struct smtpscope_segment segment = {
        .src = wire->side[side],
        .dst = wire->side[!side],
        .seq = wire->next[side],
        .ack = flags & SMTPSCOPE_TCP_ACK ? wire->next[!side] : 0,
        .flags = flags,
        .window = 1000,
        .data = (const uint8_t *)data,
        .len = (uint32_t)len,
        .time = wire->time += SMTPSCOPE_SECOND / 1000,
        .packet = ++wire->packet,
    };
    wire->next[side] += (uint32_t)len + (flags & SMTPSCOPE_TCP_SYN ? 1 : 0);
    return segment;
}

static void say(struct wire *wire, enum smtpscope_side side, uint8_t flags, const char *data, size_t len)
{
    struct smtpscope_segment segment = segment_of(wire, side, flags, data, len);
    candidates_segment(wire->candidates, &segment);
}

static void wire_init(struct wire *wire)
{
    *wire = (struct wire){.next = {1000, 0xfffffff0}, .side = {{.port = 40000}, {.port = 2525}}};
    memset(wire->side[0].addr, 1, 16);
    memset(wire->side[1].addr, 2, 16);
    wire->candidates =
        candidates_new(&(struct candidates_config){.detect = detect, .hash_seed = 7, .follow = follow, .ctx = wire});
    assert_non_null(wire->candidates);
}

static void handshake(struct wire *wire)
{
    say(wire, SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_SYN, NULL, 0);
    say(wire, SMTPSCOPE_SERVER, SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, NULL, 0);
    say(wire, SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_ACK, NULL, 0);
}

static const char *const smtp[] = {GREETING, "C:EHLO client.example\r\n", OFFERS, "C:MAIL FROM:<a@b.example>\r\n", NULL};

/* All lines in segments of `cut` octets, until it is followed. */
static void converse(struct wire *wire, const char *const *lines, size_t cut)
{
    for (; *lines != NULL && wire->followed.count == 0; lines++) {
        const char *text = *lines + 2;
        enum smtpscope_side side = **lines == 'S' ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
        for (size_t left = strlen(text), len; left > 0 && wire->followed.count == 0; left -= len, text += len) {
            len = left < cut ? left : cut;
            say(wire, side, SMTPSCOPE_TCP_ACK, text, len);
        }
    }
}

static void expect_stats(struct wire *wire, uint64_t followed, uint64_t dismissed, uint64_t undecided)
{
    struct candidates_stats stats;
    candidates_stats(wire->candidates, &stats);
    assert_int_equal(stats.followed, followed);
    assert_int_equal(stats.dismissed, dismissed);
    assert_int_equal(stats.undecided, undecided);
}

/* From the SYN on, in order, with every octet that was said until it was known. */
static void expect_followed(struct wire *wire)
{
    struct followed *followed = &wire->followed;
    assert_true(followed->count > 0);
    assert_int_equal(followed->packets[0], 1);
    for (size_t i = 1; i < followed->count; i++)
        assert_true(followed->packets[i] > followed->packets[i - 1]);
    assert_int_equal(followed->packets[followed->count - 1], wire->packet);
    assert_int_equal(followed->len[SMTPSCOPE_CLIENT], wire->next[SMTPSCOPE_CLIENT] - 1001);
    assert_int_equal(followed->len[SMTPSCOPE_SERVER], wire->next[SMTPSCOPE_SERVER] - 0xfffffff1);
    assert_memory_equal(followed->octets[SMTPSCOPE_SERVER], &GREETING[2], strlen(GREETING) - 2);
    assert_memory_equal(followed->octets[SMTPSCOPE_CLIENT], "EHLO client.example\r\n", 21);
    expect_stats(wire, 1, 0, 0);
}

static void test_followed(void **state)
{
    (void)state;
    static const size_t cuts[] = {1, 2, 7, 40, 1000};
    for (size_t i = 0; i < unit_count(cuts); i++) {
        struct wire wire;
        wire_init(&wire);
        handshake(&wire);
        converse(&wire, smtp, cuts[i]);
        expect_followed(&wire);
        candidates_free(wire.candidates);
    }
}

/* Either segment of the handshake is enough. */
static void test_half_a_handshake(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct wire wire;
        wire_init(&wire);
        if (side == 0) {
            say(&wire, SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_SYN, NULL, 0);
            wire.next[SMTPSCOPE_SERVER]++;
        } else {
            wire.next[SMTPSCOPE_CLIENT]++;
            say(&wire, SMTPSCOPE_SERVER, SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, NULL, 0);
        }
        converse(&wire, smtp, 1000);
        expect_followed(&wire);
        candidates_free(wire.candidates);
    }
}

/* Swapped and repeated segments: nothing is lost, and it is known as soon as the hole is filled. */
static void test_disorder(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire);
    handshake(&wire);
    struct smtpscope_segment first = segment_of(&wire, SMTPSCOPE_SERVER, SMTPSCOPE_TCP_ACK, &GREETING[2], 10);
    struct smtpscope_segment second =
        segment_of(&wire, SMTPSCOPE_SERVER, SMTPSCOPE_TCP_ACK, &GREETING[12], strlen(GREETING) - 12);
    second.packet = 4;
    first.packet = 5;
    candidates_segment(wire.candidates, &second);
    candidates_segment(wire.candidates, &first);
    candidates_segment(wire.candidates, &(struct smtpscope_segment){.src = first.src,
                                                                    .dst = first.dst,
                                                                    .seq = first.seq,
                                                                    .ack = first.ack,
                                                                    .flags = first.flags,
                                                                    .data = first.data,
                                                                    .len = first.len,
                                                                    .packet = wire.packet = 6});
    converse(&wire, smtp + 1, 1000);
    expect_followed(&wire);
    candidates_free(wire.candidates);
}

/* The end of the greeting is not in the capture: the rest is enough. */
static void test_hole(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire);
    handshake(&wire);
    say(&wire, SMTPSCOPE_SERVER, SMTPSCOPE_TCP_ACK, &GREETING[2], 20);
    wire.next[SMTPSCOPE_SERVER] += (uint32_t)strlen(&GREETING[2]) - 20;
    converse(&wire, smtp + 1, 1000);
    struct candidates_stats stats;
    candidates_stats(wire.candidates, &stats);
    assert_int_equal(stats.followed, 1);
    candidates_free(wire.candidates);
}

static void test_dismissed(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        const char *lines[6];
        bool want_undecided;
    } others[] = {
        {"HTTP", {"C:GET / HTTP/1.1\r\nHost: www.example\r\n\r\n"}, false},
        {"TLS", {"C:\x16\x03\x01"}, false},
        {"POP3", {"S:+OK POP3 ready\r\n"}, false},
        {"IMAP", {"S:* OK IMAP4rev1 ready\r\n"}, false},
    };
    for (size_t i = 0; i < unit_count(others); i++) {
        struct wire wire;
        wire_init(&wire);
        handshake(&wire);
        converse(&wire, others[i].lines, 1000);
        expect_stats(&wire, 0, 1, 0);
        converse(&wire, smtp, 1000); /* whatever comes now is too late */
        assert_int_equal(wire.followed.count, 0);
        candidates_free(wire.candidates);
    }
}

/* FTP's greeting and replies have the form of SMTP's: it is watched until it has said too much. */
static void test_undecided(void **state)
{
    (void)state;
    static const char *const ftp[] = {"S:220 ftp.example FTP server ready\r\n", "C:USER joe\r\n", "S:331 Password required\r\n",
                                      NULL};
    struct wire wire;
    wire_init(&wire);
    handshake(&wire);
    converse(&wire, ftp, 1000);
    expect_stats(&wire, 0, 0, 0);
    for (int i = 0; i < 1000; i++)
        say(&wire, SMTPSCOPE_SERVER, SMTPSCOPE_TCP_ACK, "200 ok\r\n", 8);
    expect_stats(&wire, 0, 0, 1);
    assert_int_equal(wire.followed.count, 0);
    candidates_free(wire.candidates);
}

static void test_ended(void **state)
{
    (void)state;
    static const uint8_t ends[] = {SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_ACK, SMTPSCOPE_TCP_RST};
    for (size_t i = 0; i < unit_count(ends); i++) {
        struct wire wire;
        wire_init(&wire);
        handshake(&wire);
        say(&wire, SMTPSCOPE_SERVER, ends[i], NULL, 0);
        expect_stats(&wire, 0, 0, 1);
        candidates_free(wire.candidates);
    }
}

/* In the middle of a connection nothing is opened. */
static void test_midstream(void **state)
{
    (void)state;
    struct wire wire;
    struct candidates_stats stats;
    wire_init(&wire);
    converse(&wire, smtp, 1000);
    candidates_stats(wire.candidates, &stats);
    assert_int_equal(stats.opened, 0);
    candidates_free(wire.candidates);
}

/* The ports are used again before the connection was known: the new one is another. */
static void test_reused(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire);
    wire.next[SMTPSCOPE_CLIENT] = 77;
    say(&wire, SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_SYN, NULL, 0);
    wire.next[SMTPSCOPE_CLIENT] = 1000;
    wire.packet = 0;
    handshake(&wire);
    converse(&wire, smtp, 1000);
    struct candidates_stats stats;
    candidates_stats(wire.candidates, &stats);
    assert_int_equal(stats.followed, 1);
    assert_int_equal(wire.followed.packets[0], 1);
    candidates_free(wire.candidates);
}

/* A flood of SYNs takes the oldest; memory does not grow, and each connection is accounted for. */
static void test_flood(void **state)
{
    (void)state;
    enum { FLOOD = 100000 };
    struct wire wire;
    struct candidates_stats stats;
    wire_init(&wire);
    for (uint32_t i = 0; i < FLOOD; i++) {
        memcpy(wire.side[0].addr, &i, sizeof i);
        say(&wire, SMTPSCOPE_CLIENT, SMTPSCOPE_TCP_SYN, NULL, 0);
    }
    candidates_stats(wire.candidates, &stats);
    assert_int_equal(stats.opened, FLOOD);
    assert_between(FLOOD - stats.evicted, 1, 4096);
    memset(wire.side[0].addr, 9, 16);
    wire.next[0] = 1000;
    wire.next[1] = 0xfffffff0;
    wire.packet = 0;
    handshake(&wire);
    converse(&wire, smtp, 1000);
    expect_followed(&wire);
    candidates_free(wire.candidates);
}

static int setup(void **state)
{
    (void)state;
    detect = detect_new();
    return detect != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    detect_free(detect);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),     cmocka_unit_test(test_octets),
        cmocka_unit_test(test_followed),  cmocka_unit_test(test_half_a_handshake),
        cmocka_unit_test(test_disorder),  cmocka_unit_test(test_hole),
        cmocka_unit_test(test_dismissed), cmocka_unit_test(test_undecided),
        cmocka_unit_test(test_ended),     cmocka_unit_test(test_midstream),
        cmocka_unit_test(test_reused),    cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
