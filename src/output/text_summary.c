/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of every text: what was looked at, what became of the mail, what was found, how far to trust it. */
#include "base/gettext.h"
#include "output/format.h"
#include "output/text.h"

#include <stddef.h>
#include <string.h>

#define TEXT_COLUMN 13

/* A count and the words for it: singular and plural, with one %llu. */
struct counted {
    size_t offset;          /* of the uint64_t in struct summary */
    const char *one, *many; /* NULL: nothing is said of it */
};

static uint64_t counted_value(const struct summary *summary, const struct counted *counted)
{
    uint64_t value;

    memcpy(&value, (const char *)summary + counted->offset, sizeof value);
    return value;
}

/* Those that are not zero, "a, b, c". */
static void counted_list(struct writer *writer, const struct summary *summary, const struct counted *rows, size_t count)
{
    const char *between = "";

    for (size_t i = 0; i < count; i++) {
        uint64_t value = counted_value(summary, &rows[i]);

        if (!value || !rows[i].one)
            continue;
        writer_string(writer, between);
        writer_format(writer, ngettext(rows[i].one, rows[i].many, (unsigned long)value), (unsigned long long)value);
        between = ", ";
    }
}

#define COUNTED(member, words) offsetof(struct summary, member), words
#define COUNTED_ROWS(rows) (rows), sizeof(rows) / sizeof(rows)[0]

static const struct counted message_rows[] = {
    {COUNTED(messages[SMTPSCOPE_OUTCOME_ACCEPTED], NN_("%llu accepted", "%llu accepted"))},
    {COUNTED(messages[SMTPSCOPE_OUTCOME_DEFERRED], NN_("%llu deferred", "%llu deferred"))},
    {COUNTED(messages[SMTPSCOPE_OUTCOME_REFUSED], NN_("%llu refused", "%llu refused"))},
    {COUNTED(messages[SMTPSCOPE_OUTCOME_LOST], NN_("%llu lost", "%llu lost"))},
    {COUNTED(messages[SMTPSCOPE_OUTCOME_UNKNOWN], NN_("%llu unknown", "%llu unknown"))},
    {COUNTED(messages[SMTPSCOPE_OUTCOME_GIVEN_UP], NN_("%llu given up", "%llu given up"))},
};

static const struct counted attempt_rows[] = {
    {COUNTED(unanswered, NN_("%llu unanswered", "%llu unanswered"))},
    {COUNTED(rejected, NN_("%llu refused", "%llu refused"))},
};

static const struct counted recipient_rows[] = {
    {COUNTED(recipients[SMTPSCOPE_OUTCOME_ACCEPTED], NN_("%llu accepted", "%llu accepted"))},
    {COUNTED(recipients[SMTPSCOPE_OUTCOME_DEFERRED], NN_("%llu deferred", "%llu deferred"))},
    {COUNTED(recipients[SMTPSCOPE_OUTCOME_REFUSED], NN_("%llu refused", "%llu refused"))},
    {COUNTED(recipients[SMTPSCOPE_OUTCOME_UNKNOWN], NN_("%llu unknown", "%llu unknown"))},
};

static const struct counted severity_rows[] = {
    {COUNTED(by_severity[SMTPSCOPE_ERROR], NN_("%llu error", "%llu errors"))},
    {COUNTED(by_severity[SMTPSCOPE_WARNING], NN_("%llu warning", "%llu warnings"))},
    {COUNTED(by_severity[SMTPSCOPE_NOTICE], NN_("%llu notice", "%llu notices"))},
    {COUNTED(by_severity[SMTPSCOPE_INFO], NN_("%llu info", "%llu info"))},
};

#define NO_WORDS NULL, NULL
#define LIMIT(name, metric, label, help, words) {offsetof(struct summary, name), words},
static const struct counted certainty_rows[] = {
#include "output/limit_counters.def"
};

static uint64_t total(const uint64_t *counts, size_t count)
{
    uint64_t sum = 0;

    while (count)
        sum += counts[--count];
    return sum;
}

/* Prints what was put together, and empties it for the next line. */
static void summary_line(const struct layout *layout, const char *label, struct writer *text)
{
    writer_char(text, '\0');
    if (!text->failed)
        layout_paragraph(layout, label, text->at, TEXT_COLUMN);
    writer_clear(text);
}

static void summary_input(const struct layout *layout, const struct packet_numbering *numbering, const struct summary *summary,
                          struct writer *text)
{
    if (summary->watched)
        writer_escaped(text, summary->watched, strlen(summary->watched), ESCAPE_TERMINAL);
    else if (summary->files == 1 && numbering->count == 1)
        writer_escaped(text, numbering->files[0].name, strlen(numbering->files[0].name), ESCAPE_TERMINAL);
    else
        writer_format(text, ngettext("%llu file", "%llu files", (unsigned long)summary->files),
                      (unsigned long long)summary->files);
    writer_format(text, ngettext(", %llu packet", ", %llu packets", (unsigned long)summary->packets),
                  (unsigned long long)summary->packets);
    if (summary->packets) {
        writer_string(text, ", ");
        format_time(text, summary->first_time, ' ', 0);
        writer_string(text, " - ");
        format_time(text, summary->last_time, ' ', 0);
    }
    if (summary->interrupted)
        writer_format(text, " (%s)", _("interrupted: the rest was not read"));
    summary_line(layout, _("Input"), text);
}

static void summary_outcomes(const struct layout *layout, const struct summary *summary, const char *label,
                             const uint64_t *counts, const struct counted *rows, size_t count, struct writer *text)
{
    uint64_t sum = total(counts, SUMMARY_OUTCOMES);

    writer_unsigned(text, sum);
    if (sum)
        writer_string(text, ": ");
    counted_list(text, summary, rows, count);
    summary_line(layout, label, text);
}

static void summary_rules(const struct layout *layout, const struct summary *summary)
{
    const char *id;

    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++) {
        if (!summary->findings[rule])
            continue;
        id = smtpscope_rule_info((enum smtpscope_rule)rule)->id;
        layout_pad(layout, 0, TEXT_COLUMN);
        writer_format(layout->writer, "%6llu  %s\n", (unsigned long long)summary->findings[rule], id);
    }
}

static void summary_attempts(const struct summary *summary, struct writer *text)
{
    if (!summary->attempts)
        return;
    writer_format(text,
                  ngettext("; %llu attempt to connect came to nothing", "; %llu attempts to connect came to nothing",
                           (unsigned long)summary->attempts),
                  (unsigned long long)summary->attempts);
    if (summary->unanswered || summary->rejected)
        writer_string(text, ": ");
    counted_list(text, summary, COUNTED_ROWS(attempt_rows));
}

void text_input(const struct layout *layout, const struct packet_numbering *numbering, const struct summary *summary)
{
    struct writer text = {0};

    summary_input(layout, numbering, summary, &text);
    writer_unsigned(&text, summary->sessions);
    summary_attempts(summary, &text);
    if (!summary->sessions && !summary->attempts && (summary->packets || summary->watched))
        writer_format(&text, ": %s", _("nothing on the watched ports; try --ports or --detect"));
    summary_line(layout, _("Sessions"), &text);
    writer_fini(&text);
}

void text_certainty(const struct layout *layout, const struct summary *summary)
{
    struct writer text = {0};

    counted_list(&text, summary, COUNTED_ROWS(certainty_rows));
    if (!text.len)
        writer_string(&text,
                      summary->interrupted ? _("interrupted: the rest was not read") : _("nothing in the capture limits it"));
    summary_line(layout, _("Certainty"), &text);
    writer_fini(&text);
}

void text_summary(const struct layout *layout, const struct packet_numbering *numbering, const struct summary *summary)
{
    struct writer text = {0};

    layout_painted(layout, PAINT_BOLD, _("Summary"));
    writer_char(layout->writer, '\n');
    text_input(layout, numbering, summary);
    summary_outcomes(layout, summary, _("Messages"), summary->messages, COUNTED_ROWS(message_rows), &text);
    summary_outcomes(layout, summary, _("Recipients"), summary->recipients, COUNTED_ROWS(recipient_rows), &text);
    writer_unsigned(&text, summary_findings(summary));
    if (summary_findings(summary))
        writer_string(&text, ": ");
    counted_list(&text, summary, COUNTED_ROWS(severity_rows));
    if (summary->findings_hidden)
        writer_format(&text, ngettext("; %llu not shown", "; %llu not shown", (unsigned long)summary->findings_hidden),
                      (unsigned long long)summary->findings_hidden);
    summary_line(layout, _("Findings"), &text);
    summary_rules(layout, summary);
    text_certainty(layout, summary);
    writer_fini(&text);
}
