/* SPDX-License-Identifier: BSD-2-Clause */
/* Text for people. Sessions and messages are printed as they come; findings when all are known, a group at a time. */
#include "output/text.h"

#include "base/gettext.h"
#include "output/format.h"
#include "output/output_format.h"

#include <stdlib.h>

void text_destroy(void *state)
{
    struct text_state *text = state;

    if (!text)
        return;
    groups_free(text->groups);
    tally_free(text->tally);
    free(text);
}

void *text_create(const struct output_config *config)
{
    struct text_state *text = calloc(1, sizeof *text);

    (void)config;
    if (text)
        text->groups = groups_new();
    if (text && !text->groups) {
        free(text);
        return NULL;
    }
    return text;
}

static void *text_create_whole(const struct output_config *config)
{
    struct text_state *text = text_create(config);

    if (text)
        text->tally = tally_new();
    if (text && text->tally)
        return text;
    text_destroy(text);
    return NULL;
}

static void text_outcome(void *state, const struct smtpscope_flow *flow, const struct smtpscope_message *message)
{
    tally_message(((struct text_state *)state)->tally, flow, message);
}

static void text_finding(struct output *output, void *state, const struct smtpscope_finding *finding,
                         const struct output_clients *clients)
{
    struct text_state *text = state;

    (void)output;
    (void)clients; /* the groups name some */
    if (!finding->told && !groups_add(text->groups, finding))
        text->dropped++;
}

void text_session_event(struct output *output, void *state, const struct smtpscope_flow *flow,
                        const struct transcript *transcript)
{
    struct layout layout = text_layout(output);

    (void)state;
    text_session(&layout, output->config.numbering, flow, transcript);
    output_write(output, "session", SMTPSCOPE_INFO);
}

void text_message_event(struct output *output, void *state, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    struct layout layout = text_layout(output);

    (void)state;
    text_message(&layout, output->config.numbering, flow, delivery);
    output_write(output, "message", SMTPSCOPE_INFO);
}

/* The groups with a remedy first; what is only context shares one block. */
static void text_groups(struct output *output, struct text_state *text)
{
    struct layout layout = text_layout(output);
    size_t count, i = 0;
    struct group *const *groups = groups_sorted(text->groups, &count);

    for (; i < count && groups[i]->severity != SMTPSCOPE_INFO; i++) {
        text_group(&layout, output->config.evidence, groups[i]);
        output_write(output, smtpscope_rule_info(groups[i]->rule)->id, groups[i]->severity);
    }
    if (i == count)
        return;
    layout_painted(&layout, PAINT_BOLD, _("Also noted"));
    writer_char(layout.writer, '\n');
    for (; i < count; i++)
        text_group_brief(&layout, output->config.evidence, groups[i]);
    writer_char(layout.writer, '\n');
    output_write(output, "finding", SMTPSCOPE_INFO);
}

static void text_finish(struct output *output, void *state, const struct summary *summary)
{
    struct text_state *text = state;
    struct layout layout = text_layout(output);

    text_overview(&layout, text, output->config.numbering, summary);
    output_write(output, "stats", SMTPSCOPE_INFO);
    if (output->config.brief) {
        writer_string(&output->line, _("What was found in full: --detail\n"));
        output_write(output, "stats", SMTPSCOPE_INFO);
        return;
    }
    text_groups(output, text);
    if (text->dropped)
        writer_format(&output->line,
                      ngettext("Memory was too short to show %llu finding.\n", "Memory was too short to show %llu findings.\n",
                               (unsigned long)text->dropped),
                      (unsigned long long)text->dropped);
    text_summary(&layout, output->config.numbering, summary);
    output_write(output, "stats", SMTPSCOPE_INFO);
}

const struct output_format output_text = {
    .create = text_create_whole,
    .destroy = text_destroy,
    .finding = text_finding,
    .session = text_session_event,
    .message = text_message_event,
    .outcome = text_outcome,
    .finish = text_finish,
};
