/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters come from their tables (base/counters.h); what has labels of many values has a function. Series of the tables' words are
 * there from the start with 0, so that rates and alerts see the first event; only commands that were never seen are left out,
 * for a histogram is twenty series.
 */
#include "output/metrics/metrics_text.h"

#include "smtpscope/version.h"

#include <stdio.h>
#include <string.h>

#define NS 1000000000

/* What is common to the counters of a metric that differ by a label. */
static const struct {
    const char *metric, *help;
} families[] = {
    {"dropped_packets", "Packets lost before the program saw them: no room in the kernel's buffer, or in the interface's."},
    {"limited", "What limits the certainty of findings: sessions, and gaps and conflicts inside them."},
};

/* Names are short: the longest is of some fifty characters. */
#define NAME_SIZE 128

static void put_head(struct writer *writer, const char *name, const char *type, const char *help)
{
    writer_format(writer, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The text format knows three escapes and wants UTF-8; control characters have no place in a name. */
static void put_label_value(struct writer *writer, const char *value)
{
    size_t len = strlen(value);

    for (size_t i = 0, step; i < len; i += step) {
        step = utf8_length((const uint8_t *)value + i, len - i);
        if (value[i] == '\\' || value[i] == '"')
            writer_char(writer, '\\');
        if (step && (unsigned char)value[i] >= ' ')
            writer_octets(writer, value + i, step);
        else
            writer_char(writer, '?');
        step += !step;
    }
}

static void put_series(struct writer *writer, const char *name, const char *label, const char *value)
{
    writer_string(writer, name);
    writer_char(writer, '{');
    writer_string(writer, label);
    writer_octets(writer, "=\"", 2);
    put_label_value(writer, value);
    writer_char(writer, '"');
}

static void put_value(struct writer *writer, uint64_t value)
{
    writer_char(writer, ' ');
    writer_unsigned(writer, value);
    writer_char(writer, '\n');
}

static void put_seconds(struct writer *writer, uint64_t ns)
{
    writer_unsigned(writer, ns / NS);
    writer_char(writer, '.');
    writer_digits(writer, ns % NS, 9);
}

static void put_labelled(struct writer *writer, const char *name, const char *label, const char *value, uint64_t number)
{
    put_series(writer, name, label, value);
    writer_char(writer, '}');
    put_value(writer, number);
}

static const char *help_of(const struct counter *row)
{
    for (size_t i = 0; row->label && i < sizeof families / sizeof families[0]; i++)
        if (!strcmp(families[i].metric, row->metric))
            return families[i].help;
    return row->help;
}

/* "cause=gap" */
static void put_counter(struct writer *writer, const char *name, const struct counter *row, uint64_t value)
{
    size_t len = row->label ? strcspn(row->label, "=") : 0;

    writer_string(writer, name);
    if (row->label) {
        writer_char(writer, '{');
        writer_octets(writer, row->label, len);
        writer_string(writer, "=\"");
        put_label_value(writer, row->label + len + 1);
        writer_string(writer, "\"}");
    }
    put_value(writer, value);
}

static bool is_first_of_metric(const struct counter_table *table, size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (!strcmp(table->rows[i].metric, table->rows[row].metric))
            return false;
    return true;
}

/* All of a table; those with the same metric together. */
static void put_table(struct writer *writer, const struct counter_table *table, const void *counters)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct counter *row = &table->rows[i];
        bool total = row->kind == COUNTER_TOTAL;
        char name[NAME_SIZE];

        if (!is_first_of_metric(table, i))
            continue;
        snprintf(name, sizeof name, "smtpscope_%s%s", row->metric, total ? "_total" : "");
        put_head(writer, name, total ? "counter" : "gauge", help_of(row));
        for (size_t j = i; j < table->count; j++)
            if (!strcmp(table->rows[j].metric, row->metric))
                put_counter(writer, name, &table->rows[j], counters_value(counters, j));
    }
}

static void put_tables(struct writer *writer, const struct metrics_snapshot *snapshot)
{
    put_table(writer, &summary_totals, summary_totals_of(&snapshot->summary));
    put_table(writer, &summary_limits, summary_limits_of(&snapshot->summary));
    for (size_t i = 0; i < snapshot->summary.stage_count; i++)
        put_table(writer, snapshot->summary.stages[i].table, snapshot->counters[i]);
}

static void put_outcomes(struct writer *writer, const char *name, const char *help, const uint64_t *counts)
{
    put_head(writer, name, "counter", help);
    for (int outcome = 0; outcome < SUMMARY_OUTCOMES; outcome++)
        put_labelled(writer, name, "outcome", smtpscope_outcome_name(outcome), counts[outcome]);
}

static void put_findings(struct writer *writer, const struct summary *summary)
{
    static const char by_rule[] = "smtpscope_findings_total", by_severity[] = "smtpscope_findings_by_severity_total";

    put_head(writer, by_rule, "counter", "Findings told, by rule.");
    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++) {
        put_series(writer, by_rule, "family", smtpscope_rule_info(rule)->family);
        writer_format(writer, ",rule=\"%s\"}", smtpscope_rule_info(rule)->id);
        put_value(writer, summary->findings[rule]);
    }
    put_head(writer, by_severity, "counter", "Findings told, by severity.");
    for (int severity = 0; severity < SMTPSCOPE_SEVERITIES; severity++)
        put_labelled(writer, by_severity, "severity", smtpscope_severity_name(severity), summary->by_severity[severity]);
}

static void put_deferrals(struct writer *writer, const uint64_t *deferrals)
{
    static const char name[] = "smtpscope_deferrals_total";

    put_head(writer, name, "counter", "Sessions with a deferral (4yz), by reason.");
    for (int reason = SMTPSCOPE_REASON_NONE + 1; reason < SMTPSCOPE_REASONS; reason++)
        put_labelled(writer, name, "reason", smtpscope_reason_name(reason), deferrals[reason]);
}

static void put_buckets(struct writer *writer, const char *command, const struct reply_time *time)
{
    static const char name[] = "smtpscope_reply_time_seconds_bucket";
    uint64_t below = 0;

    for (unsigned i = 0; i < REPLY_TIMES_BUCKETS; i++) {
        uint64_t bound = (uint64_t)reply_times_bound(i);

        below += time->buckets[i];
        put_series(writer, name, "command", command);
        writer_octets(writer, ",le=\"", 5);
        if (bound % NS)
            writer_format(writer, "%g", (double)bound / NS);
        else
            writer_unsigned(writer, bound / NS);
        writer_octets(writer, "\"}", 2);
        put_value(writer, below);
    }
    put_series(writer, name, "command", command);
    writer_string(writer, ",le=\"+Inf\"}");
    put_value(writer, time->count);
}

static void put_reply_times(struct writer *writer, const struct reply_times *times)
{
    put_head(writer, "smtpscope_reply_time_seconds", "histogram", "From a command to the end of its reply.");
    for (int verb = 0; verb < SMTPSCOPE_VERBS; verb++) {
        const struct reply_time *time = &times->verbs[verb];

        if (!time->count)
            continue;
        put_buckets(writer, reply_times_name(verb), time);
        put_series(writer, "smtpscope_reply_time_seconds_sum", "command", reply_times_name(verb));
        writer_octets(writer, "} ", 2);
        put_seconds(writer, time->sum);
        writer_char(writer, '\n');
        put_labelled(writer, "smtpscope_reply_time_seconds_count", "command", reply_times_name(verb), time->count);
    }
}

static void put_replies(struct writer *writer, const struct reply_times *times)
{
    static const char name[] = "smtpscope_replies_total";

    put_head(writer, name, "counter", "Replies by command and class: 4 is a deferral, 5 a refusal.");
    for (int verb = 0; verb < SMTPSCOPE_VERBS; verb++)
        for (unsigned klass = 0; klass < REPLY_CLASSES; klass++)
            if (times->verbs[verb].classes[klass]) {
                put_series(writer, name, "command", reply_times_name(verb));
                writer_format(writer, ",class=\"%u\"}", klass + 1);
                put_value(writer, times->verbs[verb].classes[klass]);
            }
}

/* --- outputs: the same rows once each */

struct output_row {
    const char *name, *type, *help;
    size_t offset, size;
};

#define OUTPUT_FIELD(field) offsetof(struct sink_stats, field), sizeof((struct sink_stats *)0)->field
#define OUTPUT_COUNTER(name, field, help)                                                                                      \
    {                                                                                                                          \
        "smtpscope_output_" name "_total", "counter", help, OUTPUT_FIELD(field)                                                \
    }
#define OUTPUT_GAUGE(name, field, help)                                                                                        \
    {                                                                                                                          \
        "smtpscope_output_" name, "gauge", help, OUTPUT_FIELD(field)                                                           \
    }

static const struct output_row output_rows[] = {
    OUTPUT_COUNTER("lines", lines, "Lines handed over."),
    OUTPUT_COUNTER("bytes", octets, "Octets handed over."),
    OUTPUT_COUNTER("dropped_lines", dropped, "Lines lost because the queue was full or they could not be sent."),
    OUTPUT_COUNTER("unread_bytes", unread, "Octets that a reader left unread when it went, at most."),
    OUTPUT_COUNTER("truncated_lines", truncated, "Lines cut because they did not fit into a datagram."),
    OUTPUT_COUNTER("failures", failures, "Attempts to open, connect or write that failed."),
    OUTPUT_COUNTER("disconnects", disconnects, "Connections lost."),
    OUTPUT_COUNTER("rotations", rotations, "Files begun because the one before had reached its size."),
    OUTPUT_GAUGE("queue_lines", queued_lines, "Lines that wait."),
    OUTPUT_GAUGE("queue_bytes", queued, "Octets of the queue in use."),
    OUTPUT_GAUGE("queue_max_bytes", queued_max, "The most octets of the queue that were ever in use."),
    OUTPUT_GAUGE("queue_size_bytes", queue_size, "Octets that the queue has room for."),
    OUTPUT_GAUGE("connected", connected, "1 while the file is open or the reader is there."),
};

static uint64_t output_value(const struct sink_stats *stats, const struct output_row *row)
{
    const void *at = (const char *)stats + row->offset;

    if (row->size == sizeof(bool))
        return *(const bool *)at;
    return row->size == sizeof(uint64_t) ? *(const uint64_t *)at : *(const size_t *)at;
}

static void put_outputs(struct writer *writer, const struct metrics_snapshot *snapshot)
{
    for (size_t i = 0; i < sizeof output_rows / sizeof output_rows[0]; i++) {
        const struct output_row *row = &output_rows[i];

        put_head(writer, row->name, row->type, row->help);
        for (size_t j = 0; j < snapshot->output_count && j < METRICS_OUTPUTS_MAX; j++)
            put_labelled(writer, row->name, "output", snapshot->outputs[j].name,
                         output_value(&snapshot->outputs[j].stats, row));
    }
}

static void put_moment(struct writer *writer, const char *name, const char *help, int64_t ns)
{
    if (ns <= 0)
        return;
    put_head(writer, name, "gauge", help);
    writer_string(writer, name);
    writer_char(writer, ' ');
    put_seconds(writer, (uint64_t)ns);
    writer_char(writer, '\n');
}

static void put_process(struct writer *writer, const struct metrics_snapshot *snapshot, const struct metrics_process *process)
{
    put_head(writer, "smtpscope_build_info", "gauge", "Always 1; the version is the label's.");
    put_labelled(writer, "smtpscope_build_info", "version", SMTPSCOPE_VERSION, 1);
    put_moment(writer, "smtpscope_start_time_seconds", "When the program started, since the epoch.", process->started);
    put_moment(writer, "smtpscope_snapshot_time_seconds", "When these numbers were taken, since the epoch.",
               process->published);
    put_moment(writer, "smtpscope_last_packet_time_seconds", "The last packet's own time, since the epoch.",
               snapshot->summary.last_time);
    if (!process->resident)
        return;
    put_head(writer, "smtpscope_resident_memory_bytes", "gauge", "Memory in use.");
    writer_string(writer, "smtpscope_resident_memory_bytes");
    put_value(writer, process->resident);
}

void metrics_put(struct writer *writer, const struct metrics_snapshot *snapshot, const struct metrics_process *process)
{
    put_process(writer, snapshot, process);
    put_tables(writer, snapshot);
    put_outcomes(writer, "smtpscope_messages_total", "Tries to deliver a message, by what became of them.",
                 snapshot->summary.messages);
    put_outcomes(writer, "smtpscope_recipients_total", "Recipients named, by the reply to their RCPT.",
                 snapshot->summary.recipients);
    put_findings(writer, &snapshot->summary);
    put_deferrals(writer, snapshot->deferrals);
    put_replies(writer, &snapshot->reply_times);
    put_reply_times(writer, &snapshot->reply_times);
    put_outputs(writer, snapshot);
}
