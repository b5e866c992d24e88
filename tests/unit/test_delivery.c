/* SPDX-License-Identifier: BSD-2-Clause */
/* The names by which servers know a message; that tries to deliver one are told is for the dialogues message-*. */
#include "unit.h"

#include "output/delivery.h"
#include "output/queue_id.h"

static const struct {
    const char *label, *reply, *want;
} rows[] = {
    {"Postfix", "Ok: queued as 4B2FA1C3D", "4B2FA1C3D"},
    {"Postfix, long ids", "Ok: queued as 4XyZ1a2B3cz4Fq", "4XyZ1a2B3cz4Fq"},
    {"a filter in front of Postfix", "from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 1A2B3C", "1A2B3C"},
    {"Exim", "OK id=1rTzNt-0004gh-2j", "1rTzNt-0004gh-2j"},
    {"Exim, by PRDR", "id=1xYHZY-0008U3-2z message accepted", "1xYHZY-0008U3-2z"},
    {"inside another word", "grid=7 accepted", ""},
    {"Sendmail", "41AKx7bq012345 Message accepted for delivery", "41AKx7bq012345"},
    {"OpenSMTPD", "7a1b2c3d Message accepted for delivery", "7a1b2c3d"},
    {"Exchange",
     "<20260101.1@x.example> [InternalId=77309411328, Hostname=A.B.prod.outlook.com] 8123 bytes in 0.2 Queued mail for "
     "delivery",
     "77309411328"},
    {"Gmail", "OK  1700000000 af79cd13be357-783b7a4f5d2si123456785a.4 - gsmtp", "af79cd13be357-783b7a4f5d2si123456785a.4"},
    {"qmail", "ok 1700000000 qp 12345", "12345"},
    {"Haraka", "Message Queued (5F2A9E8C-1D3B-4C7A-9E2F-1234567890AB.1)", "5F2A9E8C-1D3B-4C7A-9E2F-1234567890AB.1"},
    {"in the second line", "thank you\nqueued as X1", "X1"},
    {"a full stop behind it", "queued as X1.", "X1"},
    {"no name", "Message accepted for delivery", ""},
    {"no name behind the words", "queued as ", ""},
    {"other words", "Ok, mail was piped", ""},
    {"nothing", "", ""},
};

static void test_queue_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct smtpscope_text got = queue_id(smtpscope_text_of(rows[i].reply));

        if (got.len != strlen(rows[i].want) || memcmp(got.at, rows[i].want, got.len))
            fail_msg("%s: '%.*s', want '%s'", rows[i].label, (int)got.len, got.at, rows[i].want);
    }
}

/* What is longer than any name is none. */
static void test_long(void **state)
{
    char reply[1000] = "queued as ";

    (void)state;
    memset(reply + strlen(reply), 'x', sizeof reply - 1 - strlen(reply));
    reply[sizeof reply - 1] = '\0';
    assert_int_equal(queue_id(smtpscope_text_of(reply)).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_ids),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
