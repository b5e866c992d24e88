/* SPDX-License-Identifier: BSD-2-Clause */
/* rules and explain: from the tables of the library to a page of text or a JSON document. */
#include "app/explain/explain.h"

#include "smtpscope/advice.h"

#include "app/explain/explain_advice.h"
#include "app/explain/explain_codes.h"
#include "app/explain/explain_near.h"
#include "app/explain/explain_page.h"
#include "app/explain/explain_reply.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <string.h>

static void put_rule_info(struct writer *json, enum smtpscope_rule rule)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(rule);

    put_member_string(json, "rule", info->id);
    put_member_string(json, "family", info->family);
    put_member_string(json, "severity", smtpscope_severity_name(info->severity));
    put_member_string(json, "reference", info->reference);
    put_member_string(json, "summary", smtpscope_advice_summary(rule));
}

static int put_json_rule(enum smtpscope_rule rule, FILE *out)
{
    struct writer json = {0};

    put_open(&json, '{');
    put_rule_info(&json, rule);
    put_close(&json, '}');
    return page_json(&json, out);
}

/* One object a line, as all JSON output: the rules that `glob` matches; NULL: all of them. */
static int put_json_rules(const char *glob, FILE *out)
{
    int status = 0;

    for (int i = 0; i < SMTPSCOPE_RULES && status == 0; i++)
        if (glob == NULL || smtpscope_rule_matches((enum smtpscope_rule)i, glob))
            status = put_json_rule((enum smtpscope_rule)i, out);
    return status;
}

/* --- rules --- */

static void put_rules(FILE *out, const char *glob)
{
    for (int i = 0; i < SMTPSCOPE_RULES; i++) {
        const struct smtpscope_rule_info *info = smtpscope_rule_info((enum smtpscope_rule)i);

        if (glob != NULL && !smtpscope_rule_matches((enum smtpscope_rule)i, glob))
            continue;
        fprintf(out, "%-8s %-42s %s", smtpscope_severity_name(info->severity), info->id,
                smtpscope_advice_summary((enum smtpscope_rule)i));
        if (info->reference != NULL)
            fprintf(out, " (%s)", info->reference);
        putc('\n', out);
    }
}

/* Not filled: a line a rule is what grep and sort want. */
int explain_rules(bool json, FILE *out)
{
    if (json)
        return put_json_rules(NULL, out);
    put_rules(out, NULL);
    return 0;
}

/* --- explain a rule or a reason --- */

static int explain_rule(enum smtpscope_rule rule, bool json, FILE *out)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(rule);
    struct page page = page_of(out);

    if (json) {
        struct writer object = {0};

        put_open(&object, '{');
        put_rule_info(&object, rule);
        put_member_string(&object, "type", "rule");
        explain_json_advice(&object, rule, SMTPSCOPE_REASON_NONE);
        put_close(&object, '}');
        return page_json(&object, out);
    }
    fprintf(out, "%s\n", info->id);
    page_filled(&page, 2, smtpscope_advice_summary(rule));
    fprintf(out, "  %s%s%s\n", smtpscope_severity_name(info->severity), info->reference == NULL ? "" : ", ",
            info->reference == NULL ? "" : info->reference);
    explain_advice(&page, rule, SMTPSCOPE_REASON_NONE, NULL);
    return 0;
}

/* A rule under which the reason speaks for itself: its deferral, or one of those that take every other reason. */
static enum smtpscope_rule rule_of_reason(enum smtpscope_reason reason)
{
    for (int i = 0; i < SMTPSCOPE_RULES; i++) {
        const struct smtpscope_rule_info *info = smtpscope_rule_info((enum smtpscope_rule)i);

        if (strcmp(info->family, "deferral") == 0 && strcmp(info->id + strlen("deferral."), smtpscope_reason_name(reason)) == 0)
            return (enum smtpscope_rule)i;
    }
    return reason == SMTPSCOPE_REASON_UNKNOWN ? SMTPSCOPE_RULE_SEQUENCE_REFUSED_IN_ORDER : SMTPSCOPE_RULE_REFUSAL_UNSPECIFIED;
}

static int explain_reason(enum smtpscope_reason reason, bool json, FILE *out)
{
    enum smtpscope_rule rule = rule_of_reason(reason);
    enum smtpscope_retry retry = smtpscope_reason_retry(reason);
    struct page page = page_of(out);

    if (json) {
        struct writer object = {0};

        put_open(&object, '{');
        put_member_string(&object, "type", "reason");
        put_member_string(&object, "reason", smtpscope_reason_name(reason));
        put_member_string(&object, "retry", smtpscope_retry_name(retry));
        explain_json_advice(&object, rule, reason);
        put_close(&object, '}');
        return page_json(&object, out);
    }
    fprintf(out, "%s\n", smtpscope_reason_name(reason));
    explain_advice(&page, rule, reason, NULL);
    page_section(&page, _("Does it help to send again?"), explain_retry(retry));
    return 0;
}

/* --- finding out what a topic is --- */

/* The only rule that is called so behind its family, or -1. */
static int rule_find_by_name(const char *name)
{
    int found = -1;

    for (int i = 0; i < SMTPSCOPE_RULES; i++) {
        const struct smtpscope_rule_info *info = smtpscope_rule_info((enum smtpscope_rule)i);

        if (strcmp(info->id + strlen(info->family) + 1, name) == 0) {
            if (found >= 0)
                return -1;
            found = i;
        }
    }
    return found;
}

static enum smtpscope_reason reason_find(const char *word)
{
    for (int i = SMTPSCOPE_REASON_NONE + 1; i < SMTPSCOPE_REASONS; i++)
        if (strcmp(smtpscope_reason_name((enum smtpscope_reason)i), word) == 0)
            return (enum smtpscope_reason)i;
    return SMTPSCOPE_REASON_NONE;
}

static bool any_rule_matches(const char *glob)
{
    for (int i = 0; i < SMTPSCOPE_RULES; i++)
        if (smtpscope_rule_matches((enum smtpscope_rule)i, glob))
            return true;
    return false;
}

static int warn_unknown(const char *topic)
{
    struct explain_near near;
    char list[256] = "";
    size_t len = 0;

    explain_near_find(topic, &near);
    for (size_t i = 0; i < near.count && len < sizeof list; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i == 0 ? "" : ", ", near.word[i]);
    if (near.count == 0)
        warn_user(_("no code, rule or reason is called '%s': 'smtpscope rules' lists the rules"), topic);
    else
        warn_user(_("no code, rule or reason is called '%s'; near to it: %s"), topic, list);
    return 2;
}

int explain_topic(const char *topic, const char *stage, bool json, FILE *out)
{
    int rule = smtpscope_rule_find(topic);

    if (!strcmp(topic, "-"))
        return explain_replies(stdin, stage, out);
    if (explain_is_reply(topic))
        return explain_reply(topic, stage, json, out);
    if (explain_is_number(topic))
        return explain_number(topic, json, out);
    if (rule < 0 && reason_find(topic) != SMTPSCOPE_REASON_NONE)
        return explain_reason(reason_find(topic), json, out);
    if (rule < 0)
        rule = rule_find_by_name(topic);
    if (rule >= 0)
        return explain_rule((enum smtpscope_rule)rule, json, out);
    if (!any_rule_matches(topic))
        return warn_unknown(topic);
    if (json)
        return put_json_rules(topic, out);
    put_rules(out, topic);
    return 0;
}
