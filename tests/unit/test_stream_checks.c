/* SPDX-License-Identifier: BSD-2-Clause */
/* Segments that their receiver would drop, or never gets: what is put aside, what is taken, and that a session goes on. */
#include "unit.h"

#include "base/checksum.h"
#include "streams_record.h"

#define SEGMENTS_MAX 48
#define HEADER 20u

/*
 * `seq` and `ack` count from the initial numbers: 0 is the SYN, 1 the first octet. `flags`: S F R U as in TCP, N no ACK; and what is
 * odd about it: c the checksum, i that of the IP header, l the IP length, m signed, p an older timestamp, u none, v another VLAN,
 * t one hop left, h 60 hops left, x contested fragments. "" is a plain ACK of 64 hops.
 */
struct part {
    char side; /* 'c' or 's'; 0 ends the row */
    const char *flags;
    uint32_t seq, ack;
    const char *data;
    uint32_t ms; /* since the one before */
};

struct feeder {
    struct smtpscope_streams *streams;
    smtpscope_time time;
    uint64_t packet;
};

static bool has(const struct part *part, char letter)
{
    return strchr(part->flags, letter) != NULL;
}

static uint8_t flags_of(const struct part *part)
{
    bool syn = has(part, 'S'), ack = !has(part, 'N') && !(syn && part->side == 'c') && !(has(part, 'R') && !part->ack);

    return (uint8_t)((syn ? SMTPSCOPE_TCP_SYN : 0) | (has(part, 'F') ? SMTPSCOPE_TCP_FIN : 0) |
                     (has(part, 'R') ? SMTPSCOPE_TCP_RST : 0) | (has(part, 'U') ? SMTPSCOPE_TCP_URG : 0) |
                     (ack ? SMTPSCOPE_TCP_ACK : 0));
}

static uint8_t marks_of(const struct part *part)
{
    return (uint8_t)((has(part, 'i') ? SMTPSCOPE_MARK_DAMAGED : 0) | (has(part, 'l') ? SMTPSCOPE_MARK_TOO_LONG : 0) |
                     (has(part, 'x') ? SMTPSCOPE_MARK_CONTESTED : 0) | (has(part, 'm') ? SMTPSCOPE_MARK_SIGNED : 0) |
                     (has(part, 'u') ? 0 : SMTPSCOPE_MARK_STAMPED) | (has(part, 'S') ? SMTPSCOPE_MARK_SCALED : 0));
}

/* A header with nothing but a checksum, which is right unless it is wanted to be wrong. */
static void octets_make(uint8_t *octets, size_t len, const struct smtpscope_segment *segment, bool wrong)
{
    const uint8_t pseudo[8] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, 6};
    uint64_t sum;
    uint16_t checksum;

    sum = checksum_add(checksum_add(checksum_add(0, pseudo, sizeof pseudo), segment->src.addr, 16), segment->dst.addr, 16);
    for (sum = checksum_add(sum, octets, len); sum >> 16; sum = (sum & 0xffff) + (sum >> 16))
        ;
    checksum = (uint16_t)~sum ^ (wrong ? 0x5a5a : 0);
    memcpy(octets + 16, &checksum, sizeof checksum);
}

static void part_feed(struct feeder *feeder, const struct part *part)
{
    static const uint32_t isn[2] = {UINT32_MAX - 9, 7000};
    bool server = part->side == 's';
    struct smtpscope_endpoint ends[2] = {record_end(1, 40000), record_end(2, 25)};
    size_t len = part->data ? strlen(part->data) : 0;
    uint8_t *octets = calloc(1, HEADER + len);
    struct smtpscope_segment segment = {
        .src = ends[server],
        .dst = ends[!server],
        .flags = flags_of(part),
        .seq = isn[server] + part->seq,
        .ack = isn[!server] + part->ack,
        .window = 8000,
        .data = octets + HEADER,
        .len = (uint32_t)len,
        .time = feeder->time += part->ms * (SMTPSCOPE_SECOND / 1000),
        .packet = ++feeder->packet,
        .marks = marks_of(part),
        .header = HEADER,
        .hops = has(part, 't')   ? 1
                : has(part, 'h') ? 60
                                 : 64,
        .vlan = has(part, 'v') ? 6 : 5,
        .stamp = has(part, 'p') ? 1 : 1000 + (uint32_t)feeder->packet,
    };

    assert_non_null(octets);
    if (len)
        memcpy(octets + HEADER, part->data, len);
    octets_make(octets, HEADER + len, &segment, has(part, 'c'));
    smtpscope_streams_expire(feeder->streams, segment.time);
    smtpscope_streams_segment(feeder->streams, &segment);
    free(octets);
}

static struct smtpscope_stream_stats parts_feed(struct records *records, const struct part *const rows[], size_t count)
{
    struct smtpscope_stream_config config = record_config(records);
    struct feeder feeder = {.time = SMTPSCOPE_SECOND};
    struct smtpscope_stream_stats stats;

    memset(records, 0, sizeof *records);
    feeder.streams = smtpscope_streams_new(&config);
    for (size_t i = 0; i < count; i++)
        for (const struct part *part = rows[i]; part->side; part++)
            part_feed(&feeder, part);
    smtpscope_streams_flush(feeder.streams);
    smtpscope_streams_stats(feeder.streams, &stats);
    smtpscope_streams_free(feeder.streams);
    if (records->log_len)
        records->log[records->log_len - 1] = '\0';
    return stats;
}

static bool is_told(const struct records *records, const char *label, const char *what, const char *want)
{
    if (!strcmp(records->log, want))
        return true;
    print_error("%s, %s\n  want %s\n  has  %s\n", label, what, want, records->log);
    return false;
}

static const struct part handshake[] = {{'c', "S", 0, 0, NULL, 0}, {'s', "S", 0, 1, NULL, 0}, {'c', "", 1, 1, NULL, 0}, {0}};
static const struct part greeting[] = {{'s', "", 1, 1, "220", 1}, {'c', "", 1, 4, NULL, 1}, {0}};
static const struct part goodbye[] = {{'s', "", 4, 5, "221", 1}, {'s', "F", 7, 5, NULL, 1}, {'c', "F", 5, 8, NULL, 1}, {0}};

/* --- what a check is for */

/* Each is the same segment with something odd about it. */
static const struct kind {
    const char *label, *flags;
    uint32_t seq, ack;
    bool excused; /* once the receiver has taken such a segment, another one is believed */
} kinds[] = {
    {"a wrong checksum", "c", 1, 4, true},
    {"a wrong checksum in the IP header", "i", 1, 4, true},
    {"an IP length beyond the frame", "l", 1, 4, true},
    {"no ACK", "N", 1, 4, true},
    {"a signature out of place", "m", 1, 4, true},
    {"no timestamp", "u", 1, 4, true},
    {"an old timestamp", "p", 1, 4, true},
    {"another VLAN", "v", 1, 4, true},
    {"one hop left", "t", 1, 4, true},
    {"fragments that contradict one another", "x", 1, 4, false},
    {"an acknowledgement of what cannot have been sent", "", 1, 4 + (1 << 20), false},
    {"an acknowledgement that is far too old", "", 1, 4 - (1 << 20), false},
};

static void test_forged(void **unused)
{
    static struct records records;
    bool good = true;

    (void)unused;
    for (size_t i = 0; i < unit_count(kinds); i++) {
        const struct part forged[] = {
            {'c', kinds[i].flags, kinds[i].seq, kinds[i].ack, "RSET", 1}, {'c', "", 1, 4, "QUIT", 1}, {0}};
        const struct part *rows[] = {handshake, greeting, forged, goodbye};
        struct smtpscope_stream_stats stats = parts_feed(&records, rows, unit_count(rows));

        good &= is_told(&records, kinds[i].label, "before the real one", "open:40000 s0:220 c0:QUIT s3:221 close:FIN/s(cs)");
        good &= stats.doubtful == 1 && stats.refused == 1 && !stats.taken && !stats.conflicts;
    }
    assert_true(good);
}

/* What was taken of fragments that contradict one another is known to conflict; nobody knows which of them the receiver has. */
static bool is_told_as(const struct records *records, const struct kind *kind, const char *what, const char *want)
{
    static const char opened[] = "open:40000 s0:220 ";
    char told[128];

    snprintf(told, sizeof told, "%s%s%s", opened, strchr(kind->flags, 'x') ? "c0! " : "", want);
    return is_told(records, kind->label, what, told);
}

/* What nothing else came for, and the receiver acknowledged. */
static void test_taken(void **unused)
{
    static struct records records;
    bool good = true;

    (void)unused;
    for (size_t i = 0; i < 10; i++) {
        const struct part odd[] = {{'c', kinds[i].flags, 1, 4, "QUIT", 1}, {0}};
        const struct part *rows[] = {handshake, greeting, odd, goodbye};
        struct smtpscope_stream_stats stats = parts_feed(&records, rows, unit_count(rows));

        good &= is_told_as(&records, &kinds[i], "acknowledged", "c0:QUIT s3:221 close:FIN/s(cs)");
        good &= stats.taken == 1 && !stats.refused;
    }
    assert_true(good);
}

/* A receiver that took one takes another. */
static void test_excused(void **unused)
{
    static struct records records;
    bool good = true;

    (void)unused;
    for (size_t i = 0; i < 10; i++) {
        const struct part odd[] = {
            {'c', kinds[i].flags, 1, 4, "NOOP", 1},
            {'s', "", 4, 5, "250", 1},
            {'c', kinds[i].flags, 5, has(&(struct part){.flags = kinds[i].flags}, 'N') ? 0 : 7, "QUIT", 1},
            {0}};
        const struct part *rows[] = {handshake, greeting, odd};

        parts_feed(&records, rows, unit_count(rows));
        good &= is_told_as(&records, &kinds[i], "again, and not acknowledged",
                           kinds[i].excused ? "c0:NOOP s3:250 c4:QUIT close:END/c()" : "c0:NOOP s3:250 close:END/c()");
    }
    assert_true(good);
}

/* --- rows */

static const struct check_row {
    const char *label;
    struct part parts[SEGMENTS_MAX];
    const char *want;
} rows[] = {
    {"one side alone: nothing is put aside",
     {{'c', "S", 0, 0, NULL, 0}, {'c', "cv", 1, 1, "EHLO", 0}, {'c', "t", 5, 1, "QUIT", 0}},
     "open:40000 c0:EHLO c4:QUIT close:END/c()"},
    {"the first segment of a direction fails: it is about the capture",
     {{'c', "Sc", 0, 0, NULL, 0}, {'s', "S", 0, 1, NULL, 0}, {'c', "c", 1, 1, "EHLO", 0}},
     "open:40000 c0:EHLO close:END/c()"},
    {"the fewest hops that arrived are enough, and fewer are not",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "h", 1, 1, "EHLO", 0},
      {'s', "", 1, 5, "250", 0},
      {'c', "t", 5, 4, "RSET", 0},
      {'c', "h", 5, 4, "QUIT", 0}},
     "open:40000 c0:EHLO s0:250 c4:QUIT close:END/c()"},
    {"far ahead of the window, and a forged acknowledgement",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "", 100000, 1, "RSET", 0},
      {'s', "t", 1, 100004, NULL, 0},
      {'c', "", 1, 1, "EHLO", 0},
      {'s', "", 1, 5, "250", 0},
      {'c', "", 5, 4, "QUIT", 61000}},
     "open:40000 c0:EHLO s0:250 c4:QUIT close:END/c()"},
    {"ahead, within the window: belied by where its sender stands",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "", 5000, 1, "RSET", 0},
      {'c', "", 1, 1, NULL, 0},
      {'c', "", 1, 1, "EHLO", 0},
      {'s', "", 1, 5, "250", 0},
      {'c', "", 5, 4, "QUIT", 61000}},
     "open:40000 c0:EHLO s0:250 c4:QUIT close:END/c()"},
    {"an acknowledgement ahead, and silence: no gap",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "", 1, 3000, "RSET", 0},
      {'s', "", 1, 1, "220", 3000},
      {'c', "", 1, 4, "EHLO", 0},
      {'s', "", 4, 5, "250", 0}},
     "open:40000 s0:220 c0:EHLO s3:250 close:END/c()"},
    {"both sides changed their way: believed after a while",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "t", 1, 1, "a", 0},
      {'s', "t", 1, 2, "b", 0},
      {'c', "t", 2, 2, "c", 0},
      {'s', "t", 2, 3, "d", 0},
      {'c', "t", 3, 3, "e", 0},
      {'s', "t", 3, 4, "f", 0},
      {'c', "t", 4, 4, "g", 0},
      {'s', "t", 4, 5, "h", 0},
      {'c', "t", 5, 5, "i", 0},
      {'s', "t", 5, 6, "j", 0},
      {'c', "t", 6, 6, "k", 0},
      {'c', "R", 100, 0, NULL, 0},
      {'c', "t", 7, 6, "l", 0}},
     "open:40000 c0:a s0:b c1:c s1:d c2:e s2:f c3:g s3:h c4:i s4:j c5:k c6:l close:END/c()"},
    {"both sides changed their way, and the connection ends",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "t", 1, 1, "QUIT", 0},
      {'s', "t", 1, 5, "221", 0},
      {'s', "tF", 4, 5, NULL, 0},
      {'c', "tF", 5, 5, NULL, 0}},
     "open:40000 c0:QUIT s0:221 close:FIN/s(cs)"},
    {"put aside, and its sender stands behind it in the end",
     {{'c', "S", 0, 0, NULL, 0}, {'s', "S", 0, 1, NULL, 0}, {'c', "u", 1, 1, "QUIT", 0}, {'c', "F", 5, 1, NULL, 0}},
     "open:40000 c0:QUIT close:FIN/c(c)"},
    {"a hole with what was put aside in it",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "u", 3, 1, "LO", 0},
      {'c', "", 5, 1, "x", 0},
      {'s', "", 1, 6, "250", 0},
      {'c', "", 6, 4, "y", 3000}},
     "open:40000 c0+2 c2:LO c4:x s0:250 c5:y close:END/c()"},

    {"FINs with wrong checksums from both sides",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "Fc", 1, 1, NULL, 0},
      {'s', "Fc", 1, 2, NULL, 0},
      {'c', "", 1, 1, "QUIT", 0},
      {'s', "", 1, 5, "221", 0}},
     "open:40000 c0:QUIT s0:221 close:END/c()"},
    {"a RST within the window, but not the next number",
     {{'c', "S", 0, 0, NULL, 0}, {'s', "S", 0, 1, NULL, 0}, {'c', "R", 100, 0, NULL, 0}, {'c', "", 1, 1, "QUIT", 2000}},
     "open:40000 c0:QUIT close:END/c()"},
    {"a RST that does not arrive",
     {{'c', "S", 0, 0, NULL, 0}, {'s', "S", 0, 1, NULL, 0}, {'c', "Rt", 1, 0, NULL, 0}, {'c', "", 1, 1, "QUIT", 2000}},
     "open:40000 c0:QUIT close:END/c()"},
    {"a RST with the next number that its sender belies within the second",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "", 1, 1, "NOOP", 0},
      {'c', "R", 5, 0, NULL, 0},
      {'c', "", 5, 1, "QUIT", 500},
      {'s', "", 1, 9, "221", 2000}},
     "open:40000 c0:NOOP c4:QUIT s0:221 close:END/c()"},
    {"a RST in doubt, and nobody goes on",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "", 1, 1, "NOOP", 0},
      {'c', "Rt", 5, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 62000}},
     "open:40000 c0:NOOP close:RST/c()"},
    {"a RST captured before what it follows",
     {{'c', "S", 0, 0, NULL, 0}, {'s', "S", 0, 1, NULL, 0}, {'c', "R", 5, 0, NULL, 0}, {'c', "", 1, 1, "QUIT", 1}},
     "open:40000 c0:QUIT close:RST/c()"},

    {"a SYN before the next number begins nothing",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "", 1, 1, "NOOP", 0},
      {'c', "S", 4, 0, NULL, 0},
      {'c', "", 5, 1, "QUIT", 0},
      {'s', "", 1, 9, "221", 0}},
     "open:40000 c0:NOOP c4:QUIT s0:221 close:END/c()"},
    {"a forged SYN and its forged answer",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "", 1, 1, "NOOP", 0},
      {'c', "S", 800000000, 0, NULL, 0},
      {'s', "S", 900000000, 800000001, NULL, 0},
      {'c', "", 5, 1, "QUIT", 0},
      {'s', "", 1, 9, "221", 0}},
     "open:40000 c0:NOOP c4:QUIT s0:221 close:END/c()"},
    {"the ports again, and the capture has the answer before the SYN",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "", 1, 1, "NOOP", 0},
      {'s', "S", 900000000, 800000001, NULL, 0},
      {'c', "S", 800000000, 0, NULL, 0},
      {'c', "", 800000001, 900000001, "QUIT", 0}},
     "open:40000 c0:NOOP close:REUSED/c() open:40000 c0:QUIT close:END/c()"},
    {"the ports again behind the end: octets before their SYN",
     {{'c', "S", 0, 0, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'c', "F", 1, 1, NULL, 0},
      {'s', "F", 1, 2, NULL, 0},
      {'s', "", 900000001, 800000001, "220", 0},
      {'s', "S", 900000000, 800000001, NULL, 0},
      {'c', "S", 800000000, 0, NULL, 0}},
     "open:40000 close:FIN/c(cs) open:40000 s0:220 close:END/c()"},

    {"the client acknowledges the greeting before the SYN-ACK is captured",
     {{'c', "S", 0, 0, NULL, 0},
      {'c', "", 1, 4, NULL, 0},
      {'s', "S", 0, 1, NULL, 0},
      {'s', "", 1, 1, "220", 0},
      {'c', "", 1, 4, "EHLO", 0}},
     "open:40000 s0:220 c0:EHLO close:END/c()"},
    {"one of two taps is late",
     {{'c', "S", 0, 0, NULL, 0},
      {'c', "", 1, 1, NULL, 0},
      {'c', "", 1, 4, "EHLO", 1},
      {'c', "", 5, 7, "QUIT", 1},
      {'c', "F", 9, 11, NULL, 1},
      {'s', "S", 0, 1, NULL, 40},
      {'s', "", 1, 1, "220", 1},
      {'s', "", 4, 5, "250", 1},
      {'s', "", 7, 9, "221", 1},
      {'s', "F", 10, 9, NULL, 1}},
     "open:40000 s0:220 c0:EHLO s3:250 c4:QUIT s6:221 close:FIN/s(cs)"},
    {"the beginning, backwards",
     {{'s', "", 1, 1, "220", 0}, {'c', "", 1, 1, NULL, 0}, {'s', "S", 0, 1, NULL, 0}, {'c', "S", 0, 0, NULL, 0}},
     "open:40000 s0:220 close:END/c()"},
    {"in the middle, and backwards",
     {{'c', "", 105, 204, "QUIT", 0}, {'s', "", 201, 105, "250", 0}, {'c', "", 101, 201, "NOOP", 0}},
     "open-midstream:40000 c0:NOOP s0:250 c4:QUIT close:END/c()"},

    {"urgent octets stay in line, and are told once",
     {{'c', "S", 0, 0, NULL, 0}, {'s', "S", 0, 1, NULL, 0}, {'c', "U", 1, 1, "!QUIT", 0}, {'c', "U", 6, 1, "!", 0}},
     "open:40000 c0? c0:!QUIT c5:! close:END/c()"},
};

static void test_rows(void **unused)
{
    static struct records records;
    bool good = true;

    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++) {
        const struct part *parts[] = {rows[i].parts};

        parts_feed(&records, parts, 1);
        good &= is_told(&records, rows[i].label, "alone", rows[i].want);
    }
    assert_true(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forged), cmocka_unit_test(test_taken),
                                       cmocka_unit_test(test_excused), cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
