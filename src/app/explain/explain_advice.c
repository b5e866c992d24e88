/* SPDX-License-Identifier: BSD-2-Clause */
/* What to do, from the tables of advice to a page or JSON. */
#include "app/explain/explain_advice.h"

#include "smtpscope/advice.h"

#include "app/explain/explain_codes.h"
#include "base/gettext.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SETTINGS_HANG 18u /* as wide as "Dovecot submission" needs */
#define SETTINGS_MAX 32u

static void put_side(const struct page *page, const char *heading, const char *first, const char *then)
{
    const char *first_label = _("First: "), *then_label = _("Then: ");

    fprintf(page->out, "\n%s\n", heading);
    page_labelled(page, 2, 2 + page_columns(first_label, strlen(first_label)), first_label, first);
    page_labelled(page, 2, 2 + page_columns(then_label, strlen(then_label)), then_label, then);
}

static void put_settings(const struct page *page, enum smtpscope_rule rule, enum smtpscope_reason reason)
{
    struct smtpscope_setting settings[SETTINGS_MAX];
    size_t count = smtpscope_advice_settings(rule, reason, "", settings, COUNT(settings));

    if (count == 0)
        return;
    fprintf(page->out, "\n%s\n", _("Settings"));
    for (size_t i = 0; i < count; i++)
        page_labelled(page, 2, 3 + SETTINGS_HANG, settings[i].software, settings[i].text);
}

void explain_advice(const struct page *page, enum smtpscope_rule rule, enum smtpscope_reason reason,
                    const enum smtpscope_fault *fault)
{
    struct smtpscope_advice advice;

    smtpscope_advice_rule(rule, reason, &advice);
    page_section(page, _("What it means"), advice.meaning);
    page_section(page, _("When it is seen"), advice.seen);
    page_section(page, _("Who should act first"), explain_fault(fault != NULL ? *fault : advice.audience));
    put_side(page, _("On the sender's side"), advice.sender_first, advice.sender_then);
    put_side(page, _("On the receiver's side"), advice.receiver_first, advice.receiver_then);
    put_settings(page, rule, reason);
}

static void put_json_side(struct writer *json, const char *key, const char *first, const char *then)
{
    put_key(json, key);
    put_open(json, '{');
    put_member_string(json, "first", first);
    put_member_string(json, "then", then);
    put_close(json, '}');
}

static void put_json_settings(struct writer *json, enum smtpscope_rule rule, enum smtpscope_reason reason)
{
    struct smtpscope_setting settings[SETTINGS_MAX];
    size_t count = smtpscope_advice_settings(rule, reason, "", settings, COUNT(settings));

    put_key(json, "settings");
    put_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        put_open(json, '{');
        put_member_string(json, "software", settings[i].software);
        put_member_string(json, "text", settings[i].text);
        put_close(json, '}');
    }
    put_close(json, ']');
}

void explain_json_advice(struct writer *json, enum smtpscope_rule rule, enum smtpscope_reason reason)
{
    struct smtpscope_advice advice;

    smtpscope_advice_rule(rule, reason, &advice);
    put_member_string(json, "meaning", advice.meaning);
    put_member_string(json, "seen", advice.seen);
    put_member_string(json, "acts", smtpscope_fault_name(advice.audience));
    put_json_side(json, "sender", advice.sender_first, advice.sender_then);
    put_json_side(json, "receiver", advice.receiver_first, advice.receiver_then);
    put_json_settings(json, rule, reason);
}
