/* SPDX-License-Identifier: BSD-2-Clause */
/* The program's own losses as findings: transport.capture-drops and transport.output-lost, with made counts. */
#include "unit.h"

#include "app/handoff/report_buffer.h"
#include "app/publish/own_losses.h"
#include "output/format_table.h"
#include "output/output.h"
#include "smtpscope/advice.h"

#include <jansson.h>

#define TOLD_MAX 16
#define WALL (1795297521 * SMTPSCOPE_SECOND)

static struct run {
    struct own_losses losses;
    struct loss_counts counts;
    bool takes_nothing; /* the first output: what it is given is lost there */
    char told[TOLD_MAX][128];
    size_t told_count;
} run;

static void on_count(void *ctx, struct loss_counts *counts)
{
    *counts = ((struct run *)ctx)->counts;
}

static void on_finding(void *ctx, const struct smtpscope_finding *finding)
{
    struct run *to = ctx;
    char detail[96];

    assert_null(finding->flow);
    assert_int_equal(finding->severity, SMTPSCOPE_WARNING);
    assert_int_equal(finding->count, finding->detail == SMTPSCOPE_DETAIL_OCTETS_UNREAD ? 1 : finding->detail_number);
    assert_int_equal(finding->time, WALL);
    assert_true(to->told_count < TOLD_MAX);
    smtpscope_advice_detail(finding, detail, sizeof detail);
    snprintf(to->told[to->told_count++], sizeof to->told[0], "%s: %s", smtpscope_rule_info(finding->rule)->id, detail);
    to->counts.outputs[0].lines += to->takes_nothing;
}

static int run_init(void **state)
{
    (void)state;
    run = (struct run){.losses.config = {.count = on_count, .finding = on_finding, .ctx = &run},
                       .counts = {.outputs = {{.name = "unix:/run/a"}, {.name = "file:/b"}}, .output_count = 2}};
    return 0;
}

/* What is told at `second`; wants[] ends with NULL. */
static void assert_told(int second, bool all, const char *const *wants)
{
    size_t want = 0;

    run.told_count = 0;
    run.counts.outputs[0].full = run.takes_nothing;
    own_losses_look(&run.losses, (100 + second) * SMTPSCOPE_SECOND, WALL, all);
    for (; wants[want]; want++) {
        if (want >= run.told_count)
            fail_msg("at %d s, not told: %s", second, wants[want]);
        assert_string_equal(run.told[want], wants[want]);
    }
    if (run.told_count != want)
        fail_msg("at %d s, told as well: %s", second, run.told[want]);
}

#define TOLD(second, ...) assert_told(second, false, (const char *const[]){__VA_ARGS__, NULL})
#define TOLD_NOTHING(second) assert_told(second, false, (const char *const[]){NULL})

static void nothing_lost(void **state)
{
    (void)state;
    TOLD_NOTHING(0);
    TOLD_NOTHING(3600);
    assert_told(7200, true, (const char *const[]){NULL});
}

static void at_once_then_once_a_minute(void **state)
{
    (void)state;
    run.counts.kernel = 3;
    TOLD(0, "transport.capture-drops: 3 packets dropped by the kernel");
    TOLD_NOTHING(1);
    run.counts.kernel = 10;
    TOLD_NOTHING(2);
    run.counts.kernel = 1000;
    TOLD_NOTHING(59);
    TOLD(60, "transport.capture-drops: 997 packets dropped by the kernel");
    TOLD_NOTHING(600);
    run.counts.kernel = 1001; /* the pause is long over */
    TOLD(601, "transport.capture-drops: 1 packet dropped by the kernel");
}

static void finding_cache_do_not_wait_for_each_other(void **state)
{
    (void)state;
    run.counts.kernel = 1;
    TOLD(0, "transport.capture-drops: 1 packet dropped by the kernel");
    run.counts.interface = 2;
    run.counts.reports = 5;
    run.counts.outputs[1].lines = 4;
    TOLD(1, "transport.capture-drops: 2 packets dropped by the interface",
         "transport.output-lost: 5 reports lost on their way to all outputs", "transport.output-lost: 4 lines lost at file:/b");
    run.counts.outputs[0].lines = 6;
    run.counts.outputs[1].lines = 5;
    TOLD(2, "transport.output-lost: 6 lines lost at unix:/run/a");
    TOLD(61, "transport.output-lost: 1 line lost at file:/b");
}

static void the_end_tells_what_waits(void **state)
{
    (void)state;
    run.counts.kernel = 1;
    TOLD(0, "transport.capture-drops: 1 packet dropped by the kernel");
    run.counts.kernel = 5;
    assert_told(1, true, (const char *const[]){"transport.capture-drops: 4 packets dropped by the kernel", NULL});
    assert_told(2, true, (const char *const[]){NULL});
}

/* The finding about an output that takes nothing is lost there too: that alone is no news, or it would never end. */
static void no_echo(void **state)
{
    (void)state;
    run.takes_nothing = true;
    run.counts.outputs[0].lines = 7;
    TOLD_NOTHING(0); /* it may have room soon */
    TOLD_NOTHING(59);
    TOLD(60, "transport.output-lost: 7 lines lost at unix:/run/a");
    assert_int_equal(run.counts.outputs[0].lines, 8);
    TOLD_NOTHING(120);
    TOLD_NOTHING(3600);
    run.counts.kernel = 1;
    TOLD(3601, "transport.capture-drops: 1 packet dropped by the kernel");
    run.counts.outputs[0].lines += 2;
    TOLD_NOTHING(3602);
    run.takes_nothing = false;
    TOLD(3603, "transport.output-lost: 2 lines lost at unix:/run/a");
}

static void what_a_reader_left(void **state)
{
    (void)state;
    run.counts.outputs[0].unread = 512;
    run.counts.outputs[0].full = true;
    TOLD(0, "transport.output-lost: the reader of unix:/run/a went and left up to 512 octets unread");
    run.counts.outputs[0].lines = 1;
    TOLD(1, "transport.output-lost: 1 line lost at unix:/run/a");
}

static void other_outputs_count_anew(void **state)
{
    (void)state;
    run.counts.outputs[0].lines = 70;
    TOLD(0, "transport.output-lost: 70 lines lost at unix:/run/a");
    own_losses_new_outputs(&run.losses);
    run.counts.outputs[0].name = "file:/c";
    run.counts.outputs[0].lines = 1;
    TOLD(1, "transport.output-lost: 1 line lost at file:/c");
}

/* --- what outputs make of a finding without a session */

static void no_community_id(const struct smtpscope_flow *flow, char id[OUTPUT_COMMUNITY_ID_SIZE])
{
    (void)flow;
    id[0] = '\0';
}

static struct smtpscope_finding loss_of(uint64_t packets)
{
    return (struct smtpscope_finding){
        .rule = SMTPSCOPE_RULE_TRANSPORT_CAPTURE_DROPS,
        .severity = SMTPSCOPE_WARNING,
        .fault = SMTPSCOPE_FAULT_NETWORK,
        .detail = SMTPSCOPE_DETAIL_KERNEL_DROPS,
        .detail_text = "",
        .detail_number = packets,
        .count = 1,
        .time = WALL,
        .last_time = WALL,
        .command = "",
        .argument = "",
        .text = "",
        .state = "",
        .server = "",
    };
}

static const struct smtpscope_flow a_flow = {.first_packet = 9};

/* Three losses among findings of a session, which must not be mistaken for each other's. Free the text. */
static char *text_of(const struct output_format *format, bool finish)
{
    struct packet_numbering numbering = {0};
    char *text = NULL;
    size_t len;
    FILE *stream = open_memstream(&text, &len);
    struct output *output = output_new(&(struct output_config){.format = format,
                                                               .write = output_to_stream,
                                                               .ctx = stream,
                                                               .numbering = &numbering,
                                                               .community_id = no_community_id,
                                                               .columns = 80});

    assert_non_null(output);
    for (uint64_t i = 1; i <= 5; i++) {
        struct smtpscope_finding loss = loss_of(i), other = loss;

        other.rule = SMTPSCOPE_RULE_DATA_NUL;
        other.severity = SMTPSCOPE_NOTICE;
        other.detail = SMTPSCOPE_DETAIL_NONE;
        other.flow = &a_flow;
        other.id = 1;
        if (i % 2)
            output_finding(output, &other);
        output_finding(output, &loss);
    }
    if (finish)
        output_finish(output, &(struct summary){0});
    assert_int_equal(output_error(output), 0);
    output_free(output);
    fclose(stream);
    return text;
}

static void in_json(void **state)
{
    static const char *const nulls[] = {"session", "src_ip", "src_port", "dest_ip", "dest_port",   "proto",    "community_id",
                                        "side",    "offset", "packet",   "file",    "last_packet", "exchange", "cause"};
    char *text = text_of(&output_json, false), *line = strtok(text, "\n");
    size_t losses = 0, others = 0;

    (void)state;
    for (; line; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL);
        bool loss = json_is_null(json_object_get(object, "session"));

        assert_non_null(object);
        losses += loss;
        others += !loss;
        for (size_t i = 0; loss && i < unit_count(nulls); i++)
            if (!json_is_null(json_object_get(object, nulls[i])))
                fail_msg("%s of a loss is not null: %s", nulls[i], line);
        if (!loss)
            assert_int_equal(json_integer_value(json_object_get(object, "session")), 9);
        assert_string_equal(json_string_value(json_object_get(object, "rule")), loss ? "transport.capture-drops" : "data.nul");
        json_decref(object);
    }
    assert_int_equal(losses, 5);
    assert_int_equal(others, 3);
    free(text);
}

static void assert_in(const char *text, const char *want)
{
    if (!strstr(text, want))
        fail_msg("'%s' is not in:\n%s", want, text);
}

static void in_text(void **state)
{
    char *text = text_of(&output_text, true);

    (void)state;
    assert_in(text, "transport.capture-drops");
    assert_in(text, "5 times\n");
    assert_in(text, "    2026-11-21 21:45:21.000Z\n      => 1 packet dropped by the kernel\n");
    assert_in(text, "... and 2 more\n");
    assert_in(text, "1 session, 3 times\n");
    free(text);
}

static void in_live_text(void **state)
{
    char *text = text_of(&output_live, false);

    (void)state;
    assert_in(text, "=> 1 packet dropped by the kernel\n");
    assert_in(text, "\n2026-11-21 21:45:21.000Z  WARNING  transport.capture-drops  5 packets dropped by the kernel\n");
    free(text);
}

static void on_unpacked(void *ctx, const struct smtpscope_finding *finding)
{
    assert_null(finding->flow);
    *(uint64_t *)ctx += finding->detail_number;
}

static void in_an_outbox(void **state)
{
    struct smtpscope_finding finding = loss_of(3);
    struct report_buffer buffer = {0};
    uint64_t sum = 0;

    (void)state;
    report_buffer_finding(&buffer, &finding);
    buffered_report_deliver(report_buffer_at(&buffer, 0), &(struct report_taker){.finding = on_unpacked, .ctx = &sum});
    assert_int_equal(sum, 3);
    report_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_lost, run_init),
        cmocka_unit_test_setup(at_once_then_once_a_minute, run_init),
        cmocka_unit_test_setup(finding_cache_do_not_wait_for_each_other, run_init),
        cmocka_unit_test_setup(the_end_tells_what_waits, run_init),
        cmocka_unit_test_setup(no_echo, run_init),
        cmocka_unit_test_setup(what_a_reader_left, run_init),
        cmocka_unit_test_setup(other_outputs_count_anew, run_init),
        cmocka_unit_test(in_json),
        cmocka_unit_test(in_text),
        cmocka_unit_test(in_live_text),
        cmocka_unit_test(in_an_outbox),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
