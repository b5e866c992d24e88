/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock that stamps the octets is set while replies are awaited: how long they took stays true. */
#include "test_session.h"

#define HOUR (3600 * SMTPSCOPE_SECOND)

struct waits {
    struct log log;
    unsigned replies, wrong;
};

/* Each reply comes two seconds after its command. */
static void waits_fact(void *ctx, const struct smtpscope_fact *fact)
{
    struct waits *waits = ctx;

    if (fact->type != SMTPSCOPE_FACT_EXCHANGE || fact->exchange->greeting)
        return;
    waits->replies++;
    waits->wrong += fact->exchange->reply->time - fact->exchange->command->time != 2 * SMTPSCOPE_SECOND;
}

static void waits_finding(void *ctx, const struct smtpscope_finding *finding)
{
    log_finding(&((struct waits *)ctx)->log, finding);
}

static void say(struct follow *follow, char side, const char *text)
{
    struct step step = {.side = side, .text = text};

    step_feed(follow, &step, 0);
}

/* `jump`: what the clock is set by while commands wait; `told`: the session is told of it. */
static void dialogue(struct waits *waits, smtpscope_time jump, bool told)
{
    static struct follow follow;
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .fin = {true, true}, .seen = {true, true}};

    *waits = (struct waits){0};
    follow.fact = waits_fact;
    follow.finding = waits_finding;
    follow.ctx = waits;
    follow_init(&follow, NULL, false);
    follow.time = 100 * HOUR;
    say(&follow, 'S', "220 mx.example ESMTP\r\n");
    say(&follow, 'C', "EHLO c.example\r\n");
    follow.time += 2 * SMTPSCOPE_SECOND;
    say(&follow, 'S', "250-mx.example\r\n250 PIPELINING\r\n");
    say(&follow, 'C', "MAIL FROM:<a@c.example>\r\nRCPT TO:<b@mx.example>\r\n");
    follow.time += SMTPSCOPE_SECOND;
    say(&follow, 'C', "RCPT TO:<c@mx.example>\r\n"); /* of another time than the queue's first */
    follow.time += jump;
    if (told)
        smtpscope_session_clock_stepped(follow.session, jump);
    follow.time += SMTPSCOPE_SECOND;
    say(&follow, 'S', "250 ok\r\n250 ok\r\n");
    follow.time += SMTPSCOPE_SECOND;
    say(&follow, 'S', "250 ok\r\n");
    say(&follow, 'C', "QUIT\r\n");
    follow.time += 2 * SMTPSCOPE_SECOND;
    say(&follow, 'S', "221 bye\r\n");
    ending.time = ending.fin_time = follow.time;
    follow_close(&follow, &ending);
}

static void test_set_while_replies_are_awaited(void **unused)
{
    static const smtpscope_time jumps[] = {HOUR, -HOUR, 0};
    static struct waits waits;

    (void)unused;
    for (size_t i = 0; i < unit_count(jumps); i++) {
        dialogue(&waits, jumps[i], true);
        assert_int_equal(waits.replies, 5);
        assert_int_equal(waits.wrong, 0);
        assert_null(strstr(waits.log.rules, "reply.late"));
    }
}

/* What passes without a word of the clock has passed. */
static void test_an_hour_is_an_hour(void **unused)
{
    static struct waits waits;

    (void)unused;
    dialogue(&waits, HOUR, false);
    assert_int_equal(waits.wrong, 3);
    assert_non_null(strstr(waits.log.rules, "reply.late"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_while_replies_are_awaited),
        cmocka_unit_test(test_an_hour_is_an_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
