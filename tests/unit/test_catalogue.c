/* SPDX-License-Identifier: BSD-2-Clause */
/* The catalogue: what the .def tables promise, and matching of globs. */
#include "unit.h"

#include "smtpscope/rule.h"

static enum smtpscope_rule rule_named(const char *id)
{
    int rule = smtpscope_rule_find(id);

    assert_true(rule >= 0);
    return (enum smtpscope_rule)rule;
}

static void every_rule_has_a_sound_row(void **state)
{
    (void)state;
    for (int i = 0; i < SMTPSCOPE_RULES; i++) {
        const struct smtpscope_rule_info *info = smtpscope_rule_info((enum smtpscope_rule)i);
        size_t family = strlen(info->family);

        assert_non_null(info->summary);
        assert_true(strlen(info->summary) > 8);
        assert_true(info->severity < SMTPSCOPE_SEVERITIES);
        assert_true(strncmp(info->id, info->family, family) == 0 && info->id[family] == '.');
        assert_int_equal(strspn(info->id, "abcdefghijklmnopqrstuvwxyz0123456789.-"), strlen(info->id));
        if (i < SMTPSCOPE_RULE_TRANSPORT_EVICTED) /* our own limit and losses, which come last, have no standard */
            assert_non_null(info->reference);
    }
    assert_null(smtpscope_rule_info(SMTPSCOPE_RULES));
}

static void identifiers_are_unique_and_found(void **state)
{
    (void)state;
    for (int i = 0; i < SMTPSCOPE_RULES; i++)
        assert_int_equal(smtpscope_rule_find(smtpscope_rule_info((enum smtpscope_rule)i)->id), i);
    assert_int_equal(smtpscope_rule_find("sequence.nested-mai"), -1);
    assert_int_equal(smtpscope_rule_find("sequence"), -1);
    assert_int_equal(smtpscope_rule_find(""), -1);
}

static void reason_words_are_unique(void **state)
{
    (void)state;
    assert_null(smtpscope_reason_name(SMTPSCOPE_REASON_NONE));
    for (int i = SMTPSCOPE_REASON_NONE + 1; i < SMTPSCOPE_REASONS; i++) {
        const char *word = smtpscope_reason_name((enum smtpscope_reason)i);

        assert_true(*word != '\0');
        assert_true(smtpscope_reason_retry((enum smtpscope_reason)i) < SMTPSCOPE_RETRIES);
        for (int j = i + 1; j < SMTPSCOPE_REASONS; j++)
            assert_string_not_equal(word, smtpscope_reason_name((enum smtpscope_reason)j));
    }
}

/* How often a template takes the finding's text and its number. */
static void directives_of(const char *template, unsigned *texts, unsigned *numbers)
{
    *texts = *numbers = 0;
    for (const char *at = template; (at = strchr(at, '%')) != NULL; at++) {
        *texts += strncmp(at, "%1$s", 4) == 0;
        *numbers += strncmp(at, "%2$llu", 6) == 0;
        assert_true(strncmp(at, "%1$s", 4) == 0 || strncmp(at, "%2$llu", 6) == 0);
    }
    assert_true(*texts <= 1 && *numbers <= 1);
}

static void details_are_named_and_simple(void **state)
{
    (void)state;
    for (int i = 0; i < SMTPSCOPE_DETAILS; i++) {
        unsigned texts, numbers;

        for (int j = i + 1; j < SMTPSCOPE_DETAILS; j++)
            assert_string_not_equal(smtpscope_detail_name((enum smtpscope_detail)i),
                                    smtpscope_detail_name((enum smtpscope_detail)j));
        directives_of(smtpscope_detail_template((enum smtpscope_detail)i), &texts, &numbers);
    }
}

/* Their number counts nothing, and so has no plural. */
static const struct {
    enum smtpscope_detail detail;
    const char *reason;
} uncounted[] = {
    {SMTPSCOPE_DETAIL_ALLOWED_CODES, "the number is a reply code"},
    {SMTPSCOPE_DETAIL_PORT, "the number is a port"},
    {SMTPSCOPE_DETAIL_ICMP_ERROR, "milliseconds are no count"},
    {SMTPSCOPE_DETAIL_MTU_TOLD, "no segment of one octet is too big"},
    {SMTPSCOPE_DETAIL_RESET_AFTER, "ms has none"},
    {SMTPSCOPE_DETAIL_PROXY_FOR, "the number is a version"},
    {SMTPSCOPE_DETAIL_PROXY_UNKNOWN, "the number is a version"},
};

static const char *uncounted_reason(enum smtpscope_detail detail)
{
    for (size_t i = 0; i < unit_count(uncounted); i++)
        if (uncounted[i].detail == detail)
            return uncounted[i].reason;
    return NULL;
}

static void what_is_counted_has_a_plural(void **state)
{
    (void)state;
    for (int i = 0; i < SMTPSCOPE_DETAILS; i++) {
        enum smtpscope_detail detail = (enum smtpscope_detail)i;
        const char *one = smtpscope_detail_template(detail), *many = smtpscope_detail_plural(detail);
        const char *reason = uncounted_reason(detail);
        unsigned texts, numbers, texts_of_many, numbers_of_many;

        directives_of(one, &texts, &numbers);
        if ((many != NULL) != (numbers == 1 && reason == NULL))
            fail_msg("%s: '%s' has %s plural%s%s", smtpscope_detail_name(detail), one, many ? "a" : "no",
                     reason ? ", and " : "", reason ? reason : "");
        if (many == NULL)
            continue;
        directives_of(many, &texts_of_many, &numbers_of_many);
        assert_true(texts == texts_of_many && numbers == numbers_of_many);
        assert_string_not_equal(one, many);
    }
    assert_null(smtpscope_detail_plural(SMTPSCOPE_DETAILS));
}

static void words_are_the_documented_ones(void **state)
{
    (void)state;
    assert_string_equal(smtpscope_severity_name(SMTPSCOPE_ERROR), "error");
    assert_string_equal(smtpscope_severity_name(SMTPSCOPE_INFO), "info");
    assert_null(smtpscope_verdict_name(SMTPSCOPE_VERDICT_NONE));
    assert_string_equal(smtpscope_verdict_name(SMTPSCOPE_VERDICT_REFUSED_503), "refused-503");
    assert_string_equal(smtpscope_verdict_name(SMTPSCOPE_VERDICT_UNANSWERED), "unanswered");
    assert_string_equal(smtpscope_confidence_name(SMTPSCOPE_CERTAIN), "certain");
    assert_string_equal(smtpscope_confidence_name(SMTPSCOPE_LIKELY), "likely");
    assert_string_equal(smtpscope_fault_name(SMTPSCOPE_FAULT_UNDETERMINED), "undetermined");
    assert_string_equal(smtpscope_fault_name(SMTPSCOPE_FAULT_CLIENT), "client");
    assert_string_equal(smtpscope_retry_name(SMTPSCOPE_RETRY_NEVER), "never");
    assert_int_equal(smtpscope_reason_retry(SMTPSCOPE_REASON_TLS_REQUIRED), SMTPSCOPE_RETRY_NEVER);
    assert_int_equal(smtpscope_reason_retry(SMTPSCOPE_REASON_GREYLISTED), SMTPSCOPE_RETRY_YES);
}

static const struct {
    const char *glob, *rule;
    bool want;
} globs[] = {
    {"deferral", "deferral.greylisted", true},
    {"deferral", "data.nul", false},
    {"defer", "deferral.greylisted", false},
    {"deferral.greylisted", "deferral.greylisted", true},
    {"deferral.*", "deferral.greylisted", true},
    {"deferral.*", "refusal.mailbox", false},
    {"*", "transport.gap", true},
    {"", "transport.gap", false},
    {"*.bare-lf", "data.bare-lf", true},
    {"*.bare-lf", "data.bare-cr", false},
    {"*bare*", "command.bare-lf", true},
    {"data.bare-??", "data.bare-cr", true},
    {"data.bare-?", "data.bare-cr", false},
    {"?ata.nul", "data.nul", true},
    {"*-*-*-*-*", "sequence.mail-after-starttls-without-ehlo", true},
    {"*-*-*-*-*-*", "sequence.mail-after-starttls-without-ehlo", false},
    {"se*mail*ehlo", "sequence.mail-after-starttls-without-ehlo", true},
    {"se*mail*ehl", "sequence.mail-after-starttls-without-ehlo", false},
    {"**", "data.nul", true},
    {"data.nul*", "data.nul", true},
    {"data.nul?", "data.nul", false},
    {"Data.nul", "data.nul", false},
};

static void globs_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < unit_count(globs); i++)
        if (smtpscope_rule_matches(rule_named(globs[i].rule), globs[i].glob) != globs[i].want)
            fail_msg("'%s' against %s", globs[i].glob, globs[i].rule);
    assert_false(smtpscope_rule_matches(SMTPSCOPE_RULES, "*"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_a_sound_row),
        cmocka_unit_test(identifiers_are_unique_and_found),
        cmocka_unit_test(reason_words_are_unique),
        cmocka_unit_test(details_are_named_and_simple),
        cmocka_unit_test(what_is_counted_has_a_plural),
        cmocka_unit_test(words_are_the_documented_ones),
        cmocka_unit_test(globs_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
