/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each row of each table of counters, as the tables have them: it is in the sum over workers, in JSON, in the metrics. That the
 * schema and the manual page have it is for share/update_counters.py --check.
 */
#include "unit.h"

#include "app/handoff/totals.h"
#include "output/format_table.h"
#include "output/metrics/metrics_text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t *totals_of(struct totals *totals)
{
    return (uint64_t *)(uintptr_t)summary_totals_of(&totals->summary);
}

static uint64_t *limits_of(struct totals *totals)
{
    return (uint64_t *)(uintptr_t)summary_limits_of(&totals->summary);
}

/* Of a stage, as it is shown. */
static uint64_t *stage_of(struct totals *totals, int stage)
{
    struct summary summary = {0};

    totals_show(totals, (enum totals_stage)stage, &summary);
    return (uint64_t *)(uintptr_t)summary.stages[0].counters;
}

/* No two counters of a worker are equal, and no sum is one of them. */
static uint64_t number(unsigned worker, size_t table, size_t row)
{
    return 1000003 * (table + 1) + 7919 * row + 101 * worker;
}

static void fill(struct totals *totals, unsigned worker)
{
    for (size_t i = 0; i < summary_totals.count; i++)
        totals_of(totals)[i] = number(worker, STAGES, i);
    for (size_t i = 0; i < summary_limits.count; i++)
        limits_of(totals)[i] = number(worker, STAGES + 1, i);
    for (int stage = 0; stage < STAGES; stage++)
        for (size_t i = 0; i < totals_tables[stage].count; i++)
            stage_of(totals, stage)[i] = number(worker, (size_t)stage, i);
}

static uint64_t sum_of(const struct counter *row, size_t table, size_t i)
{
    return row->kind == COUNTER_MOST ? number(2, table, i) : number(1, table, i) + number(2, table, i);
}

static const struct counter_table *table_at(size_t i)
{
    return i < STAGES ? &totals_tables[i] : i == STAGES ? &summary_totals : &summary_limits;
}

static const uint64_t *counters_at(struct totals *totals, size_t i)
{
    return i < STAGES ? stage_of(totals, (int)i) : i == STAGES ? totals_of(totals) : limits_of(totals);
}

/* What two workers have counted. */
static struct totals both(void)
{
    static struct totals one, two, all;

    all = one = two = (struct totals){0};
    fill(&one, 1);
    fill(&two, 2);
    totals_add(&all, &two);
    totals_add(&all, &one);
    return all;
}

static void test_sums(void **state)
{
    static struct totals all;

    (void)state;
    all = both();
    for (size_t table = 0; table < STAGES + 2; table++)
        for (size_t i = 0; i < table_at(table)->count; i++)
            if (counters_at(&all, table)[i] != sum_of(&table_at(table)->rows[i], table, i))
                fail_msg("%s.%s: %llu, want %llu", table_at(table)->name, table_at(table)->rows[i].name,
                         (unsigned long long)counters_at(&all, table)[i],
                         (unsigned long long)sum_of(&table_at(table)->rows[i], table, i));
}

/* What is counted by outcome, rule and severity, in arrays beside the tables, and reply times. */
static void test_sums_of_arrays(void **state)
{
    static struct totals part, all;
    uint64_t *arrays[] = {part.summary.messages, part.summary.recipients, part.summary.findings, part.summary.by_severity,
                          (uint64_t *)(void *)&part.reply_times};
    const uint64_t *sums[] = {all.summary.messages, all.summary.recipients, all.summary.findings, all.summary.by_severity,
                              (const uint64_t *)(const void *)&all.reply_times};
    const size_t counts[] = {SUMMARY_OUTCOMES, SUMMARY_OUTCOMES, SMTPSCOPE_RULES, SMTPSCOPE_SEVERITIES,
                             sizeof part.reply_times / sizeof(uint64_t)};

    (void)state;
    for (size_t array = 0; array < unit_count(arrays); array++)
        for (size_t i = 0; i < counts[array]; i++)
            arrays[array][i] = number(1, array, i);
    totals_add(&all, &part);
    totals_add(&all, &part);
    for (size_t array = 0; array < unit_count(arrays); array++)
        for (size_t i = 0; i < counts[array]; i++)
            if (sums[array][i] != 2 * number(1, array, i))
                fail_msg("array %zu, counter %zu", array, i);
}

static struct summary shown(const struct totals *totals)
{
    struct summary summary = totals->summary;

    for (int stage = 0; stage < STAGES; stage++)
        totals_show(totals, (enum totals_stage)stage, &summary);
    return summary;
}

static json_t *json_of(const struct summary *summary)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    struct packet_numbering numbering = {0};
    struct output *output = output_new(&(struct output_config){
        .format = &output_json, .write = output_to_stream, .ctx = stream, .numbering = &numbering, .summary = true});
    json_t *object;

    output_finish(output, summary);
    output_free(output);
    fclose(stream);
    object = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(object);
    return object;
}

/* The object of the table's members: a stage's, "certainty", or the event itself. */
static const json_t *json_at(const json_t *event, size_t table)
{
    if (table < STAGES)
        return json_object_get(json_object_get(event, "stages"), table_at(table)->name);
    return table == STAGES ? event : json_object_get(event, table_at(table)->name);
}

static void test_json(void **state)
{
    static struct totals all;
    struct summary summary;
    json_t *event;

    (void)state;
    all = both();
    summary = shown(&all);
    event = json_of(&summary);
    for (size_t table = 0; table < STAGES + 2; table++)
        for (size_t i = 0; i < table_at(table)->count; i++) {
            const json_t *value = json_object_get(json_at(event, table), table_at(table)->rows[i].name);

            if (!value || (uint64_t)json_integer_value(value) != counters_at(&all, table)[i])
                fail_msg("%s.%s is not in the JSON, or not so much", table_at(table)->name, table_at(table)->rows[i].name);
        }
    json_decref(event);
}

/* "smtpscope_limited_total{cause="gap"} 5", as a line. */
static void metric_line(const struct counter *row, uint64_t value, char *line, size_t size)
{
    char label[64] = "";
    size_t key = row->label ? strcspn(row->label, "=") : 0;

    if (row->label)
        snprintf(label, sizeof label, "{%.*s=\"%s\"}", (int)key, row->label, row->label + key + 1);
    snprintf(line, size, "\nsmtpscope_%s%s%s %llu\n", row->metric, row->kind == COUNTER_TOTAL ? "_total" : "", label,
             (unsigned long long)value);
}

static void test_metrics(void **state)
{
    static struct metrics_snapshot snapshot;
    static struct totals all;
    struct summary summary;
    struct writer text = {0};

    (void)state;
    all = both();
    summary = shown(&all);
    metrics_summary(&snapshot, &summary);
    metrics_put(&text, &snapshot, &(struct metrics_process){0});
    writer_char(&text, '\0');
    for (size_t table = 0; table < STAGES + 2; table++)
        for (size_t i = 0; i < table_at(table)->count; i++) {
            char line[256];

            metric_line(&table_at(table)->rows[i], counters_at(&all, table)[i], line, sizeof line);
            if (!strstr(text.at, line) || strstr(strstr(text.at, line) + 1, line))
                fail_msg("once, in the metrics:%s", line);
        }
    writer_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_sums_of_arrays),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
