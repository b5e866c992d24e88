/* SPDX-License-Identifier: BSD-2-Clause */
/* The reassembler at random: a known conversation in any order and with losses; many flows against a model; the bounds. */
#include "unit.h"

#include "streams_record.h"

static struct records records;
static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t end)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % end;
}

static void segment_feed(struct smtpscope_streams *streams, uint32_t host, bool server, uint8_t flags, uint32_t seq,
                         uint32_t ack, const uint8_t *data, size_t len, smtpscope_time time)
{
    struct smtpscope_endpoint ends[2] = {record_end(host, 40000), record_end(0xffff, 25)};
    struct smtpscope_segment segment = {.src = ends[server],
                                        .dst = ends[!server],
                                        .flags = flags,
                                        .seq = seq,
                                        .ack = ack,
                                        .data = data,
                                        .len = (uint32_t)len,
                                        .time = time,
                                        .packet = 1};

    smtpscope_streams_segment(streams, &segment);
}

/* --- conservation: octets and gaps make up the stream, in order, once only */

#define TALK 64u /* segments of a conversation */
#define TALK_OCTETS (TALK * 60u)

struct talk {
    struct {
        bool server;
        uint32_t at, len, ack;
    } parts[TALK];
    uint8_t octets[2][TALK_OCTETS];
    uint32_t len[2];
};

static void talk_make(struct talk *talk)
{
    talk->len[0] = talk->len[1] = 0;
    for (unsigned i = 0; i < TALK; i++) {
        bool server = random_below(2);
        uint32_t len = 1 + random_below(60);

        for (uint32_t j = 0; j < len; j++)
            talk->octets[server][talk->len[server] + j] = (uint8_t)random_below(256);
        talk->parts[i].server = server;
        talk->parts[i].at = talk->len[server];
        talk->parts[i].len = len;
        talk->parts[i].ack = talk->len[!server];
        talk->len[server] += len;
    }
}

/* Feeds the parts with some lost, some twice, some late. The last of each side always comes, so that the length is known. */
static void talk_feed(struct smtpscope_streams *streams, const struct talk *talk, uint32_t isn, bool losses)
{
    unsigned order[2 * TALK], count = 0;

    for (unsigned i = 0; i < TALK; i++) {
        if (losses && random_below(10) == 0)
            continue;
        order[count++] = i;
        if (random_below(8) == 0)
            order[count++] = i;
    }
    for (unsigned i = 0; i + 1 < count; i++) { /* within groups of eight: what is later is given up on, by design */
        unsigned left = 8 - i % 8, other = i + random_below(left < count - i ? left : count - i), swap = order[i];

        order[i] = order[other];
        order[other] = swap;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned part = order[i];
        bool server = talk->parts[part].server;

        segment_feed(streams, 1, server, SMTPSCOPE_TCP_ACK, isn + talk->parts[part].at, isn + talk->parts[part].ack,
                     talk->octets[server] + talk->parts[part].at, talk->parts[part].len, SMTPSCOPE_SECOND + i);
    }
    for (int server = 0; server < 2; server++)
        segment_feed(streams, 1, server, SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_ACK, isn + talk->len[server],
                     isn + talk->len[!server], NULL, 0, 2 * SMTPSCOPE_SECOND);
}

/* What was told of the flow that has just been closed. */
static uint64_t told[2], told_gaps[2];

static void closed_and_kept(void *ctx, void *user, const struct smtpscope_ending *ending)
{
    struct record *record = user;

    for (int side = 0; side < 2; side++) {
        told[side] = record->octets[side];
        told_gaps[side] = record->gaps[side];
    }
    record_closed(ctx, user, ending);
}

static uint8_t kept[2][TALK_OCTETS], lost[2][TALK_OCTETS];

static void gap_marked(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    assert_true(gap->offset + gap->len <= TALK_OCTETS);
    memset(lost[gap->side] + gap->offset, 1, (size_t)gap->len);
    record_gap(ctx, user, gap);
}

static void test_conservation(void **unused)
{
    static struct talk talk;
    struct smtpscope_stream_events events = record_events;

    (void)unused;
    events.closed = closed_and_kept;
    events.gap = gap_marked;
    for (unsigned round = 0; round < 3000; round++) {
        struct smtpscope_stream_config config = record_config(&records);
        struct smtpscope_streams *streams;
        uint32_t isn = round % 3 ? random_below(UINT32_MAX) : UINT32_MAX - random_below(TALK_OCTETS);
        bool losses = round % 2;

        memset(&records, 0, sizeof records);
        memset(lost, 0, sizeof lost);
        records.copy[0] = kept[0];
        records.copy[1] = kept[1];
        records.copy_size = TALK_OCTETS;
        config.events = &events;
        streams = smtpscope_streams_new(&config);
        talk_make(&talk);
        segment_feed(streams, 1, false, SMTPSCOPE_TCP_SYN, isn - 1, 0, NULL, 0, 1);
        segment_feed(streams, 1, true, SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, isn - 1, isn, NULL, 0, 1);
        talk_feed(streams, &talk, isn, losses);
        smtpscope_streams_flush(streams);
        for (int side = 0; side < 2; side++) {
            assert_int_equal(told[side] + told_gaps[side], talk.len[side]);
            assert_true(losses || told_gaps[side] == 0);
            for (uint32_t i = 0; i < talk.len[side]; i++)
                assert_true(lost[side][i] || kept[side][i] == talk.octets[side][i]);
        }
        smtpscope_streams_free(streams);
    }
}

/* --- the table: many flows come and go, and each finds its own */

#define HOSTS 5000u

static void test_many_flows(void **unused)
{
    static uint32_t next[HOSTS];
    struct smtpscope_stream_config config = record_config(&records);
    struct smtpscope_streams *streams;
    struct smtpscope_stream_stats stats;
    size_t open = 0, opened = 0;
    smtpscope_time now = SMTPSCOPE_SECOND;

    (void)unused;
    memset(&records, 0, sizeof records);
    memset(next, 0, sizeof next);
    streams = smtpscope_streams_new(&config);
    for (unsigned round = 0; round < 60000; round++) {
        uint32_t host = random_below(HOSTS);

        if (!next[host]) { /* opens; a little longer than a closed one lingers */
            segment_feed(streams, host, false, SMTPSCOPE_TCP_SYN, 0, 0, NULL, 0, now);
            segment_feed(streams, host, true, SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, 0, 1, NULL, 0, now);
            segment_feed(streams, host, false, SMTPSCOPE_TCP_ACK, 1, 1, (const uint8_t *)"a", 1, now);
            next[host] = 2;
            open++;
            opened++;
        } else if (random_below(3)) {
            segment_feed(streams, host, false, SMTPSCOPE_TCP_ACK, next[host]++, 1, (const uint8_t *)"a", 1, now);
        } else {
            segment_feed(streams, host, false, SMTPSCOPE_TCP_ACK | SMTPSCOPE_TCP_FIN, next[host], 1, NULL, 0, now);
            segment_feed(streams, host, true, SMTPSCOPE_TCP_ACK | SMTPSCOPE_TCP_FIN, 1, next[host] + 1, NULL, 0, now);
            next[host] = 0;
            open--;
        }
        now += SMTPSCOPE_SECOND / 1000;
        smtpscope_streams_expire(streams, now);
        smtpscope_streams_stats(streams, &stats);
        assert_true(records.opened == opened && records.opened - records.closed == open && stats.flows_now == open);
    }
    assert_true(opened > 10000 && open > 1000);
    smtpscope_streams_flush(streams);
    assert_int_equal(records.opened, records.closed);
    smtpscope_streams_free(streams);
}

/* --- the bounds */

static void test_max_flows(void **unused)
{
    struct smtpscope_stream_config config = record_config(&records);
    struct smtpscope_streams *streams;
    struct smtpscope_stream_stats stats;

    (void)unused;
    memset(&records, 0, sizeof records);
    config.max_flows = 100;
    streams = smtpscope_streams_new(&config);
    for (uint32_t host = 0; host < 1000; host++) {
        segment_feed(streams, host, false, SMTPSCOPE_TCP_SYN, 0, 0, NULL, 0, SMTPSCOPE_SECOND + host);
        segment_feed(streams, host, true, SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, 0, 1, NULL, 0, SMTPSCOPE_SECOND + host);
        segment_feed(streams, host, false, SMTPSCOPE_TCP_ACK, 1, 1, (const uint8_t *)"a", 1, SMTPSCOPE_SECOND + host);
        assert_true(records.opened - records.closed <= 100);
    }
    smtpscope_streams_stats(streams, &stats);
    assert_int_equal(stats.evicted, 900);
    assert_non_null(strstr(records.log, "close:EVICTED"));
    smtpscope_streams_flush(streams);
    smtpscope_streams_free(streams);
}

static void test_max_held(void **unused)
{
    static uint8_t data[1000];
    struct smtpscope_stream_config config = record_config(&records);
    struct smtpscope_streams *streams;
    struct smtpscope_stream_stats stats;
    uint64_t most = 0;

    (void)unused;
    memset(&records, 0, sizeof records);
    config.max_held = 20000;
    streams = smtpscope_streams_new(&config);
    segment_feed(streams, 1, false, SMTPSCOPE_TCP_SYN, 0, 0, NULL, 0, SMTPSCOPE_SECOND);
    for (uint32_t i = 0; i < 200; i++) {
        segment_feed(streams, 1, false, 0, 2 + i * 1000, 0, data, sizeof data, SMTPSCOPE_SECOND);
        smtpscope_streams_stats(streams, &stats);
        assert_true(stats.held_now <= 21000);
        most = stats.held_now > most ? stats.held_now : most;
    }
    assert_true(most >= 18000 && stats.gap_octets == 1);
    smtpscope_streams_flush(streams);
    smtpscope_streams_free(streams);
}

/* A segment as large as an IP packet, as offload makes them, many of them, in and out of order. */
static void test_large_segments(void **unused)
{
    static uint8_t data[60000];
    struct smtpscope_stream_config config = record_config(&records);
    struct smtpscope_streams *streams;
    struct smtpscope_stream_stats stats;

    (void)unused;
    memset(&records, 0, sizeof records);
    streams = smtpscope_streams_new(&config);
    segment_feed(streams, 1, false, SMTPSCOPE_TCP_SYN, UINT32_MAX - 100000, 0, NULL, 0, SMTPSCOPE_SECOND);
    for (uint32_t i = 0; i < 100; i++)
        segment_feed(streams, 1, false, 0, UINT32_MAX - 99999 + (i ^ 1u) * 60000, 0, data, sizeof data, SMTPSCOPE_SECOND);
    smtpscope_streams_stats(streams, &stats);
    assert_int_equal(stats.octets, 6000000);
    assert_int_equal(stats.gaps, 0);
    assert_int_equal(stats.held_now, 0);
    smtpscope_streams_flush(streams);
    smtpscope_streams_free(streams);
}

/* An owner that follows nothing, and one that runs out of memory at every single request. */
static void test_failing_memory(void **unused)
{
    static struct talk talk;

    (void)unused;
    for (size_t n = 0, failed = 1; failed; n++) {
        struct unit_failing failing = {.countdown = n};
        struct smtpscope_allocator allocator = {unit_failing_resize, &failing};
        struct smtpscope_stream_config config = record_config(&records);
        struct smtpscope_streams *streams;

        random_state = 88172645463325252u;
        memset(&records, 0, sizeof records);
        records.refuse = n % 2;
        config.allocator = &allocator;
        streams = smtpscope_streams_new(&config);
        talk_make(&talk);
        if (streams) {
            segment_feed(streams, 1, false, SMTPSCOPE_TCP_SYN, 99, 0, NULL, 0, 1);
            talk_feed(streams, &talk, 100, true);
            smtpscope_streams_flush(streams);
            smtpscope_streams_free(streams);
        }
        assert_int_equal(failing.blocks, 0);
        assert_int_equal(records.opened, records.closed);
        failed = failing.requests > n;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conservation), cmocka_unit_test(test_many_flows),     cmocka_unit_test(test_max_flows),
        cmocka_unit_test(test_max_held),     cmocka_unit_test(test_large_segments), cmocka_unit_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
