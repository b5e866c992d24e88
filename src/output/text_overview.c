/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first screen: what was looked at, what became of the mail by server and domain, and the kinds of trouble in the order of
 * what they cost, each with whose fault it is and what to do first. It fits 24 lines of 80 columns, whatever the capture holds.
 */
#include "base/gettext.h"
#include "output/format.h"
#include "output/text.h"
#include "smtpscope/advice.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_SHOWN 5
#define INCIDENTS_SHOWN 3
#define NAME_COLUMNS 40
#define INDENT 4
/* A line of advice is cut there: the whole of it stands in the details. */
#define FIRST_LINES 2

static const char *const headings[] = {N_("tried"), N_("delivered"), N_("deferred"), N_("refused"), N_("not seen")};
#define COLUMNS (sizeof headings / sizeof headings[0])

/* `text` at the right of a column, of `width`. */
static void put_right(struct writer *writer, const char *text, size_t width)
{
    size_t len = utf8_columns(text, strlen(text));

    for (; len < width; len++)
        writer_char(writer, ' ');
    writer_string(writer, text);
}

static size_t column_width(size_t column)
{
    size_t width = utf8_columns(_(headings[column]), strlen(_(headings[column])));

    return (width < 7 ? 7 : width) + 1;
}

static void put_number(struct writer *writer, uint64_t number, size_t column)
{
    struct writer digits = {0};

    if (number)
        writer_unsigned(&digits, number);
    else
        writer_char(&digits, '-');
    writer_char(&digits, '\0');
    if (!digits.failed)
        put_right(writer, digits.at, column_width(column));
    writer_fini(&digits);
}

static void put_row(const struct layout *layout, struct writer *name, const struct tally_row *row)
{
    static const enum tally_fate fates[] = {TALLY_DELIVERED, TALLY_DEFERRED, TALLY_REFUSED, TALLY_UNSEEN};
    size_t columns = utf8_columns(name->at ? name->at : "", name->len);

    writer_octets(layout->writer, name->at, name->len);
    for (; columns < NAME_COLUMNS; columns++)
        writer_char(layout->writer, ' ');
    put_number(layout->writer, row->tried, 0);
    for (size_t i = 0; i < sizeof fates / sizeof fates[0]; i++)
        put_number(layout->writer, row->fates[fates[i]], i + 1);
    writer_char(layout->writer, '\n');
    writer_clear(name);
}

/* What does not fit is cut, and says so. */
static void name_cut(struct writer *name)
{
    if (name->len < NAME_COLUMNS || name->failed)
        return;
    name->len = NAME_COLUMNS - 3;
    while (name->len && ((unsigned char)name->at[name->len] & 0xc0) == 0x80)
        name->len--;
    writer_string(name, "...");
}

static void overview_table(const struct layout *layout, struct tally *tally)
{
    const struct tally_row *others;
    size_t count;
    const struct tally_row *rows = tally_rows(tally, &count, &others);
    struct tally_row rest = *others;
    struct writer name = {0};

    if (!count)
        return;
    writer_string(&name, _("Mail by server and recipient domain"));
    layout_paint(layout, PAINT_BOLD);
    writer_octets(layout->writer, name.at, name.len);
    for (size_t columns = utf8_columns(name.at ? name.at : "", name.len); columns < NAME_COLUMNS; columns++)
        writer_char(layout->writer, ' ');
    for (size_t i = 0; i < COLUMNS; i++)
        put_right(layout->writer, _(headings[i]), column_width(i));
    layout_paint(layout, PAINT_PLAIN);
    writer_char(layout->writer, '\n');
    writer_clear(&name);
    for (size_t i = 0; i < count; i++) {
        if (i < ROWS_SHOWN || (i == ROWS_SHOWN && count == ROWS_SHOWN + 1 && !others->tried)) {
            writer_string(&name, "  ");
            format_address(&name, &rows[i].server);
            writer_char(&name, ' ');
            writer_escaped(&name, rows[i].domain, strlen(rows[i].domain), ESCAPE_TERMINAL);
            name_cut(&name);
            put_row(layout, &name, &rows[i]);
            continue;
        }
        rest.tried += rows[i].tried;
        for (int fate = 0; fate < TALLY_FATES; fate++)
            rest.fates[fate] += rows[i].fates[fate];
    }
    if (rest.tried) {
        writer_format(&name, ngettext("  and %llu more", "  and %llu more", (unsigned long)(count - ROWS_SHOWN)),
                      (unsigned long long)(count - ROWS_SHOWN));
        put_row(layout, &name, &rest);
    }
    writer_fini(&name);
}

/* --- incidents */

static uint64_t cost_of(const struct group *group)
{
    return group->count > group->sessions ? group->count : group->sessions;
}

/* What is refused or delayed first, and of these what happens most. */
static int incident_compare(const void *a, const void *b)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
    bool x_mail = x->severity <= SMTPSCOPE_WARNING, y_mail = y->severity <= SMTPSCOPE_WARNING;

    if (x_mail != y_mail)
        return x_mail ? -1 : 1;
    if ((x->cause_count > 0) != (y->cause_count > 0))
        return x->cause_count ? 1 : -1; /* what only follows from something stands behind it */
    if (cost_of(x) != cost_of(y))
        return cost_of(x) > cost_of(y) ? -1 : 1;
    if (x->severity != y->severity)
        return x->severity < y->severity ? -1 : 1;
    return x->rule < y->rule ? -1 : x->rule > y->rule;
}

static const char *advice_first(const struct group *group)
{
    struct smtpscope_advice advice;
    enum smtpscope_fault fault = group->fault;

    smtpscope_advice_rule(group->rule, group->reason, &advice);
    if (fault != SMTPSCOPE_FAULT_CLIENT && fault != SMTPSCOPE_FAULT_SERVER)
        fault = advice.audience;
    return fault == SMTPSCOPE_FAULT_SERVER && advice.receiver_first ? advice.receiver_first : advice.sender_first;
}

/* Up to the first sentence's end that fits: what to do, not why. */
static void put_first(const struct layout *layout, const char *text)
{
    size_t room = FIRST_LINES * (layout->columns - INDENT) - 16;
    const char *dot = text ? strstr(text, ". ") : NULL;
    struct writer line = {0};

    if (!text)
        return;
    writer_string(&line, _("First: "));
    if (dot && (size_t)(dot - text) < room)
        writer_octets(&line, text, (size_t)(dot - text) + 1);
    else
        writer_string(&line, text);
    writer_char(&line, '\0');
    layout_pad(layout, 0, INDENT);
    if (!line.failed)
        layout_wrap(layout, line.at, INDENT, INDENT);
    writer_fini(&line);
}

static void put_parties(const struct layout *layout, const struct group *group)
{
    const struct group_example *example = &group->examples[0];
    struct writer line = {0};

    if (group->of_program || !group->example_count)
        return;
    format_address(&line, &example->side[SMTPSCOPE_CLIENT]);
    writer_string(&line, " -> ");
    format_address(&line, &example->side[SMTPSCOPE_SERVER]);
    if (group->server_count && *group->servers[0]) {
        writer_string(&line, " (");
        writer_escaped(&line, group->servers[0], strlen(group->servers[0]), ESCAPE_TERMINAL);
        writer_char(&line, ')');
    }
    writer_string(&line, _(", since "));
    format_time(&line, example->time, ' ', 0);
    writer_char(&line, '\0');
    layout_pad(layout, 0, INDENT);
    if (!line.failed)
        layout_wrap(layout, line.at, INDENT, INDENT);
    writer_fini(&line);
}

static const char *fault_of(const struct group *group)
{
    static const char *const words[SMTPSCOPE_FAULTS] = {
        [SMTPSCOPE_FAULT_UNDETERMINED] = N_("cannot be told"),
        [SMTPSCOPE_FAULT_CLIENT] = N_("the client"),
        [SMTPSCOPE_FAULT_SERVER] = N_("the server"),
        [SMTPSCOPE_FAULT_NETWORK] = N_("the network"),
        [SMTPSCOPE_FAULT_NOBODY] = N_("nobody"),
    };

    return _(words[group->fault]);
}

static void put_incident(const struct layout *layout, const struct group *group)
{
    struct writer line = {0};

    text_heading(layout, group);
    writer_format(&line, _("%s; at fault: %s"), smtpscope_advice_summary(group->rule), fault_of(group));
    writer_char(&line, '\0');
    layout_pad(layout, 0, INDENT);
    if (!line.failed)
        layout_wrap(layout, line.at, INDENT, INDENT);
    writer_fini(&line);
    put_parties(layout, group);
    put_first(layout, advice_first(group));
}

static void overview_incidents(const struct layout *layout, struct group *const *groups, size_t count)
{
    struct group **sorted = count ? malloc(count * sizeof(struct group *)) : NULL;
    size_t shown = 0, grave = 0;

    if (!sorted)
        return;
    memcpy(sorted, groups, count * sizeof(struct group *));
    qsort(sorted, count, sizeof(struct group *), incident_compare);
    for (size_t i = 0; i < count; i++)
        grave += sorted[i]->severity != SMTPSCOPE_INFO;
    for (; shown < grave && shown < INCIDENTS_SHOWN; shown++)
        put_incident(layout, sorted[shown]);
    if (grave > shown) {
        writer_format(layout->writer,
                      ngettext("... and %llu more kind of finding\n", "... and %llu more kinds of findings\n",
                               (unsigned long)(grave - shown)),
                      (unsigned long long)(grave - shown));
    }
    if (!grave)
        layout_painted(layout, PAINT_GREEN, _("Nothing went wrong.\n"));
    free(sorted);
}

void text_overview(const struct layout *layout, struct text_state *text, const struct packet_numbering *numbering,
                   const struct summary *summary)
{
    size_t count;
    struct group *const *groups = groups_sorted(text->groups, &count);

    text_input(layout, numbering, summary);
    overview_table(layout, text->tally);
    overview_incidents(layout, groups, count);
    text_certainty(layout, summary);
    writer_char(layout->writer, '\n');
}
