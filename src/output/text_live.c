/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text for people who look on while packets come in: the first finding of a kind in full, with what to do about it, each
 * further one, and what is only context, on a line or two. Sessions and messages as in the text of a file.
 */
#include "output/format.h"
#include "output/output_format.h"
#include "output/text.h"
#include "output/words.h"
#include "smtpscope/advice.h"

#include <string.h>

/* A detail is a template of one line around one word or number. */
#define DETAIL_TEXT_MAX 1024

static void live_command(struct writer *writer, const struct smtpscope_finding *finding)
{
    if (!*finding->command)
        return;
    writer_string(writer, "C: ");
    writer_escaped(writer, finding->command, strlen(finding->command), ESCAPE_TERMINAL);
    writer_char(writer, ' ');
    writer_escaped(writer, finding->argument, strlen(finding->argument), ESCAPE_TERMINAL);
    writer_string(writer, "  ");
}

static void live_reply(struct writer *writer, const struct smtpscope_finding *finding)
{
    struct smtpscope_text reply = format_first_line(format_text(finding->text));

    if (!finding->code && !reply.len)
        return;
    writer_string(writer, "S: ");
    text_code(writer, finding->code, ' ', finding->enhanced_class, finding->enhanced_subject, finding->enhanced_detail);
    writer_escaped(writer, reply.at, reply.len, ESCAPE_TERMINAL);
}

/* "01:22:03.120  WARNING  sequence.nested-mail  192.0.2.1:4000 -> 192.0.2.2:25" */
static void live_place(const struct layout *layout, const struct packets *packets, const struct smtpscope_finding *finding,
                       smtpscope_time time)
{
    struct writer *writer = layout->writer;

    format_time(writer, time, ' ', 3);
    writer_string(writer, "  ");
    text_severity(layout, finding->severity);
    writer_string(writer, smtpscope_rule_info(finding->rule)->id);
    if (!finding->flow)
        return;
    writer_string(writer, "  ");
    format_endpoint(writer, &finding->flow->side[SMTPSCOPE_CLIENT]);
    writer_string(writer, " -> ");
    format_endpoint(writer, &finding->flow->side[SMTPSCOPE_SERVER]);
    text_packet(layout, "  ", packets, finding->packet);
}

/* What was lost, and where: all that such a finding has to say. */
static void live_detail(struct writer *writer, const struct smtpscope_finding *finding)
{
    char detail[DETAIL_TEXT_MAX];

    smtpscope_advice_detail(finding, detail, sizeof detail);
    writer_string(writer, "  ");
    writer_escaped(writer, detail, strlen(detail), ESCAPE_TERMINAL);
}

/* What was said stands on a second line. */
static void live_brief(const struct layout *layout, const struct packets *packets, const struct smtpscope_finding *finding)
{
    struct writer *writer = layout->writer;

    live_place(layout, packets, finding, finding->time);
    if (!finding->flow)
        live_detail(writer, finding);
    writer_char(writer, '\n');
    if (!*finding->command && !finding->code && !*finding->text)
        return;
    writer_string(writer, "      ");
    live_command(writer, finding);
    live_reply(writer, finding);
    writer_char(writer, '\n');
}

/* The session has ended. Whoever looks on has read the finding; how often it came in the end is all that is news to them. */
static void live_update(const struct layout *layout, const struct packets *packets, const struct smtpscope_finding *finding)
{
    if (finding->count < 2)
        return;
    live_place(layout, packets, finding, finding->last_time);
    writer_format(layout->writer, ngettext(", %llu time", ", %llu times", finding->count), (unsigned long long)finding->count);
    writer_char(layout->writer, '\n');
}

/* true: in full. */
static bool live_first(const struct layout *layout, const struct packets *packets, struct text *text,
                       const struct smtpscope_finding *finding)
{
    const struct group *group = groups_add(text->groups, finding);
    bool full = group && group->severity != SMTPSCOPE_INFO && group->sessions == 1 && group->count == finding->count;

    if (!group)
        text->dropped++;
    if (full)
        text_group(layout, packets, group);
    else
        live_brief(layout, packets, finding);
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
        writer_format(writer, ngettext("%llu client", "%llu clients", clients->count), (unsigned long long)clients->count);
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
        live_update(&layout, output->config.packets, finding);
    else
        full = live_first(&layout, output->config.packets, state, finding);
    if (clients)
        live_clients(layout.writer, finding, clients);
    if (clients && full)
        writer_char(layout.writer, '\n');
    output_write(output, smtpscope_rule_info(finding->rule)->id, finding->severity);
}

static void live_finish(struct output *output, void *state, const struct summary *summary)
{
    struct layout layout = text_layout(output);

    (void)state;
    text_summary(&layout, output->config.packets, summary);
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
