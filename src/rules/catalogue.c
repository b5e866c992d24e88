/* SPDX-License-Identifier: BSD-2-Clause */
/* The catalogue's tables, all of them derived from rules.def, reasons.def and details.def. */
#include "smtpscope/rule.h"

#include <string.h>

#define N_(text) text
#define NN_(one, many) one, many
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct smtpscope_rule_info rules[] = {
#define RULE(id, family, name, severity, reference, summary)                                                                   \
    [SMTPSCOPE_RULE_##id] = {family "." name, family, SMTPSCOPE_##severity, reference, summary},
#include "smtpscope/rules.def"
};

struct reason_row {
    const char *word;
    enum smtpscope_retry retry;
    enum smtpscope_fault fault;
};

static const struct reason_row reasons[] = {
#define REASON(id, word, retry, fault, deferral, refusal)                                                                      \
    [SMTPSCOPE_REASON_##id] = {word, SMTPSCOPE_RETRY_##retry, SMTPSCOPE_FAULT_##fault},
#include "smtpscope/reasons.def"
};

struct detail_row {
    const char *word, *forms[2]; /* the template, or its singular and plural */
};

static const struct detail_row details[] = {
#define DETAIL(id, word, template) [SMTPSCOPE_DETAIL_##id] = {word, {template}},
#include "smtpscope/details.def"
};

static const char *const severities[] = {
    [SMTPSCOPE_ERROR] = "error",
    [SMTPSCOPE_WARNING] = "warning",
    [SMTPSCOPE_NOTICE] = "notice",
    [SMTPSCOPE_INFO] = "info",
};

static const char *const retries[] = {
    [SMTPSCOPE_RETRY_UNKNOWN] = "unknown", [SMTPSCOPE_RETRY_YES] = "yes",     [SMTPSCOPE_RETRY_SLOWER] = "slower",
    [SMTPSCOPE_RETRY_SPLIT] = "split",     [SMTPSCOPE_RETRY_OWNER] = "owner", [SMTPSCOPE_RETRY_RARELY] = "rarely",
    [SMTPSCOPE_RETRY_SENDER] = "sender",   [SMTPSCOPE_RETRY_DNS] = "dns",     [SMTPSCOPE_RETRY_NEVER] = "never",
};

static const char *const verdicts[] = {
    [SMTPSCOPE_VERDICT_NONE] = NULL,
    [SMTPSCOPE_VERDICT_REFUSED_503] = "refused-503",
    [SMTPSCOPE_VERDICT_REFUSED_OTHER] = "refused-other",
    [SMTPSCOPE_VERDICT_TOLERATED] = "tolerated",
    [SMTPSCOPE_VERDICT_UNANSWERED] = "unanswered",
};

static const char *const confidences[] = {
    [SMTPSCOPE_CERTAIN] = "certain",
    [SMTPSCOPE_LIKELY] = "likely",
};

static const char *const faults[] = {
    [SMTPSCOPE_FAULT_UNDETERMINED] = "undetermined", [SMTPSCOPE_FAULT_CLIENT] = "client", [SMTPSCOPE_FAULT_SERVER] = "server",
    [SMTPSCOPE_FAULT_NETWORK] = "network",           [SMTPSCOPE_FAULT_NOBODY] = "nobody",
};

_Static_assert(COUNT(rules) == SMTPSCOPE_RULES, "a rule without a row");
_Static_assert(COUNT(reasons) == SMTPSCOPE_REASONS, "a reason without a row");
_Static_assert(COUNT(details) == SMTPSCOPE_DETAILS, "a detail without a row");
_Static_assert(COUNT(severities) == SMTPSCOPE_SEVERITIES, "a severity without a word");
_Static_assert(COUNT(retries) == SMTPSCOPE_RETRIES, "a retry without a word");
_Static_assert(COUNT(verdicts) == SMTPSCOPE_VERDICTS, "a verdict without a word");
_Static_assert(COUNT(faults) == SMTPSCOPE_FAULTS, "a fault without a word");

static const char *word_at(const char *const *words, size_t count, size_t at)
{
    return at < count ? words[at] : "";
}

const struct smtpscope_rule_info *smtpscope_rule_info(enum smtpscope_rule rule)
{
    return (size_t)rule < COUNT(rules) ? &rules[rule] : NULL;
}

int smtpscope_rule_find(const char *id)
{
    for (size_t i = 0; i < COUNT(rules); i++)
        if (strcmp(rules[i].id, id) == 0)
            return (int)i;
    return -1;
}

/* Remembers the last star only: an earlier one never needs to take more once a later one was reached. */
static bool glob_matches(const char *glob, const char *text)
{
    const char *star = NULL, *resume = NULL;

    while (*text != '\0') {
        if (*glob == '*') {
            star = ++glob;
            resume = text;
        } else if (*glob == '?' || *glob == *text) {
            glob++;
            text++;
        } else if (star != NULL) {
            glob = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

bool smtpscope_rule_matches(enum smtpscope_rule rule, const char *glob)
{
    const struct smtpscope_rule_info *info = smtpscope_rule_info(rule);

    return info != NULL && (glob_matches(glob, info->id) || strcmp(glob, info->family) == 0);
}

const char *smtpscope_severity_name(enum smtpscope_severity severity)
{
    return word_at(severities, COUNT(severities), (size_t)severity);
}

const char *smtpscope_reason_name(enum smtpscope_reason reason)
{
    return (size_t)reason < COUNT(reasons) ? reasons[reason].word : "";
}

enum smtpscope_retry smtpscope_reason_retry(enum smtpscope_reason reason)
{
    return (size_t)reason < COUNT(reasons) ? reasons[reason].retry : SMTPSCOPE_RETRY_UNKNOWN;
}

enum smtpscope_fault smtpscope_reason_fault(enum smtpscope_reason reason)
{
    return (size_t)reason < COUNT(reasons) ? reasons[reason].fault : SMTPSCOPE_FAULT_UNDETERMINED;
}

/* RFC 5321 4.2.1: a client that got a 5yz should not repeat the same request, even where the words are those of a deferral. */
enum smtpscope_retry smtpscope_finding_retry(enum smtpscope_rule rule, enum smtpscope_reason reason)
{
    enum smtpscope_retry retry = smtpscope_reason_retry(reason);
    const struct smtpscope_rule_info *info = smtpscope_rule_info(rule);

    if (retry != SMTPSCOPE_RETRY_YES || !info || strcmp(info->family, "refusal") != 0)
        return retry;
    return SMTPSCOPE_RETRY_RARELY;
}

const char *smtpscope_retry_name(enum smtpscope_retry retry)
{
    return word_at(retries, COUNT(retries), (size_t)retry);
}

const char *smtpscope_verdict_name(enum smtpscope_verdict verdict)
{
    return word_at(verdicts, COUNT(verdicts), (size_t)verdict);
}

const char *smtpscope_confidence_name(enum smtpscope_confidence confidence)
{
    return word_at(confidences, COUNT(confidences), (size_t)confidence);
}

const char *smtpscope_fault_name(enum smtpscope_fault fault)
{
    return word_at(faults, COUNT(faults), (size_t)fault);
}

const char *smtpscope_detail_name(enum smtpscope_detail detail)
{
    return (size_t)detail < COUNT(details) ? details[detail].word : "";
}

const char *smtpscope_detail_template(enum smtpscope_detail detail)
{
    return (size_t)detail < COUNT(details) ? details[detail].forms[0] : "";
}

const char *smtpscope_detail_plural(enum smtpscope_detail detail)
{
    return (size_t)detail < COUNT(details) ? details[detail].forms[1] : NULL;
}
