/* SPDX-License-Identifier: BSD-2-Clause */
/* The words: complete for every rule, reason and code, formatted right, and what explain and compare print. */
#include "unit.h"

#include "smtpscope/advice.h"

#include "app/explain/explain.h"
#include "app/process/language.h"

/* A text is a sentence or more; four words are the least that says something. */
static void check_text(const char *of, const char *field, const char *text)
{
    size_t words = 1;

    if (text == NULL)
        fail_msg("%s has no %s", of, field);
    for (const char *at = text; *at != '\0'; at++)
        words += *at == ' ';
    if (words < 2 || strstr(text, "  ") != NULL || text[0] == ' ' || text[strlen(text) - 1] == ' ')
        fail_msg("%s: %s is '%s'", of, field, text);
}

static void check_advice(const char *of, const struct smtpscope_advice *advice)
{
    check_text(of, "meaning", advice->meaning);
    check_text(of, "seen", advice->seen);
    check_text(of, "sender_first", advice->sender_first);
    check_text(of, "sender_then", advice->sender_then);
    check_text(of, "receiver_first", advice->receiver_first);
    check_text(of, "receiver_then", advice->receiver_then);
    assert_true(advice->audience < SMTPSCOPE_FAULTS);
}

static void every_rule_has_advice(void **state)
{
    (void)state;
    for (int i = 0; i < SMTPSCOPE_RULES; i++) {
        const char *id = smtpscope_rule_info((enum smtpscope_rule)i)->id;
        struct smtpscope_advice advice;

        smtpscope_advice_rule((enum smtpscope_rule)i, SMTPSCOPE_REASON_NONE, &advice);
        check_advice(id, &advice);
        check_text(id, "summary", smtpscope_advice_summary((enum smtpscope_rule)i));
    }
}

/* With any rule and any reason there is advice, and no two rules say the same. */
static void every_pair_has_advice(void **state)
{
    (void)state;
    for (int i = 0; i < SMTPSCOPE_RULES; i++)
        for (int reason = 0; reason < SMTPSCOPE_REASONS; reason++) {
            struct smtpscope_advice advice;

            smtpscope_advice_rule((enum smtpscope_rule)i, (enum smtpscope_reason)reason, &advice);
            check_advice(smtpscope_rule_info((enum smtpscope_rule)i)->id, &advice);
        }
}

static void meanings_are_not_boilerplate(void **state)
{
    struct smtpscope_advice advice[SMTPSCOPE_RULES];

    (void)state;
    for (int i = 0; i < SMTPSCOPE_RULES; i++)
        smtpscope_advice_rule((enum smtpscope_rule)i, SMTPSCOPE_REASON_NONE, &advice[i]);
    for (int i = 0; i < SMTPSCOPE_RULES; i++)
        for (int j = i + 1; j < SMTPSCOPE_RULES; j++) {
            assert_string_not_equal(advice[i].meaning, advice[j].meaning);
            assert_string_not_equal(advice[i].seen, advice[j].seen);
            assert_string_not_equal(advice[i].sender_first, advice[j].sender_first);
        }
}

static void reasons_refine(void **state)
{
    struct smtpscope_advice deferral, refusal, plain, refined;

    (void)state;
    /* behind a 5yz no queue retries: the advice must differ from that for the 4yz */
    smtpscope_advice_rule(SMTPSCOPE_RULE_DEFERRAL_GREYLISTED, SMTPSCOPE_REASON_GREYLISTED, &deferral);
    smtpscope_advice_rule(SMTPSCOPE_RULE_REFUSAL_POLICY, SMTPSCOPE_REASON_GREYLISTED, &refusal);
    assert_string_not_equal(deferral.sender_first, refusal.sender_first);
    assert_string_equal(deferral.receiver_then, refusal.receiver_then);
    /* a reason of the order of commands */
    smtpscope_advice_rule(SMTPSCOPE_RULE_SEQUENCE_RCPT_BEFORE_MAIL, SMTPSCOPE_REASON_NONE, &plain);
    smtpscope_advice_rule(SMTPSCOPE_RULE_SEQUENCE_RCPT_BEFORE_MAIL, SMTPSCOPE_REASON_CLIENT_IGNORED_REPLY, &refined);
    assert_string_not_equal(plain.sender_first, refined.sender_first);
    /* what was seen on the wire is not replaced, nor is a rule across sessions */
    smtpscope_advice_rule(SMTPSCOPE_RULE_DATA_NUL, SMTPSCOPE_REASON_NONE, &plain);
    smtpscope_advice_rule(SMTPSCOPE_RULE_DATA_NUL, SMTPSCOPE_REASON_POLICY, &refined);
    assert_memory_equal(&plain, &refined, sizeof plain);
    smtpscope_advice_rule(SMTPSCOPE_RULE_DEFERRAL_PERSISTENT, SMTPSCOPE_REASON_NONE, &plain);
    smtpscope_advice_rule(SMTPSCOPE_RULE_DEFERRAL_PERSISTENT, SMTPSCOPE_REASON_GREYLISTED, &refined);
    assert_memory_equal(&plain, &refined, sizeof plain);
}

static void every_code_has_advice(void **state)
{
    uint16_t codes[100];
    size_t count = smtpscope_advice_codes(codes, unit_count(codes));

    (void)state;
    assert_true(count >= 40 && count <= unit_count(codes));
    assert_int_equal(smtpscope_advice_codes(codes, 3), count);
    for (size_t i = 0; i < count; i++) {
        struct smtpscope_code_advice advice;
        char label[8];

        snprintf(label, sizeof label, "%u", (unsigned)codes[i]);
        assert_true(i == 0 || codes[i - 1] < codes[i]);
        assert_true(smtpscope_advice_code(codes[i], &advice));
        check_text(label, "name", advice.name);
        check_text(label, "reference", advice.reference);
        check_text(label, "klass", advice.klass);
        check_text(label, "meaning", advice.meaning);
        check_text(label, "seen", advice.seen);
        check_text(label, "resolve", advice.resolve);
        assert_int_equal(advice.transient, codes[i] / 100 == 4);
        assert_int_equal(advice.permanent, codes[i] / 100 == 5);
        for (const uint16_t *at = advice.related; *at != 0; at++) {
            struct smtpscope_code_advice other;

            assert_int_not_equal(*at, codes[i]);
            if (!smtpscope_advice_code(*at, &other))
                fail_msg("%u is related to %u, which has no row", (unsigned)codes[i], (unsigned)*at);
        }
    }
}

static const uint16_t wanted_codes[] = {
    211, 214, 220, 221, 235, 250, 251, 252, 253, 334, 354, 355, 421, 432, 435, 450, 451, 452, 453, 454, 455,
    458, 459, 500, 501, 502, 503, 504, 521, 525, 530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556,
};

static void the_codes_of_the_rfcs_are_there(void **state)
{
    struct smtpscope_code_advice advice;

    (void)state;
    for (size_t i = 0; i < unit_count(wanted_codes); i++)
        if (!smtpscope_advice_code(wanted_codes[i], &advice))
            fail_msg("%u is missing", (unsigned)wanted_codes[i]);
    assert_false(smtpscope_advice_code(299, &advice));
    assert_false(smtpscope_advice_code(0, &advice));
}

static void enhanced_codes(void **state)
{
    /* the last detail of each subject in the registry */
    static const unsigned last[] = {0, 10, 4, 6, 7, 6, 10, 30};

    (void)state;
    for (unsigned subject = 0; subject < unit_count(last); subject++) {
        for (unsigned detail = 0; detail <= last[subject]; detail++)
            if (smtpscope_advice_enhanced(5, subject, detail) == NULL)
                fail_msg("X.%u.%u is missing", subject, detail);
        assert_null(smtpscope_advice_enhanced(4, subject, last[subject] + 1));
    }
    assert_null(smtpscope_advice_enhanced(3, 1, 1));
    assert_null(smtpscope_advice_enhanced(5, 8, 0));
}

static void settings_of_the_server_come_alone(void **state)
{
    struct smtpscope_setting all[40], own[40];
    size_t count = smtpscope_advice_settings(SMTPSCOPE_RULE_DEFERRAL_GREYLISTED, SMTPSCOPE_REASON_NONE, "", all, 40);

    (void)state;
    assert_true(count > 3 && count < 40);
    for (size_t i = 0; i < count; i++)
        check_text(all[i].software, "setting", all[i].text);
    assert_int_equal(smtpscope_advice_settings(SMTPSCOPE_RULE_DEFERRAL_GREYLISTED, SMTPSCOPE_REASON_GREYLISTED,
                                               "Postfix postscreen", own, 40),
                     1);
    assert_string_equal(own[0].software, "Postfix");
    assert_int_equal(smtpscope_advice_settings(SMTPSCOPE_RULE_DEFERRAL_GREYLISTED, SMTPSCOPE_REASON_NONE, "aiosmtpd", own, 40),
                     count);
    assert_int_equal(smtpscope_advice_settings(SMTPSCOPE_RULE_DEFERRAL_GREYLISTED, SMTPSCOPE_REASON_NONE, NULL, own, 2), 2);
    assert_int_equal(smtpscope_advice_settings(SMTPSCOPE_RULE_DEFERRAL_GREYLISTED, SMTPSCOPE_REASON_NONE, "", own, 0), 0);
    /* a reason that does not refine the rule brings no settings either */
    count = smtpscope_advice_settings(SMTPSCOPE_RULE_DATA_NUL, SMTPSCOPE_REASON_NONE, "", all, 40);
    assert_int_equal(smtpscope_advice_settings(SMTPSCOPE_RULE_DATA_NUL, SMTPSCOPE_REASON_GREYLISTED, "", own, 40), count);
}

static const struct {
    enum smtpscope_detail detail;
    const char *text;
    uint64_t number;
    const char *want;
} details[] = {
    {SMTPSCOPE_DETAIL_NONE, "unused", 7, ""},
    {SMTPSCOPE_DETAIL_KEYWORD_MISSING, "STARTTLS", 0, "STARTTLS was not advertised"},
    {SMTPSCOPE_DETAIL_LINE_OCTETS, "", 513, "513 octets"},
    {SMTPSCOPE_DETAIL_LINE_OCTETS, "", 0, "0 octets"},
    {SMTPSCOPE_DETAIL_LINE_OCTETS, "", UINT64_MAX, "18446744073709551615 octets"},
    {SMTPSCOPE_DETAIL_SIZE, "1000", 2000, "2000 octets, the limit is 1000"},
    {SMTPSCOPE_DETAIL_GAP, "message", 9, "9 octets missing (message)"},
    {SMTPSCOPE_DETAIL_LOOKALIKE, "%1$s%n%2$llu", 1, "%1$s%n%2$llu"}, /* an argument is never a template */
    {SMTPSCOPE_DETAIL_NAME_INVALID, "", 0, " is no host name"},
};

static void details_are_formatted(void **state)
{
    (void)state;
    for (size_t i = 0; i < unit_count(details); i++) {
        struct smtpscope_finding finding = {
            .detail = details[i].detail, .detail_text = details[i].text, .detail_number = details[i].number};
        char buffer[100];

        assert_int_equal(smtpscope_advice_detail(&finding, buffer, sizeof buffer), strlen(details[i].want));
        assert_string_equal(buffer, details[i].want);
    }
}

static void every_detail_is_formatted_whole(void **state)
{
    (void)state;
    for (int i = 0; i < SMTPSCOPE_DETAILS; i++) {
        const char *template = smtpscope_detail_template((enum smtpscope_detail)i);
        struct smtpscope_finding finding = {.detail = (enum smtpscope_detail)i, .detail_text = "@", .detail_number = 42};
        char buffer[200];
        size_t len = smtpscope_advice_detail(&finding, buffer, sizeof buffer);

        assert_int_equal(len, strlen(buffer));
        assert_null(strchr(buffer, '%'));
        assert_int_equal(strchr(buffer, '@') != NULL, strstr(template, "%1$s") != NULL);
        assert_int_equal(strstr(buffer, "42") != NULL, strstr(template, "%2$llu") != NULL);
    }
}

/* One row a detail and language: the text for 0, 1 and 2. */
static const struct {
    const char *language;
    enum smtpscope_detail detail;
    const char *text, *wants[3];
} counts[] = {
    {"en", SMTPSCOPE_DETAIL_RETRY, "", {"after 0 seconds", "after 1 second", "after 2 seconds"}},
    {"en", SMTPSCOPE_DETAIL_GAP, "x", {"0 octets missing (x)", "1 octet missing (x)", "2 octets missing (x)"}},
    {"en", SMTPSCOPE_DETAIL_PERSISTENT, "", {"0 tries", "1 try", "2 tries"}},
    {"en", SMTPSCOPE_DETAIL_PORT, "", {"port 0", "port 1", "port 2"}},
    {"de", SMTPSCOPE_DETAIL_RETRY, "", {"nach 0 Sekunden", "nach 1 Sekunde", "nach 2 Sekunden"}},
    {"de", SMTPSCOPE_DETAIL_GAP, "x", {"0 Oktette fehlen (x)", "1 Oktett fehlt (x)", "2 Oktette fehlen (x)"}},
    {"de", SMTPSCOPE_DETAIL_LINES_LOST, "x", {"0 Zeilen verloren bei x", "1 Zeile verloren bei x", "2 Zeilen verloren bei x"}},
    {"de", SMTPSCOPE_DETAIL_PORT, "", {"Port 0", "Port 1", "Port 2"}},
    {"fr", SMTPSCOPE_DETAIL_RETRY, "", {"après 0 seconde", "après 1 seconde", "après 2 secondes"}},
    {"fr", SMTPSCOPE_DETAIL_GAP, "x", {"0 octet manquant (x)", "1 octet manquant (x)", "2 octets manquants (x)"}},
    {"fr", SMTPSCOPE_DETAIL_LINES_LOST, "x", {"0 ligne perdue à x", "1 ligne perdue à x", "2 lignes perdues à x"}},
};

static void details_are_counted_as_the_language_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < unit_count(counts); i++)
        for (unsigned number = 0; number < unit_count(counts[i].wants); number++) {
            struct smtpscope_finding finding = {
                .detail = counts[i].detail, .detail_text = counts[i].text, .detail_number = number};
            char buffer[100];

            language_init(counts[i].language);
            smtpscope_advice_detail(&finding, buffer, sizeof buffer);
            assert_string_equal(buffer, counts[i].wants[number]);
        }
}

static int back_to_english(void **state)
{
    (void)state;
    language_init("en");
    return 0;
}

static void a_detail_is_cut_between_characters(void **state)
{
    struct smtpscope_finding finding = {.detail = SMTPSCOPE_DETAIL_NAME_INVALID,
                                        .detail_text = "m\xc3\xbc"
                                                       "ll"};
    char whole[40];
    size_t len = smtpscope_advice_detail(&finding, whole, sizeof whole);

    (void)state;
    for (size_t size = 0; size <= len + 1; size++) {
        char *buffer = malloc(size + 1);
        size_t got;

        memset(buffer, '#', size + 1);
        got = smtpscope_advice_detail(&finding, buffer, size);
        assert_int_equal(buffer[size], '#');
        if (size > 0) {
            assert_int_equal(got, strlen(buffer));
            assert_memory_equal(buffer, whole, got);
            assert_true(got == 0 || buffer[got - 1] != '\xc3');
            assert_true(got + 2 >= size);
        }
        free(buffer);
    }
}

/* --- explain and compare --- */

enum task { EXPLAIN, COMPARE, RULES };

/* What the subcommand prints on `out`, and on stderr into `complaint`. Free the returned text. */
static char *run(enum task task, const char *a, const char *b, bool json, int want, char complaint[1000])
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len), *errors = tmpfile();
    int saved = dup(STDERR_FILENO), status;

    fflush(stderr);
    dup2(fileno(errors), STDERR_FILENO);
    status = task == EXPLAIN   ? explain_topic(a, NULL, json, out)
             : task == COMPARE ? explain_compare(a, b, json, out)
                               : explain_rules(json, out);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(out);
    rewind(errors);
    complaint[fread(complaint, 1, 999, errors)] = '\0';
    fclose(errors);
    if (status != want)
        fail_msg("%s: %d, %s", a, status, complaint);
    return text;
}

/* Joins the words over line ends and columns, so that a phrase is found whatever the filling made of it. */
static void flatten(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0'; at++)
        if (*at != '\n' && *at != ' ')
            *to++ = *at;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    *to = '\0';
}

static const struct {
    const char *topic, *want;
} facts[] = {
    {"450", "mailbox is temporarily unavailable"},
    {"450", "locked by another process"},
    {"450", "temporary policy"},
    {"450", "greylist"},
    {"450", "retry after a few minutes"},
    {"450", "second attempt usually succeeds"},
    {"450", "mailbox is full or disabled"},
    {"450", "transient"},
    {"502", "known to the SMTP specification"},
    {"502", "not implemented"},
    {"502", "chosen not to support it"},
    {"502", "VRFY, EXPN or TURN"},
    {"502", "security or against spam"},
    {"502", "test message instead of verifying"},
    {"502", "EHLO response for the extensions it supports"},
    {"502", "permanent"},
    {"503", "wrong order"},
    {"503", "EHLO, MAIL FROM, RCPT TO, DATA"},
    {"503", "skipped or repeated"},
    {"503", "DATA is sent before RCPT TO"},
    {"503", "MAIL FROM before EHLO"},
    {"503", "EHLO or HELO first, then MAIL FROM, then RCPT TO (one or more), then DATA"},
    {"503", "RSET to start over"},
    {"450 4.7.1", "4.7.1"},
    {"450 5.1.1", "contradict"},
    {"4.2.2", "the mailbox is full"},
    {"X.7.25", "reverse DNS"},
    {"5.7.515", "not registered"},
    {"sequence.nested-mail", "RSET"},
    {"nested-mail", "MAIL inside an open transaction"},
    {"greylisted", "the retry after a few minutes"},
    {"relay-denied", "relay_domains"},
    {"unknown", "503"},
    {"deferral", "deferral.greylisted"},
    {"*.bare-lf", "command.bare-lf"},
};

static void explain_says_the_facts(void **state)
{
    char complaint[1000];

    (void)state;
    for (size_t i = 0; i < unit_count(facts); i++) {
        char *text = run(EXPLAIN, facts[i].topic, NULL, false, 0, complaint);

        flatten(text);
        if (strstr(text, facts[i].want) == NULL)
            fail_msg("'%s' is not in: %s", facts[i].want, text);
        assert_string_equal(complaint, "");
        free(text);
    }
}

static const struct {
    const char *topic, *near;
} unknown_topics[] = {
    {"greylisting", "greylisted"},
    {"sequence.nested-mial", "sequence.nested-mail"},
    {"nested", "sequence.nested-mail"},
    {"starttls-stripped-", "security.starttls-stripped"},
    {"299", "250"},
    {"999", "begin with 2, 3, 4 or 5"},
    {"45", "neither a reply code"},
    {"4500", "neither a reply code"},
    {"450 x", "neither a reply code"},
    {"4.9.1", "neither a reply code"},
    {"qqqqqqqq", "smtpscope rules"},
    {"", "smtpscope rules"},
};

static void unknown_topics_are_one_line(void **state)
{
    char complaint[1000];

    (void)state;
    for (size_t i = 0; i < unit_count(unknown_topics); i++) {
        char *text = run(EXPLAIN, unknown_topics[i].topic, NULL, false, 2, complaint);

        assert_string_equal(text, "");
        assert_ptr_equal(strchr(complaint, '\n'), complaint + strlen(complaint) - 1);
        if (strstr(complaint, unknown_topics[i].near) == NULL)
            fail_msg("%s", complaint);
        free(text);
    }
}

static void check_width(const char *text, size_t width)
{
    for (const char *end; *text != '\0'; text = end + (*end == '\n')) {
        end = text + strcspn(text, "\n");
        if ((size_t)(end - text) > width)
            fail_msg("%.*s", (int)(end - text), text);
    }
}

static void everything_can_be_explained(void **state)
{
    uint16_t codes[100];
    size_t count = smtpscope_advice_codes(codes, unit_count(codes));
    char complaint[1000], topic[8];

    (void)state;
    for (int i = 0; i < SMTPSCOPE_RULES; i++) {
        char *text = run(EXPLAIN, smtpscope_rule_info((enum smtpscope_rule)i)->id, NULL, false, 0, complaint);

        check_width(text, 100); /* names of settings may stand out */
        free(text);
    }
    for (int i = SMTPSCOPE_REASON_NONE + 1; i < SMTPSCOPE_REASONS; i++)
        free(run(EXPLAIN, smtpscope_reason_name((enum smtpscope_reason)i), NULL, i % 2 != 0, 0, complaint));
    for (size_t i = 0; i < count; i++) {
        char *text;

        snprintf(topic, sizeof topic, "%u", (unsigned)codes[i]);
        text = run(EXPLAIN, topic, NULL, false, 0, complaint);
        check_width(text, 80);
        free(text);
        text = run(COMPARE, topic, "503", false, 0, complaint);
        check_width(text, 80);
        free(text);
    }
}

static void compare_says_what_differs(void **state)
{
    static const char *const wants[] = {"450 Mailbox unavailable",
                                        "502 Command not implemented",
                                        "transient (4yz)",
                                        "permanent (5yz)",
                                        "the sender's side",
                                        "yes, the same message may be accepted later",
                                        "the mailbox or a policy stands in the way",
                                        "does not offer it"};
    char complaint[1000], *text = run(COMPARE, "450", "502", false, 0, complaint);

    (void)state;
    flatten(text);
    for (size_t i = 0; i < unit_count(wants); i++)
        if (strstr(text, wants[i]) == NULL)
            fail_msg("'%s' is not in: %s", wants[i], text);
    free(text);
    free(run(COMPARE, "450", "abc", false, 2, complaint));
    assert_non_null(strstr(complaint, "abc"));
    free(run(COMPARE, "299", "450", false, 2, complaint));
    assert_non_null(strstr(complaint, "299"));
}

static void json_is_json(void **state)
{
    char complaint[1000], *text = run(EXPLAIN, "sequence.nested-mail", NULL, true, 0, complaint);

    (void)state;
    assert_int_equal(text[0], '{');
    assert_non_null(strstr(text, "\"receiver\""));
    free(text);
    text = run(RULES, NULL, NULL, true, 0, complaint);
    assert_int_equal(text[0], '{'); /* a rule a line */
    assert_non_null(strstr(text, "\n{"));
    free(text);
    text = run(COMPARE, "450", "503", true, 0, complaint);
    assert_non_null(strstr(text, "\"differences\""));
    free(text);
    text = run(EXPLAIN, "450 4.7.1", NULL, true, 0, complaint);
    assert_non_null(strstr(text, "\"enhanced\""));
    free(text);
}

static void the_list_has_a_line_a_rule(void **state)
{
    char complaint[1000], *text = run(RULES, NULL, NULL, false, 0, complaint);
    int lines = 0;

    (void)state;
    for (const char *at = text; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(lines, SMTPSCOPE_RULES);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_has_advice),
        cmocka_unit_test(every_pair_has_advice),
        cmocka_unit_test(meanings_are_not_boilerplate),
        cmocka_unit_test(reasons_refine),
        cmocka_unit_test(every_code_has_advice),
        cmocka_unit_test(the_codes_of_the_rfcs_are_there),
        cmocka_unit_test(enhanced_codes),
        cmocka_unit_test(settings_of_the_server_come_alone),
        cmocka_unit_test(details_are_formatted),
        cmocka_unit_test(every_detail_is_formatted_whole),
        cmocka_unit_test_teardown(details_are_counted_as_the_language_counts, back_to_english),
        cmocka_unit_test(a_detail_is_cut_between_characters),
        cmocka_unit_test(explain_says_the_facts),
        cmocka_unit_test(unknown_topics_are_one_line),
        cmocka_unit_test(everything_can_be_explained),
        cmocka_unit_test(compare_says_what_differs),
        cmocka_unit_test(json_is_json),
        cmocka_unit_test(the_list_has_a_line_a_rule),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
