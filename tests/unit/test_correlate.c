/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of deferrals over many sessions: each row is a series of tries, and the findings it makes. */
#include "unit.h"

#include "base/hash.h"
#include "correlate/attempts.h"
#include "follow.h"
#include "smtpscope/correlate.h"

#define TRIES_MAX 10
#define MINUTE 60
#define HOUR 3600
#define DAY (24 * HOUR)

/* One session with one message: when, who, and what the server says to RCPT and to the message. NULL: not so far. */
struct
try {
    int64_t at;                /* seconds */
    uint8_t client[2], server; /* the last two octets of the client's address, the last of the server's */
    const char *rcpt, *end;
    const char *size, *helo; /* NULL: none is said; "c.example" */
};

static const struct series {
    const char *label;
    struct try tries[TRIES_MAX];
    int64_t end; /* of the capture */
    const char *want;
} series[] = {
    {"accepted at once", {{1, {0, 1}, 9, "250 ok", "250 ok"}}, 9 * HOUR, ""},
    {"deferred, then accepted",
     {{1, {0, 1}, 9, "450 later", NULL}, {601, {0, 1}, 9, "250 ok", "250 ok"}},
     9 * HOUR,
     "deferral.resolved:600? "},
    {"from the same network, at another exchanger",
     {{1, {0, 1}, 9, "450 later", NULL}, {11, {0, 7}, 8, "450 later", NULL}, {601, {0, 200}, 9, "250 ok", "250 ok"}},
     9 * HOUR,
     "deferral.resolved:600?moved "},
    {"from another network and another domain it is perhaps the same: nothing is said of it",
     {{1, {0, 1}, 9, "450 later", NULL}, {601, {1, 1}, 9, "250 ok", "250 ok", NULL, "d.example"}},
     5 * DAY,
     ""},
    {"a pool of senders: another network, the same domain and size",
     {{1, {0, 1}, 9, "450 later", NULL, "300", "o1.sg.crunchbase.com"},
      {601, {1, 1}, 9, "250 ok", "250 ok", "300", "o2.sg.crunchbase.com"}},
     9 * HOUR,
     "deferral.resolved:600?moved "},
    {"a pool: each host adds its Received line",
     {{1, {0, 1}, 9, "450 later", NULL, "3000", "a.out.example.co.uk"},
      {601, {1, 1}, 9, "250 ok", "250 ok", "3211", "b.out.example.co.uk"}},
     9 * HOUR,
     "deferral.resolved:600?moved "},
    {"a public suffix makes no pool",
     {{1, {0, 1}, 9, "450 later", NULL, "3000", "a.co.uk"}, {601, {1, 1}, 9, "250 ok", "250 ok", "3211", "b.co.uk"}},
     9 * HOUR,
     ""},
    {"a pool without SIZE",
     {{1, {0, 1}, 9, "450 later", NULL}, {601, {1, 1}, 9, "250 ok", "250 ok"}},
     9 * HOUR,
     "deferral.resolved:600?moved "},
    {"the same size from the same host is the same message",
     {{1, {0, 1}, 9, "450 later", NULL, "300"}, {601, {0, 1}, 9, "250 ok", "250 ok", "300"}},
     9 * HOUR,
     "deferral.resolved:600 "},
    {"another size from the same host is another message",
     {{1, {0, 1}, 9, "450 later", NULL, "300"}, {8, {0, 1}, 9, "250 ok", "250 ok", "999"}},
     9 * HOUR,
     ""},
    {"two messages of one size: either may be the one",
     {{1, {0, 1}, 9, "450 later", NULL, "300"},
      {2, {1, 1}, 9, "450 later", NULL, "300", "d.example"},
      {601, {0, 1}, 9, "250 ok", "250 ok", "300"}},
     9 * HOUR,
     "deferral.resolved:600 "},
    {"the null sender is never certain",
     {{1, {0, 1}, 9, "450 later", NULL, "300", "<>"}, {601, {0, 1}, 9, "250 ok", "250 ok", "300", "<>"}},
     9 * HOUR,
     "deferral.resolved:600? "},
    {"the next try is late by what was seen before",
     {{1, {0, 1}, 9, "450 later", NULL}, {HOUR, {0, 1}, 9, "450 later", NULL}},
     6 * HOUR,
     "deferral.overdue:18000? "},
    {"eight hours between tries are some senders' way",
     {{1, {0, 1}, 9, "450 later", NULL}, {8 * HOUR, {0, 1}, 9, "450 later", NULL}},
     20 * HOUR,
     ""},
    {"tried again too soon, told once",
     {{1, {0, 1}, 9, "450 later", NULL}, {6, {0, 1}, 9, "450 later", NULL}, {12, {0, 1}, 9, "450 later", NULL}},
     HOUR,
     "deferral.retry-too-soon:5? "},
    {"tried again after a minute", {{1, {0, 1}, 9, "450 later", NULL}, {61, {0, 1}, 9, "450 later", NULL}}, HOUR, ""},
    {"many tries in many hours",
     {{1, {0, 1}, 9, "450 a", NULL},
      {HOUR, {0, 1}, 9, "450 b", NULL},
      {2 * HOUR, {0, 1}, 9, "450 c", NULL},
      {3 * HOUR, {0, 1}, 9, "450 d", NULL},
      {4 * HOUR, {0, 1}, 9, "450 e", NULL},
      {5 * HOUR, {0, 1}, 9, "450 f", NULL},
      {6 * HOUR, {0, 1}, 9, "450 g", NULL}},
     7 * HOUR,
     "deferral.persistent:6? "},
    {"never tried again", {{1, {0, 1}, 9, "450 later", NULL}}, 1 + 4 * DAY, "deferral.abandoned:345600? "},
    {"the capture ended too early to know", {{1, {0, 1}, 9, "450 later", NULL}}, 4 * DAY, ""},
    {"refused for good later",
     {{1, {0, 1}, 9, "450 later", NULL}, {301, {0, 1}, 9, "550 never", NULL}},
     9 * HOUR,
     "deferral.turned-permanent:300? "},
    {"deferred after the message, refused after it later",
     {{1, {0, 1}, 9, "250 ok", "451 later"}, {301, {0, 1}, 9, "250 ok", "554 never"}},
     9 * HOUR,
     "deferral.turned-permanent:300? "},
    {"an unanswered message settles nothing",
     {{1, {0, 1}, 9, "450 later", NULL}, {301, {0, 1}, 9, "250 ok", ""}, {601, {0, 1}, 9, "250 ok", "250 ok"}},
     9 * HOUR,
     "deferral.resolved:600? "},
    {"and again from the start",
     {{1, {0, 1}, 9, "450 later", NULL},
      {601, {0, 1}, 9, "250 ok", "250 ok"},
      {1201, {0, 1}, 9, "450 later", NULL},
      {1801, {0, 1}, 9, "250 ok", "250 ok"}},
     9 * HOUR,
     "deferral.resolved:600? deferral.resolved:600? "},
};

static struct follow follow;
static struct smtpscope_correlate *correlate;
static struct smtpscope_hello_key hello;
static char log_words[4096];

static void on_trace(void *ctx, const struct smtpscope_trace *trace)
{
    smtpscope_correlate_trace(ctx, trace);
}

static void on_fact(void *ctx, const struct smtpscope_fact *fact)
{
    (void)ctx;
    if (follow.session)
        smtpscope_trace_fact(follow.session, fact, &hello, on_trace, correlate);
}

static void on_finding(void *ctx, const struct smtpscope_finding *finding)
{
    size_t len = strlen(log_words);

    (void)ctx;
    assert_true(finding->flow && finding->detail_text && finding->command && finding->argument && finding->text &&
                finding->state);
    assert_true(finding->exchange_count >= finding->evidence_count);
    snprintf(log_words + len, sizeof log_words - len, "%s:%llu%s%s ", smtpscope_rule_info(finding->rule)->id,
             (unsigned long long)finding->detail_number, finding->confidence == SMTPSCOPE_LIKELY ? "?" : "",
             finding->detail == SMTPSCOPE_DETAIL_RESOLVED_ELSEWHERE ? "moved" : "");
}

static void correlate_begin(void)
{
    correlate = smtpscope_correlate_new(&(struct smtpscope_correlate_config){.finding = on_finding});
    assert_non_null(correlate);
    log_words[0] = '\0';
}

static void say(enum smtpscope_side side, const char *line)
{
    char octets[200];
    int len = snprintf(octets, sizeof octets, "%s\r\n", line);

    follow_feed(&follow, side, octets, (size_t)len, 0);
}

static void session_begin(int64_t at, const uint8_t client[2], uint8_t server)
{
    follow.fact = on_fact;
    follow.finding = NULL;
    follow_init(&follow, NULL, false);
    follow.time = at * SMTPSCOPE_SECOND;
    follow.flow.side[SMTPSCOPE_CLIENT].addr[14] = client[0];
    follow.flow.side[SMTPSCOPE_CLIENT].addr[15] = client[1];
    follow.flow.side[SMTPSCOPE_SERVER].addr[15] = server;
    say(SMTPSCOPE_SERVER, "220 mx");
}

static void session_end(void)
{
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .seen = {true, true}, .time = follow.time};

    follow_close(&follow, &ending);
}

static void try_replay(const struct try *try, const char *recipient)
{
    bool null_sender = try->helo && !strcmp(try->helo, "<>");
    char line[200];

    session_begin(try->at, try->client, try->server);
    snprintf(line, sizeof line, "EHLO %s", try->helo && !null_sender ? try->helo : "c.example");
    say(SMTPSCOPE_CLIENT, line);
    say(SMTPSCOPE_SERVER, "250-mx\r\n250 SIZE 100000");
    snprintf(line, sizeof line, "MAIL FROM:<%s>%s%s", null_sender ? "" : "a@c.example", try->size ? " SIZE=" : "",
             try->size ? try->size : "");
    say(SMTPSCOPE_CLIENT, line);
    say(SMTPSCOPE_SERVER, "250 ok");
    say(SMTPSCOPE_CLIENT, recipient);
    say(SMTPSCOPE_SERVER, try->rcpt);
    if (try->end) {
        say(SMTPSCOPE_CLIENT, "DATA");
        say(SMTPSCOPE_SERVER, "354 go");
        say(SMTPSCOPE_CLIENT, "x\r\n.");
        if (try->end[0])
            say(SMTPSCOPE_SERVER, try->end);
    }
    session_end();
}

static void test_series(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(series); i++) {
        correlate_begin();
        for (size_t j = 0; j < TRIES_MAX && series[i].tries[j].at; j++)
            try_replay(&series[i].tries[j], "RCPT TO:<b@mx.example>");
        smtpscope_correlate_finish(correlate, series[i].end * SMTPSCOPE_SECOND);
        if (strcmp(log_words, series[i].want))
            fail_msg("%s: want %s, has %s", series[i].label, series[i].want, log_words);
        assert_int_equal(smtpscope_correlate_forgotten(correlate), 0);
        smtpscope_correlate_free(correlate);
    }
}

/* More recipients than the table holds: the oldest are forgotten, counted, and the newest still known. */
static void test_table_overflow(void **unused)
{
    static const uint8_t client[2] = {0, 1};
    char rcpt[64];
    unsigned count = 90000, per_session = 500;

    (void)unused;
    correlate_begin();
    for (unsigned i = 0; i < count; i += per_session) {
        session_begin(1 + i, client, 9);
        say(SMTPSCOPE_CLIENT, "MAIL FROM:<a@c.example>");
        say(SMTPSCOPE_SERVER, "250 ok");
        for (unsigned j = 0; j < per_session; j++) {
            snprintf(rcpt, sizeof rcpt, "RCPT TO:<b%u>", i + j);
            say(SMTPSCOPE_CLIENT, rcpt);
            say(SMTPSCOPE_SERVER, "450 later");
        }
        session_end();
    }
    assert_true(smtpscope_correlate_forgotten(correlate) > 10000 && smtpscope_correlate_forgotten(correlate) < count);
    try_replay(&(struct try){count + 100, {0, 1}, 9, "250 ok", "250 ok"}, rcpt);
    log_words[sizeof "deferral.resolved" - 1] = '\0';
    assert_string_equal(log_words, "deferral.resolved");
    smtpscope_correlate_free(correlate);
}

static const struct offer_row {
    const char *label;
    struct {
        int64_t at;
        uint8_t client, server;
        bool offered;
    } sessions[4];
    const char *want;
} offers[] = {
    {"offered to one, not to another", {{1, 1, 9, true}, {61, 2, 9, false}}, "security.starttls-stripped:60? "},
    {"told once a client", {{1, 1, 9, true}, {61, 2, 9, false}, {71, 2, 9, false}}, "security.starttls-stripped:60? "},
    {"never offered", {{1, 1, 9, false}, {61, 2, 9, false}}, ""},
    {"another server", {{1, 1, 9, true}, {61, 2, 8, false}}, ""},
    {"the same client: it changed", {{1, 1, 9, true}, {61, 1, 9, false}}, ""},
    {"more than a day ago", {{1, 1, 9, true}, {1 + 24 * HOUR, 2, 9, false}}, ""},
};

static void test_starttls_vanished(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(offers); i++) {
        correlate_begin();
        for (size_t j = 0; j < unit_count(offers[i].sessions) && offers[i].sessions[j].at; j++) {
            session_begin(offers[i].sessions[j].at, (const uint8_t[]){0, offers[i].sessions[j].client},
                          offers[i].sessions[j].server);
            say(SMTPSCOPE_CLIENT, "EHLO c.example");
            say(SMTPSCOPE_SERVER, offers[i].sessions[j].offered ? "250-mx\r\n250-SIZE\r\n250 STARTTLS" : "250-mx\r\n250 SIZE");
            session_end();
        }
        if (strcmp(log_words, offers[i].want))
            fail_msg("%s: want %s, has %s", offers[i].label, offers[i].want, log_words);
        smtpscope_correlate_free(correlate);
    }
}

/* Refused logins of two clients by turns, so many each: the findings that they make. */
static size_t guess_by_turns(const struct smtpscope_endpoint clients[2], uint64_t seed)
{
    struct smtpscope_trace trace = {.kind = SMTPSCOPE_TRACE_LOGIN, .verb = SMTPSCOPE_VERB_AUTH, .code = 535, .state = ""};
    size_t findings = 0;

    correlate = smtpscope_correlate_new(&(struct smtpscope_correlate_config){.finding = on_finding, .hash_seed = seed});
    assert_non_null(correlate);
    log_words[0] = '\0';
    for (unsigned i = 0; i < 40; i++) {
        trace.flow.first_packet = trace.packet = i + 1;
        trace.flow.side[SMTPSCOPE_CLIENT] = clients[i % 2];
        trace.time = i * SMTPSCOPE_SECOND;
        smtpscope_correlate_trace(correlate, &trace);
    }
    for (const char *at = log_words; (at = strstr(at, "auth-guessing")); at++)
        findings++;
    smtpscope_correlate_free(correlate);
    return findings;
}

/* Who knows the seed can take the place of another in a table; who does not, cannot. */
static void test_places_are_secret(void **unused)
{
    struct smtpscope_endpoint clients[2] = {{.addr = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 51, [14] = 0, [15] = 1}}};
    uint64_t place = hash_octets(clients[0].addr, sizeof clients[0].addr, 0) % ATTEMPTS_CLIENTS;

    (void)unused;
    clients[1] = clients[0];
    for (unsigned host = 1; host < 1u << 16; host++) {
        clients[1].addr[14] = (uint8_t)(host >> 8);
        clients[1].addr[15] = (uint8_t)host;
        if (host != 1 && hash_octets(clients[1].addr, sizeof clients[1].addr, 0) % ATTEMPTS_CLIENTS == place)
            break;
    }
    assert_int_equal(guess_by_turns(clients, 0), 0);
    assert_int_equal(guess_by_turns(clients, 0x1234567890abcdefu), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series),
        cmocka_unit_test(test_table_overflow),
        cmocka_unit_test(test_starttls_vanished),
        cmocka_unit_test(test_places_are_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
