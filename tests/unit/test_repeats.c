/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings that are alike, as one: what is alike, when a window ends, what it tells, and that it all has bounds. */
#include "unit.h"

#include "app/publish/repeats.h"

#define WINDOW (60 * SMTPSCOPE_SECOND)
#define TOLD_MAX 4096

struct told {
    struct smtpscope_finding finding;
    struct smtpscope_flow flow;
    struct repeats_clients clients;
    char text[64];
};

static struct told told[TOLD_MAX];
static size_t told_count;

static void take(void *ctx, const struct smtpscope_finding *finding, const struct repeats_clients *clients)
{
    struct told *to = &told[told_count++ % TOLD_MAX];

    (void)ctx;
    *to = (struct told){.finding = *finding, .flow = *finding->flow};
    if (clients)
        to->clients = *clients;
    snprintf(to->text, sizeof to->text, "%s|%s|%s|%s|%u", finding->detail_text, finding->command, finding->argument,
             finding->text, finding->exchange_count ? finding->exchanges[finding->exchange_count - 1] : 0);
}

/* One that is made anew for each call, in memory that dies with it. */
struct made {
    uint64_t session;
    uint32_t id, count, folded;
    unsigned client, server;
    smtpscope_time time, last_time;
    enum smtpscope_reason reason;
    enum smtpscope_fault fault;
    enum smtpscope_verdict verdict;
    enum smtpscope_detail detail;
    enum smtpscope_rule rule;
    enum smtpscope_severity severity;
    bool told, likely;
};

static struct smtpscope_endpoint endpoint(unsigned host, uint16_t port)
{
    return (struct smtpscope_endpoint){.addr = {[10] = 0xff, 0xff, 192, 0, (uint8_t)(host >> 8), (uint8_t)host}, .port = port};
}

static void give(struct repeats *repeats, const struct made *made, smtpscope_time now)
{
    struct smtpscope_flow flow = {.side = {endpoint(made->client, 40000), endpoint(1000 + made->server, 25)},
                                  .first_packet = made->session};
    uint32_t exchanges[] = {3, 7};
    char detail[] = "detail", command[] = "RCPT", argument[] = "TO:<a@b>", text[] = "busy";
    struct smtpscope_finding finding = {.rule = made->rule,
                                        .severity = made->severity,
                                        .reason = made->reason,
                                        .fault = made->fault,
                                        .verdict = made->verdict,
                                        .detail = made->detail,
                                        .confidence = made->likely ? SMTPSCOPE_LIKELY : SMTPSCOPE_CERTAIN,
                                        .id = made->id,
                                        .count = made->count ? made->count : 1,
                                        .folded = made->folded,
                                        .told = made->told,
                                        .flow = &flow,
                                        .time = made->time,
                                        .last_time = made->last_time ? made->last_time : made->time,
                                        .packet = made->session + 5,
                                        .last_packet = made->session + 9,
                                        .detail_text = detail,
                                        .command = command,
                                        .argument = argument,
                                        .text = text,
                                        .state = "",
                                        .server = "",
                                        .exchanges = exchanges,
                                        .exchange_count = unit_count(exchanges),
                                        .evidence_count = 1};

    repeats_finding(repeats, &finding, now, WINDOW);
    memset(detail, 'x', sizeof detail - 1);
    memset(text, 'x', sizeof text - 1);
    memset(exchanges, 0xff, sizeof exchanges);
    memset(&flow, 0xff, sizeof flow);
}

static struct repeats *made_repeats(void)
{
    struct repeats *repeats = repeats_new(&(struct repeats_config){.finding = take});

    assert_non_null(repeats);
    told_count = 0;
    return repeats;
}

static void test_one_of_many(void **state)
{
    struct repeats *repeats = made_repeats();

    (void)state;
    for (unsigned i = 0; i < 12; i++)
        give(repeats,
             &(struct made){.session = 100 * (i + 1),
                            .id = 1,
                            .count = 2,
                            .folded = 1,
                            .client = i % 8,
                            .time = 10 * i + 5,
                            .severity = i == 6 ? SMTPSCOPE_ERROR : SMTPSCOPE_WARNING,
                            .likely = i == 3},
             (smtpscope_time)i * SMTPSCOPE_SECOND);
    repeats_tick(repeats, WINDOW - 1);
    assert_int_equal(told_count, 1); /* the first, at once and as it was */
    assert_false(told[0].finding.told);
    assert_int_equal(told[0].finding.count, 2);
    assert_int_equal(told[0].clients.count, 0);
    repeats_tick(repeats, WINDOW); /* without another finding */
    assert_int_equal(told_count, 2);
    told[0] = told[1];
    assert_true(told[0].finding.told);
    assert_int_equal(told[0].finding.told_severity, SMTPSCOPE_WARNING);
    assert_int_equal(told[0].finding.count, 24);
    assert_int_equal(told[0].finding.folded, 12);
    assert_int_equal(told[0].finding.time, 5);
    assert_int_equal(told[0].finding.last_time, 115);
    assert_int_equal(told[0].finding.packet, 105);
    assert_int_equal(told[0].finding.last_packet, 1209);
    assert_int_equal(told[0].finding.severity, SMTPSCOPE_ERROR);
    assert_int_equal(told[0].finding.confidence, SMTPSCOPE_LIKELY);
    assert_int_equal(told[0].flow.first_packet, 100);
    assert_string_equal(told[0].text, "detail|RCPT|TO:<a@b>|busy|7");
    assert_int_equal(told[0].clients.count, 8);
    assert_int_equal(told[0].clients.sample_count, REPEATS_SAMPLES);
    for (unsigned i = 0; i < REPEATS_SAMPLES; i++)
        assert_int_equal(told[0].clients.sample[i].addr[15], i);
    give(repeats, &(struct made){.session = 5000, .id = 1}, WINDOW);
    assert_int_equal(told_count, 3);
    assert_int_equal(told[2].finding.count, 1);
    repeats_flush(repeats); /* there was no other */
    assert_int_equal(told_count, 3);
    repeats_free(repeats);
}

/* Each differs from the first in one thing, which is another trouble. */
static void test_what_is_alike(void **state)
{
    static const struct {
        const char *label;
        struct made made;
        bool want_alike;
    } cases[] = {
        {"the same", {.session = 2}, true},
        {"another client", {.session = 2, .client = 9}, true},
        {"another severity", {.session = 2, .severity = SMTPSCOPE_INFO}, true},
        {"another server", {.session = 2, .server = 1}, false},
        {"another rule", {.session = 2, .rule = (enum smtpscope_rule)1}, false},
        {"another reason", {.session = 2, .reason = (enum smtpscope_reason)1}, false},
        {"another verdict", {.session = 2, .verdict = (enum smtpscope_verdict)1}, false},
        {"another detail", {.session = 2, .detail = (enum smtpscope_detail)1}, false},
        {"another fault", {.session = 2, .fault = (enum smtpscope_fault)1}, false},
    };

    (void)state;
    for (size_t i = 0; i < unit_count(cases); i++) {
        struct repeats *repeats = made_repeats();

        give(repeats, &(struct made){.session = 1}, 0);
        give(repeats, &cases[i].made, 1);
        repeats_flush(repeats);
        if (told_count != 2 || told[1].finding.told != cases[i].want_alike)
            fail_msg("%s: %d", cases[i].label, (int)told_count);
        repeats_free(repeats);
    }
}

/* At the end of its session a finding is told again: with what it has come to, not once more. */
static void test_told_again(void **state)
{
    struct repeats *repeats = made_repeats();

    (void)state;
    give(repeats, &(struct made){.session = 1, .id = 4, .count = 2, .time = 10}, 0);
    give(repeats, &(struct made){.session = 2, .id = 4, .count = 1, .time = 20}, 1);
    give(repeats,
         &(struct made){.session = 1,
                        .id = 4,
                        .count = 7,
                        .folded = 3,
                        .time = 10,
                        .last_time = 90,
                        .told = true,
                        .severity = SMTPSCOPE_ERROR,
                        .reason = (enum smtpscope_reason)1},
         2);
    give(repeats, &(struct made){.session = 3, .id = 4, .count = 50, .told = true}, 3); /* not of this window */
    give(repeats, &(struct made){.session = 1, .id = 5, .count = 50, .told = true}, 3);
    repeats_tick(repeats, WINDOW);
    assert_int_equal(told_count, 2);
    told[0] = told[1];
    assert_int_equal(told[0].finding.count, 8);
    assert_int_equal(told[0].finding.folded, 3);
    assert_int_equal(told[0].finding.last_time, 90);
    assert_int_equal(told[0].finding.severity, SMTPSCOPE_ERROR);
    give(repeats, &(struct made){.session = 2, .id = 4, .count = 50, .told = true}, WINDOW + 1);
    repeats_flush(repeats);
    assert_int_equal(told_count, 2);
    repeats_free(repeats);
}

static void test_many_clients(void **state)
{
    struct repeats *repeats = made_repeats();

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        give(repeats, &(struct made){.session = i + 1, .id = 1, .client = i % 500}, 0);
    repeats_flush(repeats);
    assert_int_equal(told_count, 2);
    assert_int_equal(told[1].finding.count, 1000);
    assert_int_equal(told[1].clients.count, REPEATS_CLIENTS_MAX);
    repeats_free(repeats);
}

/* Beyond the bound the oldest is told early; nothing is lost, and the order is that of the beginnings. */
static void test_many_windows(void **state)
{
    struct repeats *repeats = made_repeats();

    (void)state;
    for (unsigned i = 0; i < 3000; i++)
        for (unsigned twice = 0; twice < 2; twice++)
            give(repeats, &(struct made){.session = i + 1, .server = i}, (smtpscope_time)i);
    assert_int_equal(told_count, 3000 + 3000 - 1024);
    told_count = 0;
    repeats_flush(repeats);
    assert_int_equal(told_count, 1024);
    for (unsigned i = 0; i < 1024; i++)
        assert_int_equal(told[i].flow.first_packet, 3000 - 1024 + i + 1);
    give(repeats, &(struct made){.session = 1}, 0);
    repeats_free(repeats); /* with one open */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_of_many),  cmocka_unit_test(test_what_is_alike), cmocka_unit_test(test_told_again),
        cmocka_unit_test(test_many_clients), cmocka_unit_test(test_many_windows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
