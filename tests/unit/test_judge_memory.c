/* SPDX-License-Identifier: BSD-2-Clause */
/* What the judge remembers is forgotten by lifetimes: all of one, and nothing of another. */
#include "unit.h"

#include "rules/memory.h"

#define SET 0xa5

static const struct smtpscope_judge_config config = {.allocator = NULL};

/* A judge that remembers something everywhere. */
static struct smtpscope_judge *judge_full(void)
{
    struct smtpscope_judge *judge = smtpscope_judge_new(&config);

    assert_non_null(judge);
    assert_non_null(memory_begin(judge));
    memset(&judge->memory->session, SET, sizeof judge->memory->session);
    memset(&judge->memory->transaction, SET, sizeof judge->memory->transaction);
    memset(&judge->memory->last, SET, sizeof judge->memory->last);
    memset(&judge->transaction, SET, sizeof judge->transaction);
    memset(&judge->session, SET, sizeof judge->session);
    return judge;
}

static bool is_all(const void *at, size_t size, unsigned char octet)
{
    const unsigned char *octets = at;

    while (size && octets[size - 1] == octet)
        size--;
    return size == 0;
}
#define IS_ALL(part, octet) is_all(&(part), sizeof(part), octet)

static void test_transaction(void **unused)
{
    struct smtpscope_judge *judge = judge_full();

    (void)unused;
    transaction_forget(judge);
    assert_true(IS_ALL(judge->transaction, 0) && IS_ALL(judge->memory->transaction, 0));
    assert_true(IS_ALL(judge->session, SET) && IS_ALL(judge->memory->session, SET) && IS_ALL(judge->memory->last, SET));
    smtpscope_judge_free(judge);
}

static void test_exchange(void **unused)
{
    struct smtpscope_judge *judge = judge_full();

    (void)unused;
    exchange_forget(judge);
    assert_true(IS_ALL(judge->memory->last, 0));
    assert_true(IS_ALL(judge->transaction, SET) && IS_ALL(judge->memory->transaction, SET));
    assert_true(IS_ALL(judge->session, SET) && IS_ALL(judge->memory->session, SET));
    smtpscope_judge_free(judge);
}

/* Without a memory there is nothing to forget in it, and what is read is nothing. */
static void test_none(void **unused)
{
    struct smtpscope_judge *judge = smtpscope_judge_new(&config);

    (void)unused;
    assert_non_null(judge);
    judge->transaction.recipients = 7;
    exchange_forget(judge);
    transaction_forget(judge);
    assert_null(judge->memory);
    assert_int_equal(judge->transaction.recipients, 0);
    assert_true(IS_ALL(memory_of(judge)->session, 0) && !is_alien(judge));
    smtpscope_judge_free(judge);
}

/* A note changes by what a revision names, and by nothing else; and only where there is such a note. */
static void test_revision(void **unused)
{
    struct smtpscope_judge *judge = smtpscope_judge_new(&config);
    const struct claim claim = {.rule = SMTPSCOPE_RULE_DATA_SMUGGLING,
                                .detail = SMTPSCOPE_DETAIL_LOOKALIKE,
                                .detail_text = smtpscope_text_of("LF.LF"),
                                .detail_number = 3,
                                .reason = SMTPSCOPE_REASON_POLICY,
                                .fault = SMTPSCOPE_FAULT_CLIENT};
    const struct smtpscope_finding *finding;
    uint16_t id;

    (void)unused;
    assert_non_null(judge);
    id = note_add(judge, &claim);
    finding = note_find(judge, id);
    assert_non_null(finding);
    note_revise(judge, id, &(struct revision){0});
    assert_true(finding->severity == SMTPSCOPE_WARNING && finding->verdict == SMTPSCOPE_VERDICT_NONE &&
                finding->reason == SMTPSCOPE_REASON_POLICY && finding->detail == SMTPSCOPE_DETAIL_LOOKALIKE &&
                finding->detail_number == 3 && finding->count == 1);
    note_revise(judge, id,
                &(struct revision){.severity = SEVERITY(ERROR),
                                   .verdict = SMTPSCOPE_VERDICT_TOLERATED,
                                   .detail = SMTPSCOPE_DETAIL_LOOKALIKE_TAKEN,
                                   .detail_more = 4});
    assert_true(finding->severity == SMTPSCOPE_ERROR && finding->verdict == SMTPSCOPE_VERDICT_TOLERATED &&
                finding->reason == SMTPSCOPE_REASON_POLICY && finding->detail == SMTPSCOPE_DETAIL_LOOKALIKE_TAKEN &&
                finding->detail_number == 7 && finding->count == 1 && finding->fault == SMTPSCOPE_FAULT_CLIENT);
    note_revise(judge, id + 1, &(struct revision){.severity = SEVERITY(INFO)});
    note_revise(judge, 0, &(struct revision){.severity = SEVERITY(INFO)});
    assert_int_equal(finding->severity, SMTPSCOPE_ERROR);
    assert_null(note_find(judge, 0));
    assert_null(note_find(judge, id + 1));
    assert_false(note_fold(judge, id + 1, 0));
    smtpscope_judge_free(judge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transaction),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_revision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
