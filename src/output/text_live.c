/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text for people who look on while packets come in: the first finding of a kind in full, with what to do about it, each
 * further one, and what is only context, on a line or two. Sessions and messages as in the text of a file.
 */
#include "base/gettext.h"
#include "output/format.h"
#include "output/output_format.h"
#include "output/text.h"
#include "smtpscope/advice.h"

#include <string.h>

/* A detail is a template of one line around one word or number. */
#define DETAIL_TEXT_MAX 1024

/* What was said, and what the finding is about, stand beside each other on a second line, if there is anything of it. */
static void live_part(struct writer *writer, const char *mark, bool *any)
{
    writer_string(writer, *any ? "  " : "\n      ");
    writer_string(writer, mark);
    *any = true;
}

static void live_command(struct writer *writer, const struct smtpscope_finding *finding, bool *any)
{
    if (!*finding->command)
        return;
    live_part(writer, "C: ", any);
    writer_escaped(writer, finding->command, strlen(finding->command), ESCAPE_TERMINAL);
    if (!*finding->argument)
        return;
    writer_char(writer, ' ');
    writer_escaped(writer, finding->argument, strlen(finding->argument), ESCAPE_TERMINAL);
}

static void live_reply(struct writer *writer, const struct smtpscope_finding *finding, bool *any)
{
    struct smtpscope_text reply = format_first_line(smtpscope_text_of(finding->text));

    if (!finding->code && !reply.len)
        return;
    live_part(writer, "S: ", any);
    text_code(writer, finding->code, ' ', &finding->enhanced);
    writer_escaped(writer, reply.at, reply.len, ESCAPE_TERMINAL);
    if (!reply.len)
        writer->len--; /* the blank in front of a text */
}

/* A loss of our own has nothing else to say: there it stands on the first line. */
static void live_detail(struct writer *writer, const struct smtpscope_finding *finding, bool *any)
{
    char detail[DETAIL_TEXT_MAX];

    if (!smtpscope_advice_detail(finding, detail, sizeof detail))
        return;
    if (finding->flow)
        live_part(writer, "=> ", any);
    else
        writer_string(writer, "  ");
    writer_escaped(writer, detail, strlen(detail), ESCAPE_TERMINAL);
}

/* "01:22:03.120  WARNING  sequence.nested-mail  192.0.2.1:4000 -> 192.0.2.2:25" */
static void live_place(const struct layout *layout, const struct packet_numbering *numbering,
                       const struct smtpscope_finding *finding, smtpscope_time time)
{
    struct writer *writer = layout->writer;

    format_time(writer, time, ' ', 3);
    writer_string(writer, "  ");
    text_severity(layout, finding->severity);
    text_rule(writer, finding->rule, finding->reason);
    if (!finding->flow)
        return;
    writer_string(writer, "  ");
    format_endpoint(writer, &finding->flow->side[SMTPSCOPE_CLIENT]);
    writer_string(writer, " -> ");
    format_endpoint(writer, &finding->flow->side[SMTPSCOPE_SERVER]);
    text_packet(layout, "  ", numbering, finding->packet);
}

static void live_brief(const struct layout *layout, const struct packet_numbering *numbering,
                       const struct smtpscope_finding *finding)
{
    bool any = false;

    live_place(layout, numbering, finding, finding->time);
    live_command(layout->writer, finding, &any);
    live_reply(layout->writer, finding, &any);
    live_detail(layout->writer, finding, &any);
    writer_char(layout->writer, '\n');
}

/* Findings on a line or two stand together; blocks and totals have a blank line before them, whatever that was. */
static void live_apart(struct writer *writer, struct text_state *text, enum text_last last)
{
    if (text->last == LAST_TOTALS || (text->last == LAST_LINE && last != LAST_LINE))
        writer_char(writer, '\n');
    text->last = last;
}

/* The session has ended. The finding has been read; how often it came in the end is all that is news. */
static void live_update(const struct layout *layout, const struct packet_numbering *numbering, struct text_state *text,
                        const struct smtpscope_finding *finding)
{
    if (finding->count < 2)
        return;
    live_apart(layout->writer, text, LAST_LINE);
    live_place(layout, numbering, finding, finding->last_time);
    writer_format(layout->writer, ngettext(", %llu time", ", %llu times", finding->count), (unsigned long long)finding->count);
    writer_char(layout->writer, '\n');
}

/* true: in full. One that stands for several `alike` is of as many sessions, or of fewer. */
static bool live_first(const struct layout *layout, const struct packet_numbering *numbering, struct text_state *text,
                       const struct smtpscope_finding *finding, bool alike)
{
    const struct group *group = groups_add(text->groups, finding);
    bool full = group && group->severity != SMTPSCOPE_INFO && group->sessions == 1 && group->count == finding->count;

    if (!group)
        text->dropped++;
    live_apart(layout->writer, text, full ? LAST_BLANK : LAST_LINE);
    if (full) {
        struct group shown = *group;

        if (alike)
            shown.sessions = 0;
        text_group(layout, numbering, &shown);
    } else {
        live_brief(layout, numbering, finding);
    }
    return full;
}

/* "      7 times, 12 clients: 192.0.2.1, 192.0.2.2, ..." */
static void live_clients(struct writer *writer, const struct smtpscope_finding *finding, const struct output_clients *clients)
{
    writer_string(writer, "      ");
    writer_format(writer, ngettext("%llu time", "%llu times", finding->count), (unsigned long long)finding->count);
    writer_string(writer, ", ");
    if (clients->more)
        writer_format(writer, _("%llu clients or more"), (unsigned long long)clients->count);
    else
        writer_format(writer, ngettext("%llu client", "%llu clients", (unsigned long)clients->count),
                      (unsigned long long)clients->count);
    for (size_t i = 0; i < clients->sample_count; i++) {
        writer_string(writer, i ? ", " : ": ");
        format_address(writer, &clients->sample[i]);
    }
    writer_string(writer, clients->count > clients->sample_count ? ", ...\n" : "\n");
}

static void live_finding(struct output *output, void *state, const struct smtpscope_finding *finding,
                         const struct output_clients *clients)
{
    struct layout layout = text_layout(output);
    bool full = false;

    if (finding->told)
        live_update(&layout, output->config.evidence, state, finding);
    else
        full = live_first(&layout, output->config.evidence, state, finding, clients != NULL);
    if (clients)
        live_clients(layout.writer, finding, clients);
    if (clients && full)
        writer_char(layout.writer, '\n');
    output_write(output, smtpscope_rule_info(finding->rule)->id, finding->severity);
}

static void live_finish(struct output *output, void *state, const struct summary *summary)
{
    struct layout layout = text_layout(output);

    live_apart(layout.writer, state, LAST_TOTALS);
    text_summary(&layout, output->config.numbering, summary);
    output_write(output, "stats", SMTPSCOPE_INFO);
}

const struct output_format output_live = {
    .create = text_create,
    .destroy = text_destroy,
    .finding = live_finding,
    .session = text_session_event,
    .message = text_message_event,
    .finish = live_finish,
};
