/* SPDX-License-Identifier: BSD-2-Clause */
/* What outputs are told of a finding that changes across --min-severity after it was told, and how often it counts. */
#include "unit.h"

#include "app/publish/publish.h"
#include "output/output_format.h"

static const struct row {
    const char *label;
    enum smtpscope_severity least; /* --min-severity */
    enum smtpscope_severity first, then;
    const char *want;
    unsigned total, hidden;
} rows[] = {
    {"shown, and shown again", SMTPSCOPE_NOTICE, SMTPSCOPE_WARNING, SMTPSCOPE_WARNING, "finding warning, update warning, ", 1,
     0},
    {"never shown", SMTPSCOPE_ERROR, SMTPSCOPE_WARNING, SMTPSCOPE_NOTICE, "", 0, 1},
    {"it grows graver", SMTPSCOPE_NOTICE, SMTPSCOPE_INFO, SMTPSCOPE_ERROR, "finding error, ", 1, 0},
    {"just as grave as is shown", SMTPSCOPE_NOTICE, SMTPSCOPE_INFO, SMTPSCOPE_NOTICE, "finding notice, ", 1, 0},
    {"it comes to less", SMTPSCOPE_WARNING, SMTPSCOPE_WARNING, SMTPSCOPE_NOTICE, "finding warning, update notice, ", 1, 0},
};

static char lines[256];
static unsigned watched;

static void *format_create(const struct output_config *config)
{
    (void)config;
    return lines;
}

static void format_destroy(void *state)
{
    (void)state;
}

static void format_finding(struct output *output, void *state, const struct smtpscope_finding *finding,
                           const struct output_clients *clients)
{
    size_t len = strlen(lines);

    (void)output;
    (void)state;
    assert_null(clients);
    snprintf(lines + len, sizeof lines - len, "%s %s, ", finding->told ? "update" : "finding",
             smtpscope_severity_name(finding->severity));
}

static const struct output_format format = {.create = format_create, .destroy = format_destroy, .finding = format_finding};
static const struct format_row row_of_format = {.name = "lines", .whole = &format, .live = &format};

static struct outputs *outputs_of_test(void)
{
    lines[0] = '\0';
    return outputs_open(&(struct outputs_config){.format = &row_of_format, .stream = stdout});
}

static void watch(void *ctx, const struct smtpscope_finding *finding)
{
    (void)ctx;
    (void)finding;
    watched++;
}

static void test_rows(void **unused)
{
    static const struct smtpscope_flow flow = {.first_packet = 1};

    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++) {
        const struct row *row = &rows[i];
        struct outputs *outputs = outputs_of_test();
        struct publisher *publisher = publisher_new(
            &(struct publisher_config){.rules = {[SMTPSCOPE_RULE_DATA_SMUGGLING] = true}, .min_severity = row->least});
        struct report_taker taker = publisher_taker(publisher);
        struct smtpscope_finding finding = {
            .rule = SMTPSCOPE_RULE_DATA_SMUGGLING, .severity = row->first, .id = 1, .flow = &flow};
        const struct summary *summary;

        watched = 0;
        publisher_outputs(publisher, outputs);
        publisher_watch(publisher, watch, NULL);
        taker.finding(taker.ctx, &finding);
        finding.told = finding.changed = true;
        finding.told_severity = row->first;
        finding.severity = row->then;
        taker.finding(taker.ctx, &finding);
        summary = publisher_summary(publisher);
        if (strcmp(lines, row->want) || summary_findings(summary) != row->total || summary->findings_hidden != row->hidden ||
            watched != row->total)
            fail_msg("%s: %s(%u counted, %u hidden, %u watched), want %s(%u, %u)", row->label, lines,
                     (unsigned)summary_findings(summary), (unsigned)summary->findings_hidden, watched, row->want, row->total,
                     row->hidden);
        publisher_free(publisher);
        outputs_close(outputs, 0);
    }
}

/* A rule that was not chosen is nothing that --fail-on sees; what is merely not shown is. Both may change while it runs. */
static void test_choice(void **unused)
{
    struct smtpscope_finding finding = {.rule = SMTPSCOPE_RULE_DATA_SMUGGLING, .severity = SMTPSCOPE_WARNING};
    struct publisher_config config = {.min_severity = SMTPSCOPE_ERROR};
    struct publisher *publisher = publisher_new(&config);
    struct report_taker taker = publisher_taker(publisher);
    struct outputs *outputs = outputs_of_test();

    (void)unused;
    publisher_outputs(publisher, outputs);
    taker.finding(taker.ctx, &finding);
    assert_int_equal(publisher_worst(publisher), SMTPSCOPE_SEVERITIES);
    assert_int_equal(publisher_summary(publisher)->findings_hidden, 0);
    config.rules[finding.rule] = true;
    publisher_configure(publisher, &config);
    taker.finding(taker.ctx, &finding);
    assert_int_equal(publisher_worst(publisher), SMTPSCOPE_WARNING);
    assert_int_equal(publisher_summary(publisher)->findings_hidden, 1);
    assert_string_equal(lines, "");
    config.min_severity = SMTPSCOPE_WARNING;
    publisher_configure(publisher, &config);
    taker.finding(taker.ctx, &finding);
    assert_string_equal(lines, "finding warning, ");
    publisher_free(publisher);
    outputs_close(outputs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_choice)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
