/* SPDX-License-Identifier: BSD-2-Clause */
/* One kind of finding: what, how often, whose fault, a few sessions, what it means, what to do. At most a screen. */
#include "base/gettext.h"
#include "output/format.h"
#include "output/text.h"
#include "smtpscope/advice.h"

#include <string.h>

/* Where the second column begins: behind the longest severity, behind the longest label. */
#define RULE_COLUMN TEXT_SEVERITY_COLUMNS
#define TEXT_COLUMN 13
#define EXAMPLE_COLUMN 6
/* More lines of settings than this push the remedy off a screen. */
#define SETTINGS_MAX 4

static const char *severity_label(enum smtpscope_severity severity)
{
    static const char *const labels[SMTPSCOPE_SEVERITIES] = {
        [SMTPSCOPE_ERROR] = N_("ERROR"),
        [SMTPSCOPE_WARNING] = N_("WARNING"),
        [SMTPSCOPE_NOTICE] = N_("NOTICE"),
        [SMTPSCOPE_INFO] = N_("info"),
    };

    return _(labels[severity]);
}

static const char *fault_words(enum smtpscope_fault fault)
{
    static const char *const words[SMTPSCOPE_FAULTS] = {
        [SMTPSCOPE_FAULT_UNDETERMINED] = N_("cannot be told from this capture"),
        [SMTPSCOPE_FAULT_CLIENT] = N_("the client (the sender's side)"),
        [SMTPSCOPE_FAULT_SERVER] = N_("the server (the receiver's side)"),
        [SMTPSCOPE_FAULT_NETWORK] = N_("the network, or the capture of it"),
        [SMTPSCOPE_FAULT_NOBODY] = N_("nobody"),
    };

    return _(words[fault]);
}

/* NULL: nothing is known, so nothing is said. */
static const char *retry_words(enum smtpscope_retry retry)
{
    static const char *const words[SMTPSCOPE_RETRIES] = {
        [SMTPSCOPE_RETRY_YES] = N_("helps: the client should try again later"),
        [SMTPSCOPE_RETRY_SLOWER] = N_("helps, when the client sends more slowly"),
        [SMTPSCOPE_RETRY_SPLIT] = N_("helps, with fewer recipients at a time"),
        [SMTPSCOPE_RETRY_OWNER] = N_("helps once the mailbox's owner has acted"),
        [SMTPSCOPE_RETRY_RARELY] = N_("rarely helps"),
        [SMTPSCOPE_RETRY_SENDER] = N_("helps only after a change by the sender"),
        [SMTPSCOPE_RETRY_DNS] = N_("helps only after DNS is fixed"),
        [SMTPSCOPE_RETRY_NEVER] = N_("never helps without a change"),
    };

    return words[retry] ? _(words[retry]) : NULL;
}

static const char *verdict_words(enum smtpscope_verdict verdict)
{
    static const char *const words[SMTPSCOPE_VERDICTS] = {
        [SMTPSCOPE_VERDICT_TOLERATED] = N_("tolerated by the server"),
        [SMTPSCOPE_VERDICT_UNANSWERED] = N_("never answered"),
    };

    return words[verdict] ? _(words[verdict]) : NULL;
}

/* "3 sessions, 7 times"; the second part only when it says more, the first one where sessions were counted. */
static void group_counts(struct writer *writer, const struct group *group)
{
    if (group->of_program || !group->sessions) {
        writer_format(writer, ngettext("%llu time", "%llu times", (unsigned long)group->count),
                      (unsigned long long)group->count);
        return;
    }
    writer_format(writer, ngettext("%llu session", "%llu sessions", (unsigned long)group->sessions),
                  (unsigned long long)group->sessions);
    if (group->count > group->sessions)
        writer_format(writer, ngettext(", %llu time", ", %llu times", (unsigned long)group->count),
                      (unsigned long long)group->count);
}

void text_rule(struct writer *writer, enum smtpscope_rule rule, enum smtpscope_reason reason)
{
    const char *id = smtpscope_rule_info(rule)->id;
    const char *name = smtpscope_reason_name(reason);

    writer_string(writer, id);
    if (!name || strstr(id, name))
        return;
    writer_string(writer, " (");
    writer_string(writer, name);
    writer_char(writer, ')');
}

void text_severity(const struct layout *layout, enum smtpscope_severity severity)
{
    const char *label = severity_label(severity);

    layout_painted(layout, layout_severity(severity), label);
    layout_pad(layout, utf8_columns(label, strlen(label)), RULE_COLUMN);
}

void text_heading(const struct layout *layout, const struct group *group)
{
    const char *label = severity_label(group->severity);
    struct writer name = {0}, counts = {0};
    size_t width = utf8_columns(label, strlen(label)), end;

    text_rule(&name, group->rule, group->reason);
    group_counts(&counts, group);
    text_severity(layout, group->severity);
    layout_paint(layout, PAINT_BOLD);
    writer_octets(layout->writer, name.at, name.len);
    layout_paint(layout, PAINT_PLAIN);
    end = (width < RULE_COLUMN ? RULE_COLUMN : width + 1) + name.len;
    width = utf8_columns(counts.at, counts.len);
    layout_pad(layout, end, end + 2 + width < layout->columns ? layout->columns - width : end + 2);
    writer_octets(layout->writer, counts.at, counts.len);
    writer_char(layout->writer, '\n');
    writer_fini(&name);
    writer_fini(&counts);
}

static void group_heading(const struct layout *layout, const struct group *group)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(group->rule);

    text_heading(layout, group);
    layout_pad(layout, 0, RULE_COLUMN);
    layout_wrap(layout, smtpscope_advice_summary(group->rule), RULE_COLUMN, RULE_COLUMN);
    if (info->reference) {
        layout_pad(layout, 0, RULE_COLUMN);
        layout_painted(layout, PAINT_FAINT, info->reference);
        writer_char(layout->writer, '\n');
    }
}

static void group_causes(const struct layout *layout, const struct group *group)
{
    struct writer causes = {0};

    for (size_t i = 0; i < group->cause_count; i++) {
        writer_string(&causes, i ? ", " : "");
        writer_string(&causes, smtpscope_rule_info(group->causes[i])->id);
    }
    writer_char(&causes, '\0');
    if (!causes.failed)
        layout_paragraph(layout, _("Caused by"), causes.at, TEXT_COLUMN);
    writer_fini(&causes);
}

static void group_consequences(const struct layout *layout, const struct group *group)
{
    struct writer text = {0};

    if (!group->folded)
        return;
    writer_format(&text,
                  ngettext("%llu more reply that is only a consequence", "%llu more replies that are only consequences",
                           (unsigned long)group->folded),
                  (unsigned long long)group->folded);
    writer_char(&text, '\0');
    if (!text.failed)
        layout_paragraph(layout, _("Led to"), text.at, TEXT_COLUMN);
    writer_fini(&text);
}

static void group_certainty(const struct layout *layout, const struct group *group)
{
    if (!group->likely)
        return;
    layout_paragraph(layout, _("Certainty"),
                     group->likely >= group->sessions
                         ? _("likely, not certain: the capture or the replies leave it open")
                         : _("only likely in some of these sessions: the capture or the replies leave it open"),
                     TEXT_COLUMN);
}

/* A line of the example, wrapped behind its mark; empties `text`. */
static void example_line(const struct layout *layout, const char *mark, struct writer *text)
{
    size_t indent = EXAMPLE_COLUMN + strlen(mark);

    writer_char(text, '\0');
    layout_pad(layout, 0, EXAMPLE_COLUMN);
    writer_string(layout->writer, mark);
    if (!text->failed)
        layout_wrap(layout, text->at, indent, indent);
    writer_clear(text);
}

static void example_exchange(const struct layout *layout, const struct group_example *example)
{
    struct smtpscope_text reply = format_first_line(smtpscope_text_of(example->text));
    const char *verdict = verdict_words(example->verdict);
    struct writer text = {0};

    if (*example->command) {
        writer_escaped(&text, example->command, strlen(example->command), ESCAPE_TERMINAL);
        writer_char(&text, ' ');
        writer_escaped(&text, example->argument, strlen(example->argument), ESCAPE_TERMINAL);
        example_line(layout, "C: ", &text);
    }
    if (example->code || reply.len) {
        text_code(&text, example->code, ' ', &example->enhanced);
        writer_escaped(&text, reply.at, reply.len, ESCAPE_TERMINAL);
        example_line(layout, "S: ", &text);
    }
    if (verdict || *example->detail) {
        writer_string(&text, verdict);
        writer_string(&text, verdict && *example->detail ? "; " : "");
        writer_escaped(&text, example->detail, strlen(example->detail), ESCAPE_TERMINAL);
        example_line(layout, "=> ", &text);
    }
    if (*example->reason_evidence) {
        struct writer evidence = {0};

        writer_escaped(&evidence, example->reason_evidence, strlen(example->reason_evidence), ESCAPE_TERMINAL);
        writer_char(&evidence, '\0');
        if (!evidence.failed)
            writer_format(&text, _("the reason is read from %s"), evidence.at);
        writer_fini(&evidence);
        example_line(layout, "=> ", &text);
    }
    writer_fini(&text);
}

static void example_place(const struct layout *layout, const struct packet_numbering *numbering,
                          const struct group_example *example)
{
    writer_string(layout->writer, "  ");
    format_endpoint(layout->writer, &example->side[SMTPSCOPE_CLIENT]);
    writer_string(layout->writer, " -> ");
    format_endpoint(layout->writer, &example->side[SMTPSCOPE_SERVER]);
    text_packet(layout, "  ", numbering, example->packet);
}

static void group_examples(const struct layout *layout, const struct packet_numbering *numbering, const struct group *group)
{
    uint64_t more = group->sessions > group->example_count ? group->sessions - group->example_count : 0;

    writer_char(layout->writer, '\n');
    for (size_t i = 0; i < group->example_count; i++) {
        writer_string(layout->writer, "    ");
        format_time(layout->writer, group->examples[i].time, ' ', 3);
        if (!group->of_program)
            example_place(layout, numbering, &group->examples[i]);
        writer_char(layout->writer, '\n');
        example_exchange(layout, &group->examples[i]);
    }
    if (more) {
        writer_string(layout->writer, "    ");
        if (group->of_program)
            writer_format(layout->writer, _("... and %llu more"), (unsigned long long)more);
        else
            writer_format(layout->writer,
                          ngettext("... and %llu more session", "... and %llu more sessions", (unsigned long)more),
                          (unsigned long long)more);
        writer_char(layout->writer, '\n');
    }
    writer_char(layout->writer, '\n');
}

static void group_step(const struct layout *layout, const char *label, const char *number, const char *text)
{
    size_t indent = TEXT_COLUMN + strlen(number);

    layout_label(layout, label, TEXT_COLUMN);
    writer_string(layout->writer, number);
    layout_wrap(layout, text, indent, indent);
}

/* What to do, and what if that fails; numbered when there are two steps. */
static void group_steps(const struct layout *layout, const char *label, const char *first, const char *then)
{
    if (first && then) {
        group_step(layout, label, "1. ", first);
        group_step(layout, "", "2. ", then);
    } else {
        layout_paragraph(layout, label, first ? first : then, TEXT_COLUMN);
    }
}

/* The settings of each server's software that was seen; of all that are known when none was recognised. */
static void group_settings(const struct layout *layout, const struct group *group)
{
    struct smtpscope_setting settings[SETTINGS_MAX];
    size_t servers = group->server_count ? group->server_count : 1, left = SETTINGS_MAX, count;

    for (size_t server = 0; server < servers && left; server++) {
        count = smtpscope_advice_settings(group->rule, group->reason, group->server_count ? group->servers[server] : "",
                                          settings, left);
        count = count < left ? count : left;
        for (size_t i = 0; i < count; i++)
            layout_paragraph(layout, i && !strcmp(settings[i].software, settings[i - 1].software) ? "" : settings[i].software,
                             settings[i].text, TEXT_COLUMN);
        left -= count;
    }
}

static void group_remedy(const struct layout *layout, const struct group *group)
{
    struct smtpscope_advice advice = {0};

    smtpscope_advice_rule(group->rule, group->reason, &advice);
    layout_paragraph(layout, _("Meaning"), advice.meaning, TEXT_COLUMN);
    if (advice.audience == SMTPSCOPE_FAULT_SERVER)
        group_steps(layout, _("Receiver"), advice.receiver_first, advice.receiver_then);
    group_steps(layout, _("Sender"), advice.sender_first, advice.sender_then);
    if (advice.audience != SMTPSCOPE_FAULT_SERVER)
        group_steps(layout, _("Receiver"), advice.receiver_first, advice.receiver_then);
    group_settings(layout, group);
}

void text_group(const struct layout *layout, const struct packet_numbering *numbering, const struct group *group)
{
    group_heading(layout, group);
    layout_paragraph(layout, _("At fault"), fault_words(group->fault), TEXT_COLUMN);
    if (group->reason != SMTPSCOPE_REASON_NONE)
        layout_paragraph(layout, _("A retry"), retry_words(smtpscope_finding_retry(group->rule, group->reason)), TEXT_COLUMN);
    group_causes(layout, group);
    group_consequences(layout, group);
    group_certainty(layout, group);
    group_examples(layout, numbering, group);
    group_remedy(layout, group);
    writer_char(layout->writer, '\n');
}

void text_group_brief(const struct layout *layout, const struct packet_numbering *numbering, const struct group *group)
{
    struct writer *writer = layout->writer;

    writer_string(writer, "  ");
    text_rule(writer, group->rule, group->reason);
    writer_string(writer, ": ");
    writer_string(writer, smtpscope_advice_summary(group->rule));
    writer_string(writer, "\n    ");
    group_counts(writer, group);
    if (group->example_count && !group->of_program) {
        writer_string(writer, "; ");
        format_endpoint(writer, &group->examples[0].side[SMTPSCOPE_CLIENT]);
        writer_string(writer, " -> ");
        format_endpoint(writer, &group->examples[0].side[SMTPSCOPE_SERVER]);
        text_packet(layout, ", ", numbering, group->examples[0].packet);
    }
    writer_char(writer, '\n');
}
