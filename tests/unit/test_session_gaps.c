/* SPDX-License-Identifier: BSD-2-Clause */
/* Captures that lack something: gaps in each mode, a start in midstream, one direction only; and the session's own bounds. */
#include "test_session.h"

static const struct conversation gaps[] = {
    {"a command lost",
     false,
     {HELLO, C_GAP(25), S("250 2.1.0 Ok\r\n"), C("RCPT TO:<b>\r\n"), S("250 2.1.5 Ok\r\n")},
     HELLO_LOG "gap:C:commands ?=250 RCPT[TO:<b>]=250 transaction:unknown/0:0"},
    {"two commands lost, their replies between",
     false,
     {HELLO, C_GAP(25), S("250 2.1.0 Ok\r\n"), C_GAP(25), S("250 2.1.5 Ok\r\n"), C("DATA\r\n"), S("354 go\r\n"),
      C("x\r\n.\r\n"), S("250 ok\r\n")},
     HELLO_LOG "gap:C:commands ?=250 gap:C:commands ?=250 DATA=354 .=250 message:accepted/250:3"},
    {"a reply lost",
     false,
     {HELLO, C("MAIL FROM:<a>\r\n"), S_GAP(14), C("RCPT TO:<b>\r\n"), S("250 2.1.5 Ok\r\n")},
     HELLO_LOG "gap:S:replies RCPT[TO:<b>]=250 transaction:unknown/0:0"},
    {"the greeting lost",
     false,
     {S_GAP(30), C("EHLO x\r\n"), S("250-mx\r\n250 PIPELINING\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "gap:S:replies EHLO[x]=250 QUIT=221"},
    {"a line cut by a gap",
     false,
     {HELLO, C("MAIL FRO"), C_GAP(10), C("m>\r\nNOOP\r\n"), S("250 2.1.0 ok\r\n250 ok\r\n")},
     NULL},
    {"a reply cut by a gap",
     false,
     {HELLO, C("NOOP\r\n"), S("250-on"), S_GAP(10), S("st\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG "gap:S:replies NOOP=250 QUIT=221"},
    {"inside a message",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x"), C_GAP(100), C("y\r\n.\r\n"), S("250 ok\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 gap:C:message .=250 message:accepted/250:104:gap"},
    {"the end of a message",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x"), C_GAP(100), S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 gap:C:message .=250 message:accepted/250:98:gap QUIT=221"},
    {"DATA lost",
     false,
     {HELLO, ENVELOPE, C_GAP(6), S("354 go\r\n"), C("x\r\n.\r\n"), S("250 ok\r\n")},
     HELLO_LOG ENVELOPE_LOG "gap:C:commands ?=354 .=250 message:accepted/250:3"},
    {"the 354 lost",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S_GAP(8), C("Subject: x\r\n\r\ny\r\n.\r\n"), S("250 queued\r\n")},
     HELLO_LOG ENVELOPE_LOG "gap:S:replies .=250 message:accepted/250:17"},
    {"the refusal of DATA lost",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S_GAP(8), C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "gap:S:replies QUIT=221 transaction:unknown/0:0"},
    {"behind DATA, before its reply",
     false,
     {HELLO, ENVELOPE, C("DATA\r\nx\r\n"), C_GAP(50), C("y\r\n.\r\n"), S("354 go\r\n250 ok\r\n"), C("QUIT\r\n"),
      S("221 bye\r\n")},
     NULL},
    {"STARTTLS lost",
     false,
     {HELLO, C_GAP(10), S("220 go\r\n"), C("\x16\x03\x01 x"), S("\x16\x03\x03 y")},
     HELLO_LOG "gap:C:commands ?=220 tls:started"},
    {"the 220 to STARTTLS lost",
     false,
     {HELLO, C("STARTTLS\r\n"), S_GAP(8), C("\x16\x03\x01 x"), S("\x16\x03\x03 y")},
     HELLO_LOG "gap:S:replies tls:started"},
    {"behind a look-alike, the next message is known only by its text",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("a\n.\nMAIL FROM:<e>\r\n.\r\n"), S("250 one\r\n"), C("DATA\r\n"),
      S_GAP(8), C("Subject: x\r\n"), C_GAP(5), S("250 two\r\n")},
     HELLO_LOG ENVELOPE_LOG
     "DATA=354 .=250 gap:S:replies message:accepted/250:19 gap:C:message .=250 message:accepted/250:14:gap"},
    {"a gap behind STARTTLS, before its reply",
     false,
     {HELLO, C("STARTTLS\r\n"), C_GAP(9), S("220 go\r\n"), C("\x16\x03\x01 x")},
     HELLO_LOG "gap:C:commands STARTTLS=220 tls:started"},
    {"at the very end", false, {HELLO, C("QUIT\r\n"), S_GAP(9)}, HELLO_LOG "gap:S:replies"},
};

static const struct conversation midstream[] = {
    {"in the envelope",
     true,
     {C("RCPT TO:<b>\r\n"), S("250 2.1.5 Ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "RCPT[TO:<b>]=250 QUIT=221 transaction:unknown/0:0"},
    {"at a reply",
     true,
     {S("250 2.1.5 Ok\r\n"), C("DATA\r\n"), S("354 go\r\n"), C("x\r\n.\r\n"), S("250 ok\r\n")},
     "?=250 DATA=354 .=250 message:accepted/250:3"},
    {"in a message",
     true,
     {C("some text that is no command\r\n.\r\n"), S("250 queued\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     ".=250 message:accepted/250:30 QUIT=221"},
    {"in a line of a reply", true, {S("st of it\r\n"), C("QUIT\r\n"), S("221 bye\r\n")}, "QUIT=221"},
    {"in TLS", true, {C("\x17\x03\x03 xyz QUIT\r\n"), S("\x17\x03\x03 abc\r\n")}, NULL},
    {"at the greeting", true, {S("220 mx.example ESMTP\r\n"), C("EHLO x\r\n"), S("250 mx\r\n")}, "greeting=220 EHLO[x]=250"},
};

static const struct conversation one_sided[] = {
    {"the client alone",
     false,
     {C("EHLO x\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nQUIT\r\n")},
     "(EHLO[x]) (MAIL[FROM:<a>]) (RCPT[TO:<b>]) (QUIT) EHLO[x]! MAIL[FROM:<a>]! RCPT[TO:<b>]! QUIT!"},
    {"the client alone, replies known as lost",
     false,
     {S_GAP(20), C("EHLO x\r\n"), S_GAP(60), C("MAIL FROM:<a>\r\n"), S_GAP(9), C("QUIT\r\n"), S_GAP(9)},
     "gap:S:replies gap:S:replies gap:S:replies gap:S:replies"},
    {"the server alone",
     false,
     {S("220 mx\r\n"), C_GAP(8), S("250 mx\r\n"), C_GAP(20), S("250 2.1.0 ok\r\n"), C_GAP(20), S("550 5.1.1 no\r\n")},
     "greeting=220 gap:C:commands ?=250 gap:C:commands ?=250 gap:C:commands ?=550 transaction:unknown/0:0"},
};

#define RUN(name)                                                                                                              \
    static void test_##name(void **unused)                                                                                     \
    {                                                                                                                          \
        (void)unused;                                                                                                          \
        conversations_run(name, unit_count(name));                                                                             \
    }
RUN(gaps)
RUN(midstream)
RUN(one_sided)

/* What the session's memory comes to. */
struct meter {
    size_t now, most;
};

static void *meter_resize(void *ctx, void *memory, size_t size)
{
    struct meter *meter = ctx;
    size_t *block = memory ? (size_t *)memory - 2 : NULL;

    meter->now -= block ? *block : 0;
    if (!size) {
        free(block);
        return NULL;
    }
    block = realloc(block, size + 2 * sizeof *block);
    assert_non_null(block);
    *block = size;
    meter->now += size;
    meter->most = meter->now > meter->most ? meter->now : meter->most;
    return block + 2;
}

static struct follow follow;
static uint32_t overflows, exchanges;
static enum smtpscope_verb last_verb;

static void count_fact(void *ctx, const struct smtpscope_fact *fact)
{
    (void)ctx;
    overflows += fact->type == SMTPSCOPE_FACT_OVERFLOW;
    exchanges += fact->type == SMTPSCOPE_FACT_EXCHANGE;
    if (fact->type == SMTPSCOPE_FACT_EXCHANGE)
        last_verb = fact->exchange->command->verb;
}

static void feed(enum smtpscope_side side, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        follow_feed(&follow, side, text, strlen(text), 0);
}

static void follow_begin(const struct smtpscope_allocator *allocator)
{
    follow.fact = count_fact;
    follow.finding = NULL;
    overflows = exchanges = 0;
    follow_init(&follow, allocator, false);
}

static void follow_end(void)
{
    struct smtpscope_ending ending = {
        .why = SMTPSCOPE_CLOSE_FIN, .seen = {true, true}, .time = follow.time, .packet = follow.packet};

    follow_close(&follow, &ending);
}

static const struct bound_row {
    const char *label, *before, *flood;
    enum smtpscope_side side;
    size_t times, want_most;
} bounds[] = {
    {"a command line without end", "", "0123456789abcdef0123456789abcdef", SMTPSCOPE_CLIENT, 100000, 24000},
    {"a reply line without end", "", "250 0123456789abcdef0123456789ab", SMTPSCOPE_SERVER, 100000, 24000},
    {"a reply of many lines", "", "250-x\r\n", SMTPSCOPE_SERVER, 100000, 24000},
    {"octets behind DATA", "DATA\r\n", "NOOP 9abcdef0123456789abcdef\r\n", SMTPSCOPE_CLIENT, 10000, 200000},
    {"octets behind AUTH", "AUTH PLAIN\r\n", "NOOP 9abcdef0123456789abcdef\r\n", SMTPSCOPE_CLIENT, 10000, 200000},
    {"a BDAT count", "BDAT 18446744073709551615\r\n", "0123456789abcdef0123456789abcdef", SMTPSCOPE_CLIENT, 10000, 16000},
};

static void test_bounds(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(bounds); i++) {
        struct meter meter = {0};
        struct smtpscope_allocator allocator = {meter_resize, &meter};

        follow_begin(&allocator);
        feed(SMTPSCOPE_SERVER, "220 mx\r\n", 1);
        feed(SMTPSCOPE_CLIENT, bounds[i].before, 1);
        feed(bounds[i].side, bounds[i].flood, bounds[i].times);
        follow_end();
        if (meter.most > bounds[i].want_most || meter.now)
            fail_msg("%s: %zu octets at most, %zu at the end", bounds[i].label, meter.most, meter.now);
    }
}

static void test_idle_session_is_small(void **unused)
{
    struct meter meter = {0};
    struct smtpscope_allocator allocator = {meter_resize, &meter};

    (void)unused;
    follow_begin(&allocator);
    feed(SMTPSCOPE_SERVER, "220 mx\r\n", 1);
    assert_true(meter.now <= 600); /* session and judge */
    follow_end();
}

/* 20000 commands in one go: the queue is bounded, says so, and what comes later is paired again. */
static void test_queue_overflow(void **unused)
{
    (void)unused;
    follow_begin(NULL);
    feed(SMTPSCOPE_SERVER, "220 mx\r\n", 1);
    feed(SMTPSCOPE_CLIENT, "NOOP\r\n", 20000);
    assert_true(overflows > 0);
    feed(SMTPSCOPE_SERVER, "250 ok\r\n", 20000);
    feed(SMTPSCOPE_CLIENT, "FROB\r\n", 1);
    feed(SMTPSCOPE_SERVER, "500 what\r\n", 1);
    assert_int_equal(exchanges, 20002);
    assert_int_equal(last_verb, SMTPSCOPE_VERB_UNKNOWN);
    assert_true(smtpscope_session_state(follow.session)->doubt != 0);
    follow_end();
}

/* A DATA that found no room must not hold the client's octets back for ever. */
static void test_overflow_at_data(void **unused)
{
    (void)unused;
    follow_begin(NULL);
    feed(SMTPSCOPE_SERVER, "220 mx\r\n", 1);
    feed(SMTPSCOPE_CLIENT, "NOOP\r\n", 20000);
    feed(SMTPSCOPE_CLIENT, "DATA\r\n", 1);
    feed(SMTPSCOPE_SERVER, "250 ok\r\n", 20000);
    feed(SMTPSCOPE_SERVER, "503 no\r\n", 1);
    feed(SMTPSCOPE_CLIENT, "FROB\r\n", 1);
    feed(SMTPSCOPE_SERVER, "500 what\r\n", 1);
    assert_int_equal(exchanges, 20003);
    assert_int_equal(last_verb, SMTPSCOPE_VERB_UNKNOWN);
    follow_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_midstream),
        cmocka_unit_test(test_one_sided),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_idle_session_is_small),
        cmocka_unit_test(test_queue_overflow),
        cmocka_unit_test(test_overflow_at_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
