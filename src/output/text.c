/* SPDX-License-Identifier: BSD-2-Clause */
/* Text for people. Sessions and messages are printed as they come; findings when all are known, a group at a time. */
#include "output/text.h"

#include "base/gettext.h"
#include "output/format.h"
#include "output/output_format.h"

#include <stdlib.h>

void text_destroy(void *state)
{
    struct text *text = state;

    groups_free(text->groups);
    free(text);
}

void *text_create(void)
{
    struct text *text = calloc(1, sizeof *text);

    if (text)
        text->groups = groups_new();
    if (text && !text->groups) {
        free(text);
        return NULL;
    }
    return text;
}

struct layout text_layout(struct output *output)
{
    return (struct layout){&output->line, output->config.columns, output->config.colour};
}

void text_packet(const struct layout *layout, const char *before, const struct packets *packets, uint64_t ordinal)
{
    uint64_t number;
    const char *file = packets_find(packets, ordinal, &number);

    if (!file)
        return;
    writer_string(layout->writer, before);
    writer_format(layout->writer, _("packet %llu"), (unsigned long long)number);
    if (packets->room > 1) {
        writer_string(layout->writer, " (");
        writer_escaped(layout->writer, file, format_text(file).len, ESCAPE_TERMINAL);
        writer_char(layout->writer, ')');
    }
}

void text_code(struct writer *writer, unsigned code, char separator, unsigned klass, unsigned subject, unsigned detail)
{
    if (code) {
        writer_digits(writer, code, 3);
        writer_char(writer, separator);
    }
    if (klass) {
        format_enhanced(writer, klass, subject, detail);
        writer_char(writer, ' ');
    }
}

static void text_finding(struct output *output, void *state, const struct smtpscope_finding *finding,
                         const struct output_clients *clients)
{
    struct text *text = state;

    (void)output;
    (void)clients; /* the groups name some */
    if (!finding->told && !groups_add(text->groups, finding))
        text->dropped++;
}

void text_session_event(struct output *output, void *state, const struct smtpscope_flow *flow, const struct record *record,
                        const struct smtpscope_end *end)
{
    struct layout layout = text_layout(output);

    (void)state;
    text_session(&layout, output->config.packets, flow, record, end);
    output_write(output, "session", SMTPSCOPE_INFO);
}

void text_message_event(struct output *output, void *state, const struct smtpscope_flow *flow,
                        const struct smtpscope_message *message)
{
    struct layout layout = text_layout(output);

    (void)state;
    text_message(&layout, output->config.packets, flow, message);
    output_write(output, "message", SMTPSCOPE_INFO);
}

/* The groups with a remedy first; what is only context shares one block. */
static void text_groups(struct output *output, struct text *text)
{
    struct layout layout = text_layout(output);
    size_t count, i = 0;
    struct group *const *groups = groups_sorted(text->groups, &count);

    for (; i < count && groups[i]->severity != SMTPSCOPE_INFO; i++) {
        text_group(&layout, output->config.packets, groups[i]);
        output_write(output, smtpscope_rule_info(groups[i]->rule)->id, groups[i]->severity);
    }
    if (i == count)
        return;
    layout_painted(&layout, PAINT_BOLD, _("Also noted"));
    writer_char(layout.writer, '\n');
    for (; i < count; i++)
        text_group_brief(&layout, output->config.packets, groups[i]);
    writer_char(layout.writer, '\n');
    output_write(output, "finding", SMTPSCOPE_INFO);
}

static void text_finish(struct output *output, void *state, const struct summary *summary)
{
    struct text *text = state;
    struct layout layout = text_layout(output);

    text_groups(output, text);
    if (text->dropped)
        writer_format(&output->line,
                      ngettext("Memory was too short to show %llu finding.\n", "Memory was too short to show %llu findings.\n",
                               (unsigned long)text->dropped),
                      (unsigned long long)text->dropped);
    text_summary(&layout, output->config.packets, summary);
    output_write(output, "stats", SMTPSCOPE_INFO);
}

const struct output_format output_text = {
    .create = text_create,
    .destroy = text_destroy,
    .finding = text_finding,
    .session = text_session_event,
    .message = text_message_event,
    .finish = text_finish,
};
