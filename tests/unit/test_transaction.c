/* SPDX-License-Identifier: BSD-2-Clause */
/* Recipients of one transaction: so many are kept, all are counted. */
#include "unit.h"

#include "follow.h"

#define KEPT 2048u

struct seen {
    size_t messages, kept, total;
    char last[32]; /* the path of the last recipient that is kept */
};

static void seen_fact(void *ctx, const struct smtpscope_fact *fact)
{
    struct seen *seen = ctx;
    const struct smtpscope_message *message = fact->message;

    if (fact->type != SMTPSCOPE_FACT_MESSAGE)
        return;
    seen->messages++;
    seen->kept = message->recipient_count;
    seen->total = message->recipient_total;
    snprintf(seen->last, sizeof seen->last, "%.*s", (int)message->recipients[seen->kept - 1].path.len,
             message->recipients[seen->kept - 1].path.at);
}

static void say(struct follow *follow, enum smtpscope_side side, const char *text)
{
    follow_feed(follow, side, text, strlen(text), 0);
}

/* A transaction of `count` recipients, each answered before the next is named. */
static struct seen transaction_of(unsigned count)
{
    static struct follow follow;
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .fin = {true, true}, .seen = {true, true}};
    struct seen seen = {0};

    follow.fact = seen_fact;
    follow.ctx = &seen;
    follow_init(&follow, NULL, false);
    say(&follow, SMTPSCOPE_SERVER, "220 mx.example\r\n");
    say(&follow, SMTPSCOPE_CLIENT, "HELO c.example\r\n");
    say(&follow, SMTPSCOPE_SERVER, "250 mx.example\r\n");
    say(&follow, SMTPSCOPE_CLIENT, "MAIL FROM:<a@c.example>\r\n");
    say(&follow, SMTPSCOPE_SERVER, "250 ok\r\n");
    for (unsigned i = 0; i < count; i++) {
        char line[48];

        snprintf(line, sizeof line, "RCPT TO:<r%u@mx.example>\r\n", i);
        say(&follow, SMTPSCOPE_CLIENT, line);
        say(&follow, SMTPSCOPE_SERVER, i % 2 ? "250 ok\r\n" : "450 later\r\n");
    }
    ending.time = follow.time;
    ending.packet = follow.packet;
    follow_close(&follow, &ending);
    return seen;
}

static void test_recipients_kept(void **unused)
{
    struct seen seen = transaction_of(KEPT);

    (void)unused;
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.kept, KEPT);
    assert_int_equal(seen.total, KEPT);
    assert_string_equal(seen.last, "r2047@mx.example");
    seen = transaction_of(KEPT + 2);
    assert_int_equal(seen.messages, 1);
    assert_int_equal(seen.kept, KEPT);
    assert_int_equal(seen.total, KEPT + 2);
    assert_string_equal(seen.last, "r2047@mx.example");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recipients_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
