/* SPDX-License-Identifier: BSD-2-Clause */
/* What time ends, and in which order; flows spread over several streams are told of as one stream tells of them. */
#include "unit.h"

#include "base/hash.h"
#include "smtpscope/stream.h"
#include "stream/prefetch.h"

#define HOSTS 60u
#define FRAMES 6000u
#define TOLD_MAX 100000u
#define WORKERS_MAX 5u

/* One call of an event. `step`: twice the frame's ordinal, and one more when the segment told it, not the time. */
struct told {
    uint64_t step, first_packet;
    uint64_t of[4];
    char what;
};

struct tale {
    struct told *told;
    size_t count;
    uint64_t step;
};

static void tell(struct tale *tale, const struct smtpscope_flow *flow, char what, uint64_t a, uint64_t b, uint64_t c,
                 uint64_t d)
{
    assert_true(tale->count < TOLD_MAX);
    tale->told[tale->count++] =
        (struct told){.step = tale->step, .first_packet = flow->first_packet, .of = {a, b, c, d}, .what = what};
}

static void *on_opened(void *ctx, const struct smtpscope_flow *flow)
{
    tell(ctx, flow, 'o', flow->midstream, flow->side[0].port, flow->side[1].port, (uint64_t)flow->first_time);
    return (void *)(uintptr_t)flow;
}

static void on_octets(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    tell(ctx, user, 'd', octets->side, octets->offset, hash_octets(octets->data, octets->len, octets->acked), octets->packet);
}

static void on_gap(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    tell(ctx, user, 'g', gap->side, gap->offset, gap->len, gap->packet);
}

static void on_conflict(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    tell(ctx, user, '!', gap->side, gap->offset, (uint64_t)gap->time, gap->packet);
}

static void on_closed(void *ctx, void *user, const struct smtpscope_ending *ending)
{
    tell(ctx, user, 'c', ending->why, ending->by, (uint64_t)ending->fin_time, (uint64_t)ending->time);
}

static void on_clock_stepped(void *ctx, void *user, smtpscope_time delta)
{
    tell(ctx, user, 's', (uint64_t)delta, 0, 0, 0);
}

static const struct smtpscope_stream_events events = {
    .opened = on_opened,
    .octets = on_octets,
    .gap = on_gap,
    .conflict = on_conflict,
    .closed = on_closed,
    .clock_stepped = on_clock_stepped,
};

static struct smtpscope_stream_config tale_config(struct tale *tale, struct told *told)
{
    static uint8_t ports[8192] = {[25 / 8] = 1u << 25 % 8};

    *tale = (struct tale){.told = told};
    return (struct smtpscope_stream_config){
        .events = &events, .ctx = tale, .ports = ports, .hash_seed = 7, .idle = 100 * SMTPSCOPE_SECOND};
}

static struct smtpscope_segment segment_of(unsigned host, bool server, uint8_t flags, uint32_t seq, uint32_t ack)
{
    struct smtpscope_segment segment = {
        .src = {.addr = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}, .port = 25}, .flags = flags, .seq = seq, .ack = ack};

    segment.dst =
        (struct smtpscope_endpoint){.addr = {[10] = 0xff, [11] = 0xff, [12] = 10, [14] = 1}, .port = (uint16_t)(1024 + host)};
    if (!server) {
        struct smtpscope_endpoint client = segment.dst;

        segment.dst = segment.src;
        segment.src = client;
    }
    return segment;
}

/* --- a capture at random */

struct frame {
    struct smtpscope_segment segment;
    uint8_t data[40];
};

static uint64_t random_state = 88172645463325252u;

static uint32_t random_below(uint32_t end)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % end;
}

static smtpscope_time random_step(void)
{
    uint32_t of = random_below(1000);

    return of < 900   ? random_below(20) * (SMTPSCOPE_SECOND / 1000)
           : of < 990 ? random_below(3000) * (SMTPSCOPE_SECOND / 1000)
                      : random_below(150) * SMTPSCOPE_SECOND;
}

/* Flags by chance: mostly plain, and what opens and ends a connection often enough that all its ways are gone. */
static uint8_t random_flags(void)
{
    static const uint8_t rare[] = {
        SMTPSCOPE_TCP_SYN,
        SMTPSCOPE_TCP_SYN,
        SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK,
        SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_ACK,
        SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_ACK,
        SMTPSCOPE_TCP_RST,
    };

    return random_below(6) ? SMTPSCOPE_TCP_ACK : rare[random_below(sizeof rare)];
}

/* The next segment of a handshake: SYN, SYN-ACK, ACK. */
static struct smtpscope_segment handshake_step(unsigned host, unsigned step, const uint32_t next[2])
{
    switch (step) {
    case 0: return segment_of(host, false, SMTPSCOPE_TCP_SYN, next[0] - 1, 0);
    case 1: return segment_of(host, true, SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, next[1] - 1, next[0]);
    default: return segment_of(host, false, SMTPSCOPE_TCP_ACK, next[0], next[1]);
    }
}

static void capture_make(struct frame *frames)
{
    static uint32_t next[HOSTS][2];
    static unsigned left[HOSTS]; /* segments of a handshake that are still to come */
    smtpscope_time now = SMTPSCOPE_SECOND;

    for (unsigned i = 0; i < FRAMES; i++) {
        unsigned host = random_below(HOSTS), server = random_below(2), lost = random_below(8) ? 0 : random_below(30);
        uint32_t *mine = &next[host][server], theirs = next[host][!server] + (random_below(10) ? 0 : random_below(40));
        struct frame *frame = &frames[i];

        now += random_step();
        if (!left[host] && !random_below(40)) {
            left[host] = 3;
            next[host][0] = random_below(UINT32_MAX);
            next[host][1] = random_below(UINT32_MAX);
        }
        if (left[host]) {
            frame->segment = handshake_step(host, 3 - left[host]--, next[host]);
            frame->segment.time = now;
            frame->segment.packet = i + 1;
            continue;
        }
        frame->segment =
            segment_of(host, server, random_flags(), *mine + lost - (random_below(10) ? 0 : random_below(20)), theirs);
        frame->segment.len = frame->segment.flags & SMTPSCOPE_TCP_SYN ? 0 : random_below(sizeof frame->data);
        frame->segment.data = frame->data;
        frame->segment.time =
            now + (random_below(300) ? 0 : 48 * 3600 * SMTPSCOPE_SECOND) - (random_below(50) ? 0 : 5 * SMTPSCOPE_SECOND);
        frame->segment.packet = i + 1;
        for (unsigned j = 0; j < frame->segment.len; j++)
            frame->data[j] = (uint8_t)random_below(256);
        if (!random_below(3) || lost)
            *mine += lost + frame->segment.len + ((frame->segment.flags & (SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_FIN)) != 0);
    }
}

/* What the streams of worker `mine` of `workers` tell of it. */
static void capture_follow(const struct frame *frames, struct tale *tale, struct told *told, unsigned mine, unsigned workers)
{
    struct smtpscope_stream_config config = tale_config(tale, told);
    struct smtpscope_streams *streams = smtpscope_streams_new(&config);

    for (unsigned i = 0; i < FRAMES; i++) {
        struct smtpscope_segment segment = frames[i].segment;

        tale->step = 2 * i;
        smtpscope_streams_expire(streams, segment.time);
        tale->step++;
        segment.hash = smtpscope_segment_hash(&segment, config.hash_seed);
        smtpscope_streams_prefetch(streams, segment.hash);
        smtpscope_streams_prefetch_flow(streams, segment.hash);
        if ((segment.hash >> 32) % workers == mine)
            smtpscope_streams_segment(streams, &segment);
    }
    tale->step++;
    smtpscope_streams_flush(streams);
    smtpscope_streams_free(streams);
}

static int told_order(const struct told *a, const struct told *b)
{
    if (a->step != b->step)
        return a->step < b->step ? -1 : 1;
    return a->first_packet < b->first_packet ? -1 : a->first_packet > b->first_packet;
}

/* The tale whose next event goes first; each is in order. */
static unsigned tale_next(const struct tale *tales, const size_t *at, unsigned workers)
{
    unsigned best = workers;

    for (unsigned i = 0; i < workers; i++)
        if (at[i] < tales[i].count && (best == workers || told_order(&tales[i].told[at[i]], &tales[best].told[at[best]]) < 0))
            best = i;
    return best;
}

static void assert_told(const struct told *got, const struct told *want)
{
    if (got->what != want->what || told_order(got, want) || memcmp(got->of, want->of, sizeof got->of))
        fail_msg("got %c at %llu of the flow from %llu, want %c at %llu of the flow from %llu", got->what,
                 (unsigned long long)got->step, (unsigned long long)got->first_packet, want->what,
                 (unsigned long long)want->step, (unsigned long long)want->first_packet);
}

static void test_workers(void **unused)
{
    static struct frame frames[FRAMES];
    static struct told whole_told[TOLD_MAX], parts_told[WORKERS_MAX][TOLD_MAX];

    (void)unused;
    for (unsigned round = 0; round < 10; round++) {
        unsigned workers = 2 + round % (WORKERS_MAX - 1), ends[SMTPSCOPE_CLOSE_EVICTED + 1] = {0};
        struct tale whole, parts[WORKERS_MAX];
        size_t at[WORKERS_MAX] = {0};

        capture_make(frames);
        capture_follow(frames, &whole, whole_told, 0, 1);
        for (unsigned i = 0; i < workers; i++)
            capture_follow(frames, &parts[i], parts_told[i], i, workers);
        for (size_t i = 0; i < whole.count; i++) {
            unsigned from = tale_next(parts, at, workers);

            assert_true(from < workers && (i == 0 || told_order(&whole_told[i - 1], &whole_told[i]) <= 0));
            assert_told(&parts[from].told[at[from]++], &whole_told[i]);
            if (whole_told[i].what == 'c')
                ends[whole_told[i].of[0]]++;
        }
        assert_int_equal(tale_next(parts, at, workers), workers);
        for (unsigned why = 0; why < SMTPSCOPE_CLOSE_EVICTED; why++)
            if (!ends[why]) /* else the capture tries too little */
                fail_msg("round %u ends no flow by %u", round, why);
    }
}

/* --- time */

static void segment_feed(struct smtpscope_streams *streams, struct smtpscope_segment segment, smtpscope_time time,
                         uint64_t packet)
{
    segment.time = time;
    segment.packet = packet;
    smtpscope_streams_expire(streams, time);
    smtpscope_streams_segment(streams, &segment);
}

static void handshake_feed(struct smtpscope_streams *streams, unsigned host, smtpscope_time time, uint64_t packet)
{
    segment_feed(streams, segment_of(host, false, SMTPSCOPE_TCP_SYN, 0, 0), time, packet);
    segment_feed(streams, segment_of(host, true, SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK, 0, 1), time, packet);
}

/* An octet of the client's; behind a handshake where it is the first. */
static void octet_feed(struct smtpscope_streams *streams, unsigned host, uint32_t seq, smtpscope_time time, uint64_t packet)
{
    struct smtpscope_segment segment = segment_of(host, false, SMTPSCOPE_TCP_ACK, seq, 1);

    if (seq == 1)
        handshake_feed(streams, host, time, packet);
    segment.data = (const uint8_t *)"a";
    segment.len = 1;
    segment_feed(streams, segment, time, packet);
}

/* How many flows were closed so far. */
static size_t closed(const struct tale *tale)
{
    size_t count = 0;

    for (size_t i = 0; i < tale->count; i++)
        count += tale->told[i].what == 'c';
    return count;
}

/* A frame's time is told twice, to expire() and with its segment: it does not agree with itself. */
static void test_leap(void **unused)
{
    static struct told told[TOLD_MAX];
    const smtpscope_time far = 48 * 3600 * SMTPSCOPE_SECOND;
    struct tale tale;
    struct smtpscope_stream_config config = tale_config(&tale, told);
    struct smtpscope_streams *streams = smtpscope_streams_new(&config);

    (void)unused;
    octet_feed(streams, 0, 1, SMTPSCOPE_SECOND, 1);
    octet_feed(streams, 1, 1, far, 2);
    octet_feed(streams, 1, 2, far, 3);
    octet_feed(streams, 0, 2, 2 * SMTPSCOPE_SECOND, 4);
    assert_int_equal(closed(&tale), 0);
    octet_feed(streams, 1, 3, far, 5); /* that a true time came between, takes the first vote back */
    assert_int_equal(closed(&tale), 0);
    octet_feed(streams, 1, 4, far + 1, 6);
    assert_int_equal(closed(&tale), 2);
    smtpscope_streams_flush(streams);
    smtpscope_streams_free(streams);
}

/* Each ends when it was silent for the idle time, to the second, whoever else is there. */
static void test_idle_exactly(void **unused)
{
    static struct told told[TOLD_MAX];
    struct tale tale;
    struct smtpscope_stream_config config = tale_config(&tale, told);
    struct smtpscope_streams *streams = smtpscope_streams_new(&config);

    (void)unused;
    octet_feed(streams, 0, 1, 1 * SMTPSCOPE_SECOND, 1);
    octet_feed(streams, 1, 1, 50 * SMTPSCOPE_SECOND, 2);
    octet_feed(streams, 0, 2, 80 * SMTPSCOPE_SECOND, 3);
    octet_feed(streams, 2, 1, 99 * SMTPSCOPE_SECOND, 4);
    for (unsigned second = 100; second < 220; second++) {
        smtpscope_streams_expire(streams, second * SMTPSCOPE_SECOND);
        assert_int_equal(closed(&tale), (second >= 150) + (second >= 180) + (second >= 199));
    }
    smtpscope_streams_free(streams);
}

static void test_clock_stepped(void **unused)
{
    static struct told told[TOLD_MAX];
    static const smtpscope_time steps[] = {-3600 * SMTPSCOPE_SECOND, 3600 * SMTPSCOPE_SECOND,
                                           3000 * 24 * 3600 * SMTPSCOPE_SECOND};
    const smtpscope_time start = 100000 * SMTPSCOPE_SECOND;

    (void)unused;
    for (size_t i = 0; i < unit_count(steps); i++) {
        struct tale tale;
        struct smtpscope_stream_config config = tale_config(&tale, told);
        struct smtpscope_streams *streams = smtpscope_streams_new(&config);
        smtpscope_time base = start + steps[i];

        octet_feed(streams, 0, 1, start, 1);
        octet_feed(streams, 1, 1, start, 2);
        octet_feed(streams, 1, 5, start + 50 * SMTPSCOPE_SECOND, 3); /* a hole, for which 60 seconds are waited */
        smtpscope_streams_clock_stepped(streams, steps[i]);
        for (unsigned second = 51; second < 120; second++) {
            smtpscope_streams_expire(streams, base + second * SMTPSCOPE_SECOND);
            assert_int_equal(closed(&tale), second >= 100);
            assert_true((tale.told[tale.count - 1].what == 'd' && tale.told[tale.count - 1].of[3] == 3) == (second >= 111));
        }
        for (size_t at = 4; at < 6; at++) { /* behind two flows that opened and spoke */
            assert_int_equal(tale.told[at].what, 's');
            assert_true(tale.told[at].of[0] == (uint64_t)steps[i]);
        }
        assert_int_equal(tale.told[6].what, 'c');
        assert_true(tale.told[6].of[3] == (uint64_t)base); /* the last segment's time, by the clock as it is now */
        smtpscope_streams_flush(streams);
        assert_true(tale.told[tale.count - 1].of[3] == (uint64_t)(base + 50 * SMTPSCOPE_SECOND));
        smtpscope_streams_free(streams);
    }
}

/* --- order */

/* Every flow is in the same list, or another, in another order than that of first packets. */
static void order_feed(struct smtpscope_streams *streams, unsigned flows)
{
    smtpscope_time time = SMTPSCOPE_SECOND;

    for (unsigned i = 0; i < flows; i++) /* a handshake each, in order */
        handshake_feed(streams, i, time, i + 1);
    for (unsigned i = flows; i-- > 0;) { /* octets, some behind a hole, a RST for some, in reverse */
        octet_feed(streams, i, i % 3 ? 1 : 9, time, flows + i);
        if (i % 4 == 3) {
            struct smtpscope_segment rst = segment_of(i, false, SMTPSCOPE_TCP_RST, 2, 0);

            rst.time = time;
            rst.packet = flows + i;
            smtpscope_streams_segment(streams, &rst);
        }
    }
}

/* In `count` parts of the tale from `from` on, first packets never fall more often than `falls`. */
static void assert_order(const struct tale *tale, size_t from, size_t falls)
{
    for (size_t i = from + 1; i < tale->count; i++)
        if (tale->told[i].first_packet < tale->told[i - 1].first_packet && falls-- == 0)
            fail_msg("%c of the flow from %llu behind that from %llu", tale->told[i].what,
                     (unsigned long long)tale->told[i].first_packet, (unsigned long long)tale->told[i - 1].first_packet);
}

static void test_order(void **unused)
{
    static struct told told[TOLD_MAX];
    const unsigned flows = 1000;

    (void)unused;
    for (int flush = 0; flush < 2; flush++) {
        struct tale tale;
        struct smtpscope_stream_config config = tale_config(&tale, told);
        struct smtpscope_streams *streams = smtpscope_streams_new(&config);
        size_t before;

        order_feed(streams, flows);
        before = tale.count;
        if (flush)
            smtpscope_streams_flush(streams);
        else
            smtpscope_streams_expire(streams, 1000 * SMTPSCOPE_SECOND);
        assert_int_equal(closed(&tale), flows - (flush ? 0 : 250)); /* of those behind a hole it is the hole that is due */
        assert_order(&tale, before, 0);
        smtpscope_streams_flush(streams);
        assert_int_equal(closed(&tale), flows);
        smtpscope_streams_free(streams);
    }
}

/* Gives memory until told otherwise. */
static void *stingy_resize(void *ctx, void *memory, size_t size)
{
    const bool *stingy = ctx;

    if (!size) {
        free(memory);
        return NULL;
    }
    return *stingy ? NULL : realloc(memory, size);
}

/* Without memory to sort them all, parts of them are in order, and all are told. */
static void test_order_without_memory(void **unused)
{
    static struct told told[TOLD_MAX];
    const unsigned flows = 1000;
    bool stingy = false;
    struct smtpscope_allocator allocator = {stingy_resize, &stingy};
    struct tale tale;
    struct smtpscope_stream_config config = tale_config(&tale, told);
    struct smtpscope_streams *streams;
    size_t before;

    (void)unused;
    config.allocator = &allocator;
    streams = smtpscope_streams_new(&config);
    order_feed(streams, flows);
    before = tale.count;
    stingy = true;
    smtpscope_streams_expire(streams, 1000 * SMTPSCOPE_SECOND);
    smtpscope_streams_flush(streams);
    assert_int_equal(closed(&tale), flows);
    assert_order(&tale, before, 2 * flows / 32);
    stingy = false;
    smtpscope_streams_free(streams);
}

/* --- the hash */

static void test_hash(void **unused)
{
    unsigned low[64] = {0}, high[64] = {0};
    const unsigned count = 64 * 256;

    (void)unused;
    for (unsigned i = 0; i < count; i++) {
        struct smtpscope_segment segment = segment_of(i, false, 0, 0, 0), back = segment_of(i, true, 0, 0, 0);
        uint64_t hash = smtpscope_segment_hash(&segment, 7);

        assert_true(hash != 0 && hash == smtpscope_segment_hash(&back, 7) && hash != smtpscope_segment_hash(&segment, 8));
        low[hash % 64]++;
        high[hash >> 58]++;
    }
    for (unsigned i = 0; i < 64; i++) /* 256 each are expected, and 16 is the deviation */
        assert_true(low[i] > 176 && low[i] < 336 && high[i] > 176 && high[i] < 336);
}

static const struct smtpscope_flow *likely(const struct smtpscope_streams *streams, unsigned host)
{
    struct smtpscope_segment segment = segment_of(host, false, 0, 0, 0);
    uint64_t hash = smtpscope_segment_hash(&segment, 7);

    smtpscope_streams_prefetch(streams, hash);
    smtpscope_streams_prefetch_flow(streams, hash);
    return smtpscope_streams_likely_user(streams, hash);
}

/* What is likely is not sure: of so many flows, one of five times two have the same 32 bits of hash, hardly ever nine. */
#define LIKELY_WRONG 8

/* Of few flows nothing is fetched ahead; of many, each its own. */
static void test_likely_user(void **unused)
{
    static struct told told[TOLD_MAX];
    const unsigned many = 40000;
    struct tale tale;
    struct smtpscope_stream_config config = tale_config(&tale, told);
    struct smtpscope_streams *streams = smtpscope_streams_new(&config);
    unsigned wrong = 0;

    (void)unused;
    assert_null(likely(streams, 0));
    for (unsigned i = 0; i < many; i++) {
        octet_feed(streams, i, 1, SMTPSCOPE_SECOND, i + 1);
        assert_true(i > 10 || !likely(streams, i));
    }
    for (unsigned i = 0; i < many; i++) {
        const struct smtpscope_flow *flow = likely(streams, i);

        assert_non_null(flow);
        wrong += flow->first_packet != i + 1;
    }
    assert_between(wrong, 0, LIKELY_WRONG);
    wrong = 0;
    for (unsigned i = 0; i < 20000; i++)
        wrong += likely(streams, many + i) != NULL;
    assert_between(wrong, 0, LIKELY_WRONG);
    smtpscope_streams_free(streams);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers),       cmocka_unit_test(test_leap),        cmocka_unit_test(test_idle_exactly),
        cmocka_unit_test(test_clock_stepped), cmocka_unit_test(test_order),       cmocka_unit_test(test_order_without_memory),
        cmocka_unit_test(test_hash),          cmocka_unit_test(test_likely_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
