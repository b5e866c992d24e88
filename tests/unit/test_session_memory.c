/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every request for memory fails, once alone and once with all that follow: no crash, nothing leaks, and it goes on. What an
 * idle session costs.
 */
#include "test_session.h"

#include "smtpscope/follow.h"
#include "streams_record.h"

static const struct conversation talks[] = {
    {"a message, pipelined",
     false,
     {HELLO, C("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n"),
      S("250 ok\r\n450 4.7.1 greylisted\r\n250 ok\r\n354 go\r\n"), C("x\n.\nMAIL FROM:<e>\r\n.\r\nQUIT\r\n"),
      S("250 one\r\n250 two\r\n221 bye\r\n")},
     NULL},
    {"AUTH and STARTTLS",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C("dGltQGMuZXhhbXBsZQ==\r\n"),
      S("535 no dGltQGMuZXhhbXBsZQ==\r\n"), C("STARTTLS\r\nNOOP\r\n"), S("220 go\r\n"), C("\x16\x03\x01 x")},
     NULL},
    {"chunks, refusals, gaps",
     false,
     {HELLO, ENVELOPE, C("BDAT 6\r\nabcdef"), S("250 ok\r\n"), C_GAP(40), S("503 no\r\n"), C("BDAT 9 LAST\r\n"),
      S("503 no\r\n"), C("QUIT\r\n"), S_GAP(5), C("VRFY x\r\n"), S("502 no\r\n")},
     NULL},
    {"another protocol, early", false, {C("GET / HTTP/1.1\r\nMAIL FROM:<a>\r\n"), S("220-x\r\n554 no\r\n500 no\r\n")}, NULL},
    {"from the middle on", true, {C("text\r\n.\r\n"), S("451 later\r\n"), C("RCPT TO:<a>\r\n"), S("503 need MAIL\r\n")}, NULL},
};

/* Fails the n-th request; `rest`: and all behind it. */
struct failing {
    size_t n, requests, blocks;
    bool rest;
};

static void *failing_resize(void *ctx, void *memory, size_t size)
{
    struct failing *failing = ctx;
    void *moved;

    if (!size) {
        failing->blocks -= memory != NULL;
        free(memory);
        return NULL;
    }
    failing->requests++;
    if (failing->requests == failing->n || (failing->rest && failing->requests > failing->n))
        return NULL;
    moved = realloc(memory, size);
    failing->blocks += !memory && moved;
    return moved;
}

/* The session and its judge; returns whether a request failed. */
static bool talk_starved(const struct conversation *talk, size_t cut, bool tells, struct failing *failing)
{
    static const char *const secrets[] = {"dGltQGMuZXhhbXBsZQ"};
    static struct log log;
    struct smtpscope_allocator allocator = {failing_resize, failing};

    log.label = talk->label;
    log.tells = tells;
    memcpy(log.secrets, secrets, sizeof secrets);
    steps_replay(talk->steps, talk->midstream, cut, &allocator, &log);
    assert_int_equal(failing->blocks, 0);
    return failing->requests >= failing->n;
}

static void test_every_request_fails(void **unused)
{
    static const size_t cuts[] = {0, 1, 7};
    size_t runs = 0;

    (void)unused;
    for (size_t i = 0; i < unit_count(talks); i++)
        for (size_t j = 0; j < 4 * unit_count(cuts); j++)
            for (size_t n = 1;; n++, runs++) {
                struct failing failing = {.n = n, .rest = j % 2};

                if (!talk_starved(&talks[i], cuts[j / 4], j / 2 % 2, &failing))
                    break;
            }
    assert_true(runs > 500);
}

/* An idle session: behind EHLO, behind a message, inside TLS. */
static const struct conversation idle[] = {
    {"after EHLO", false, {HELLO}, NULL},
    {"after a message, pipelined",
     false,
     {HELLO, C("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n"),
      S("250 ok\r\n450 4.7.1 greylisted\r\n250 ok\r\n354 go\r\n"), C("x\r\n.\r\n"), S("250 one\r\n")},
     NULL},
    {"inside TLS", false, {HELLO, C("STARTTLS\r\n"), S("220 go\r\n"), C("\x16\x03\x01 x"), S("\x16\x03\x03 x")}, NULL},
};

/* A million of them are to fit in memory: 600 octets each, with the flow, the judge and what joins them. */
#define IDLE_OCTETS_MAX 152

struct counting {
    size_t blocks, first;
};

static void *counting_resize(void *ctx, void *memory, size_t size)
{
    struct counting *counting = ctx;

    if (!counting->first)
        counting->first = size;
    counting->blocks += !memory;
    counting->blocks -= !size;
    if (size)
        return realloc(memory, size);
    free(memory);
    return NULL;
}

static void idle_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    (void)ctx;
    (void)session;
    (void)fact;
}

static void test_idle_session_is_small(void **unused)
{
    static const struct smtpscope_flow flow;

    (void)unused;
    for (size_t i = 0; i < unit_count(idle); i++) {
        struct counting counting = {0};
        struct smtpscope_allocator allocator = {counting_resize, &counting};
        struct smtpscope_session_config config = {&allocator, idle_fact, NULL};
        struct smtpscope_session *session = smtpscope_session_new(&config, &flow, NULL);
        uint64_t next[2] = {0};

        for (const struct step *step = idle[i].steps; step->text; step++) {
            bool server = step->side == 'S';
            struct smtpscope_octets octets = {.side = server ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT,
                                              .data = (const uint8_t *)step->text,
                                              .len = step->len,
                                              .offset = next[server],
                                              .acked = next[!server]};

            smtpscope_session_feed(session, &octets);
            next[server] += step->len;
        }
        if (counting.blocks != 1 || counting.first > IDLE_OCTETS_MAX)
            fail_msg("%s: %zu blocks, the session has %zu octets, want 1 and at most %d", idle[i].label, counting.blocks,
                     counting.first, IDLE_OCTETS_MAX);
        smtpscope_session_free(session);
        assert_int_equal(counting.blocks, 0);
    }
}

/* The whole library, as whoever uses it has it. */
struct joined {
    size_t opened, closed, unfollowed;
};

static void *joined_opened(void *ctx, struct smtpscope_session *session)
{
    (void)session;
    ((struct joined *)ctx)->opened++;
    return ctx;
}

static void joined_unfollowed(void *ctx, const struct smtpscope_flow *flow)
{
    (void)flow;
    ((struct joined *)ctx)->unfollowed++;
}

static void joined_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    (void)fact;
    assert_ptr_equal(smtpscope_session_user(session), ctx);
}

static void joined_finding(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding)
{
    (void)ctx;
    assert_true(finding->count > 0);
    assert_true(session || !finding->id);
}

static void joined_closed(void *ctx, const struct smtpscope_session *session, const struct smtpscope_ending *ending)
{
    assert_non_null(ending);
    assert_ptr_equal(smtpscope_session_user(session), ctx);
    ((struct joined *)ctx)->closed++;
}

static void step_send(struct smtpscope_follow *follow, const struct step *step, uint32_t next[2], uint64_t packet)
{
    bool server = step->side == 'S';
    struct smtpscope_endpoint ends[2] = {record_end(1, 40000), record_end(2, 25)};
    struct smtpscope_segment segment = {
        .src = ends[server],
        .dst = ends[!server],
        .flags = SMTPSCOPE_TCP_ACK,
        .seq = next[server],
        .ack = next[!server],
        .data = (const uint8_t *)step->text,
        .len = step->len,
        .time = SMTPSCOPE_SECOND + (smtpscope_time)packet,
        .packet = packet,
    };

    next[server] += step->len + step->gap;
    if (!step->gap)
        smtpscope_follow_segment(follow, &segment);
    smtpscope_follow_tell(follow, segment.time);
}

/* Every request fails once, in a capture that ends well, and in one that is dropped. */
static void test_joined_stages(void **unused)
{
    static const uint8_t ports[8192] = {[25 >> 3] = 1u << (25 & 7)};

    (void)unused;
    for (size_t i = 0; i < 2 * unit_count(talks); i++)
        for (size_t n = 1;; n++) {
            struct failing failing = {.n = n};
            struct smtpscope_allocator allocator = {failing_resize, &failing};
            struct joined joined = {0};
            struct smtpscope_follow_config config = {.allocator = &allocator,
                                                     .ports = ports,
                                                     .live = n % 2,
                                                     .opened = joined_opened,
                                                     .unfollowed = joined_unfollowed,
                                                     .fact = joined_fact,
                                                     .finding = joined_finding,
                                                     .closed = joined_closed,
                                                     .ctx = &joined};
            const struct step *steps = talks[i / 2].steps;
            struct smtpscope_follow *follow = smtpscope_follow_new(&config);
            uint32_t next[2] = {5, 7};

            for (size_t j = 0; follow && j < STEPS_MAX && (steps[j].text || steps[j].gap); j++)
                step_send(follow, &steps[j ^ (size_t)(j > 3 && steps[j ^ 1u].text)], next, j + 1);
            if (follow && i % 2)
                smtpscope_follow_finish(follow);
            smtpscope_follow_free(follow);
            assert_int_equal(failing.blocks, 0);
            assert_int_equal(joined.opened, joined.closed);
            assert_true(joined.opened || joined.unfollowed || failing.requests >= n);
            if (failing.requests < n)
                break;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_request_fails), cmocka_unit_test(test_idle_session_is_small),
                                       cmocka_unit_test(test_joined_stages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
