/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of every text: what was looked at, what became of the mail, what was found, how far to trust it. */
#include "output/format.h"
#include "output/text.h"
#include "output/words.h"

#include <stddef.h>
#include <string.h>

#define TEXT_COLUMN 13

/* A count and the words for it: singular and plural, with one %llu. */
struct counted {
    size_t offset; /* of the uint64_t in struct summary */
    const char *one, *many;
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

        if (!value)
            continue;
        writer_string(writer, between);
        writer_format(writer, ngettext(rows[i].one, rows[i].many, (unsigned long)value), (unsigned long long)value);
        between = ", ";
    }
}

#define COUNTED(member, one, many) { offsetof(struct summary, member), one, many }
#define COUNTED_ROWS(rows) (rows), sizeof(rows) / sizeof(rows)[0]

static const struct counted message_rows[] = {
    COUNTED(messages[SMTPSCOPE_OUTCOME_ACCEPTED], N_("%llu accepted"), N_("%llu accepted")),
    COUNTED(messages[SMTPSCOPE_OUTCOME_DEFERRED], N_("%llu deferred"), N_("%llu deferred")),
    COUNTED(messages[SMTPSCOPE_OUTCOME_REFUSED], N_("%llu refused"), N_("%llu refused")),
    COUNTED(messages[SMTPSCOPE_OUTCOME_LOST], N_("%llu lost"), N_("%llu lost")),
    COUNTED(messages[SMTPSCOPE_OUTCOME_UNKNOWN], N_("%llu unknown"), N_("%llu unknown")),
};

static const struct counted recipient_rows[] = {
    COUNTED(recipients[SMTPSCOPE_OUTCOME_ACCEPTED], N_("%llu accepted"), N_("%llu accepted")),
    COUNTED(recipients[SMTPSCOPE_OUTCOME_DEFERRED], N_("%llu deferred"), N_("%llu deferred")),
    COUNTED(recipients[SMTPSCOPE_OUTCOME_REFUSED], N_("%llu refused"), N_("%llu refused")),
    COUNTED(recipients[SMTPSCOPE_OUTCOME_UNKNOWN], N_("%llu unknown"), N_("%llu unknown")),
};

static const struct counted severity_rows[] = {
    COUNTED(by_severity[SMTPSCOPE_ERROR], N_("%llu error"), N_("%llu errors")),
    COUNTED(by_severity[SMTPSCOPE_WARNING], N_("%llu warning"), N_("%llu warnings")),
    COUNTED(by_severity[SMTPSCOPE_NOTICE], N_("%llu notice"), N_("%llu notices")),
    COUNTED(by_severity[SMTPSCOPE_INFO], N_("%llu info"), N_("%llu info")),
};

static const struct counted certainty_rows[] = {
    COUNTED(gaps, N_("%llu gap in what was captured"), N_("%llu gaps in what was captured")),
    COUNTED(midstream, N_("%llu session that began before the capture"), N_("%llu sessions that began before the capture")),
    COUNTED(unfinished, N_("%llu session that the capture's end cut off"), N_("%llu sessions that the capture's end cut off")),
    COUNTED(one_sided, N_("%llu session of which one direction is missing"),
            N_("%llu sessions of which one direction is missing")),
    COUNTED(encrypted, N_("%llu session that went on inside TLS, unseen"), N_("%llu sessions that went on inside TLS, unseen")),
    COUNTED(not_smtp, N_("%llu session that is not SMTP"), N_("%llu sessions that are not SMTP")),
    COUNTED(conflicts, N_("%llu retransmission that differs from the first"), N_("%llu retransmissions that differ from the first")),
    COUNTED(evicted, N_("%llu session dropped at this program's limit"), N_("%llu sessions dropped at this program's limit")),
    COUNTED(overflowed, N_("%llu session beyond this program's bounds"), N_("%llu sessions beyond this program's bounds")),
    COUNTED(unknown_links, N_("%llu packet of an unknown link type"), N_("%llu packets of an unknown link type")),
    COUNTED(damaged_files, N_("%llu damaged file"), N_("%llu damaged files")),
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

static void summary_input(const struct layout *layout, const struct packets *packets, const struct summary *summary,
                          struct writer *text)
{
    if (summary->files == 1 && packets->count == 1)
        writer_escaped(text, packets->files[0].name, strlen(packets->files[0].name), ESCAPE_TERMINAL);
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

static void summary_totals(const struct layout *layout, const struct summary *summary, const char *label,
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

void text_summary(const struct layout *layout, const struct packets *packets, const struct summary *summary)
{
    struct writer text = { 0 };

    layout_painted(layout, PAINT_BOLD, _("Summary"));
    writer_char(layout->writer, '\n');
    summary_input(layout, packets, summary, &text);
    writer_unsigned(&text, summary->sessions);
    if (!summary->sessions)
        writer_format(&text, ": %s", _("nothing on the watched ports; --ports chooses others"));
    summary_line(layout, _("Sessions"), &text);
    summary_totals(layout, summary, _("Messages"), summary->messages, COUNTED_ROWS(message_rows), &text);
    summary_totals(layout, summary, _("Recipients"), summary->recipients, COUNTED_ROWS(recipient_rows), &text);
    writer_unsigned(&text, summary_findings(summary));
    if (summary_findings(summary))
        writer_string(&text, ": ");
    counted_list(&text, summary, COUNTED_ROWS(severity_rows));
    summary_line(layout, _("Findings"), &text);
    summary_rules(layout, summary);
    counted_list(&text, summary, COUNTED_ROWS(certainty_rows));
    if (!text.len)
        writer_string(&text, _("nothing in the capture limits it"));
    summary_line(layout, _("Certainty"), &text);
    writer_fini(&text);
}
