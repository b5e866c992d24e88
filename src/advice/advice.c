/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rule and reason -> words.
 *
 * A deferral rule is the row of its reason, or of a finer one that speaks for itself. Any other rule has a row of its own, which a reason may replace field by field: first
 * by what refinements.def says for the rule's family, then by the reason's row. Rules about what was seen on the wire (reply,
 * command, pipelining, data, security, transport, and the deferrals that span sessions) are never replaced: there the rule
 * is what the reader needs, and the reason is only its circumstance.
 */
#include "smtpscope/advice.h"

#include "advice/refine.h"
#include "advice/text.h"

#include <string.h>

static const struct smtpscope_advice rule_rows[SMTPSCOPE_RULES] = {
#define ADVICE(id, who, ...) [SMTPSCOPE_RULE_##id] = {__VA_ARGS__, SMTPSCOPE_FAULT_##who},
#include "rules.def"
};

static const struct smtpscope_advice reason_rows[SMTPSCOPE_REASONS] = {
#define ADVICE(id, who, ...) [SMTPSCOPE_REASON_##id] = {__VA_ARGS__, SMTPSCOPE_FAULT_##who},
#include "reasons.def"
};

struct refinement {
    const char *family;
    enum smtpscope_reason reason;
    struct smtpscope_advice advice;
};

static const struct refinement refinements[] = {
#define REFINEMENT(family, id, ...) {family, SMTPSCOPE_REASON_##id, {__VA_ARGS__}},
#include "refinements.def"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Reasons whose row holds behind a 5yz and a 503 as it does behind a 4yz: a retry without a change is useless in all three. */
static const bool speaks_for_itself[SMTPSCOPE_REASONS] = {
    [SMTPSCOPE_REASON_TLS_REQUIRED] = true,
    [SMTPSCOPE_REASON_AUTH_REQUIRED] = true,
    [SMTPSCOPE_REASON_BARE_LINE_FEED] = true,
    [SMTPSCOPE_REASON_EHLO_REQUIRED] = true,
    [SMTPSCOPE_REASON_MAILBOX_UNKNOWN] = true,
    [SMTPSCOPE_REASON_SERVER_BUSY_IN_TRANSACTION] = true,
    [SMTPSCOPE_REASON_MAILBOX_SYNTAX] = true,
    [SMTPSCOPE_REASON_CLIENT_IGNORED_REPLY] = true,
    [SMTPSCOPE_REASON_RELAY_DENIED] = true,
    [SMTPSCOPE_REASON_MALFORMED_ARGUMENT] = true,
    [SMTPSCOPE_REASON_MESSAGE_SIZE] = true,
    [SMTPSCOPE_REASON_CREDENTIALS] = true,
    [SMTPSCOPE_REASON_NO_SERVICE] = true,
    [SMTPSCOPE_REASON_MECHANISM] = true,
    [SMTPSCOPE_REASON_FELL_BACK] = true,
    [SMTPSCOPE_REASON_WENT_ON] = true,
    [SMTPSCOPE_REASON_CANCELLED] = true,
    [SMTPSCOPE_REASON_GAVE_UP] = true,
    [SMTPSCOPE_REASON_MESSAGE_FORM] = true,
    [SMTPSCOPE_REASON_LOOP] = true,
    [SMTPSCOPE_REASON_DOMAIN_UNKNOWN] = true,
    [SMTPSCOPE_REASON_SENDING_QUOTA] = true,
    [SMTPSCOPE_REASON_BLOCKED_BY_RECIPIENT] = true,
    [SMTPSCOPE_REASON_TOO_MANY_UNKNOWN_RECIPIENTS] = true,
    [SMTPSCOPE_REASON_RECIPIENT_MOVED] = true,
    [SMTPSCOPE_REASON_SPAM] = true,
    [SMTPSCOPE_REASON_VIRUS] = true,
    [SMTPSCOPE_REASON_NULL_SENDER_REFUSED] = true,
    [SMTPSCOPE_REASON_NOT_CONFIGURED_HERE] = true,
};

static const char *const refined_families[] = {"sequence", "rejection", "refusal"};

static bool family_is_refined(const char *family)
{
    for (size_t i = 0; i < COUNT(refined_families); i++)
        if (strcmp(family, refined_families[i]) == 0)
            return true;
    return false;
}

static const struct smtpscope_advice *refinement_find(const char *family, enum smtpscope_reason reason)
{
    for (size_t i = 0; i < COUNT(refinements); i++)
        if (refinements[i].reason == reason && strcmp(refinements[i].family, family) == 0)
            return &refinements[i].advice;
    return NULL;
}

/* The reason whose word the rule carries, or NONE. */
static enum smtpscope_reason rule_reason(const struct smtpscope_rule_info *info)
{
    const char *word = info->id + strlen(info->family) + 1;

    if (strcmp(info->family, "deferral") != 0)
        return SMTPSCOPE_REASON_NONE;
    for (int i = SMTPSCOPE_REASON_NONE + 1; i < SMTPSCOPE_REASONS; i++)
        if (strcmp(smtpscope_reason_name((enum smtpscope_reason)i), word) == 0)
            return (enum smtpscope_reason)i;
    return SMTPSCOPE_REASON_NONE;
}

enum smtpscope_reason smtpscope_advice_refine(enum smtpscope_rule rule, enum smtpscope_reason reason)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(rule);

    if (info == NULL || (unsigned)reason >= SMTPSCOPE_REASONS)
        return SMTPSCOPE_REASON_NONE;
    if (rule_reason(info) != SMTPSCOPE_REASON_NONE)
        return speaks_for_itself[reason] ? reason : rule_reason(info);
    if (family_is_refined(info->family) && (speaks_for_itself[reason] || refinement_find(info->family, reason) != NULL))
        return reason;
    return SMTPSCOPE_REASON_NONE;
}

/* Replaces what `from` has. */
static void advice_overlay(struct smtpscope_advice *advice, const struct smtpscope_advice *from)
{
    const char **field[] = {&advice->meaning,     &advice->seen,           &advice->sender_first,
                            &advice->sender_then, &advice->receiver_first, &advice->receiver_then};
    const char *const with[] = {from->meaning,     from->seen,           from->sender_first,
                                from->sender_then, from->receiver_first, from->receiver_then};

    for (size_t i = 0; i < COUNT(field); i++)
        if (with[i] != NULL)
            *field[i] = text_translate(with[i]);
    if (from->audience != SMTPSCOPE_FAULT_UNDETERMINED)
        advice->audience = from->audience;
}

void smtpscope_advice_rule(enum smtpscope_rule rule, enum smtpscope_reason reason, struct smtpscope_advice *advice)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(rule);
    enum smtpscope_reason speaking = smtpscope_advice_refine(rule, reason);
    const struct smtpscope_advice *refinement;

    memset(advice, 0, sizeof *advice);
    if (info == NULL)
        return;
    advice_overlay(advice, &rule_rows[rule]);
    if (speaking == SMTPSCOPE_REASON_NONE)
        return;
    advice_overlay(advice, &reason_rows[speaking]);
    refinement = refinement_find(info->family, speaking);
    if (refinement != NULL)
        advice_overlay(advice, refinement);
}

const char *smtpscope_advice_summary(enum smtpscope_rule rule)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(rule);

    return info == NULL ? "" : text_translate(info->summary);
}
