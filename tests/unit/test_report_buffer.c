/* SPDX-License-Identifier: BSD-2-Clause */
/* Sessions and messages that another thread takes later are what they were, however the buffer has moved meanwhile. */
#include "unit.h"

#include "app/handoff/report_buffer.h"

#define MESSAGES 200
#define RECIPIENTS 3

static const struct smtpscope_flow flow = {.first_packet = 7};

static struct smtpscope_text text_of(const char *text)
{
    return smtpscope_text_of(text);
}

static struct report_buffer *buffer_of(void *ctx)
{
    return ctx;
}

static void put_message(const struct report_taker *taker, unsigned number)
{
    char paths[RECIPIENTS][32], from[32], reply[64];
    struct smtpscope_recipient recipients[RECIPIENTS];
    struct smtpscope_message message = {
        .recipients = recipients, .recipient_count = number % (RECIPIENTS + 1), .size = number, .packet = number};

    snprintf(from, sizeof from, "from-%u", number);
    message.mail_from = text_of(from);
    for (size_t i = 0; i < message.recipient_count; i++) {
        snprintf(paths[i], sizeof paths[i], "to-%u-%zu", number, i);
        recipients[i] = (struct smtpscope_recipient){.path = text_of(paths[i]), .code = (uint16_t)(250 + i)};
    }
    snprintf(reply, sizeof reply, "ok\nqueued as Q%u", number);
    taker->message(taker->ctx, &flow,
                   &(struct delivery){.message = &message,
                                      .helo = text_of("me.example"),
                                      .reply = text_of(reply),
                                      .queue_id = text_of(strchr(reply, 'Q'))});
}

static void text_is(struct smtpscope_text text, const char *want)
{
    assert_int_equal(text.len, strlen(want));
    assert_memory_equal(text.at, want, text.len);
}

static void message_is(void *ctx, const struct smtpscope_flow *of, const struct delivery *delivery)
{
    const struct smtpscope_message *message = delivery->message;
    unsigned *number = ctx;
    char want[32];

    assert_int_equal(of->first_packet, flow.first_packet);
    assert_int_equal(message->size, *number);
    assert_int_equal(message->recipient_count, *number % (RECIPIENTS + 1));
    snprintf(want, sizeof want, "from-%u", *number);
    text_is(message->mail_from, want);
    for (size_t i = 0; i < message->recipient_count; i++) {
        snprintf(want, sizeof want, "to-%u-%zu", *number, i);
        text_is(message->recipients[i].path, want);
        assert_int_equal(message->recipients[i].code, 250 + i);
    }
    text_is(delivery->helo, "me.example");
    snprintf(want, sizeof want, "Q%u", *number);
    text_is(delivery->queue_id, want);
    assert_memory_equal(delivery->reply.at, "ok\nqueued as ", 13);
    ++*number;
}

/* Delivers all of it. */
static void deliver(struct report_buffer *buffer, const struct report_taker *taker)
{
    struct buffered_report *report;

    for (size_t at = 0; (report = report_buffer_at(buffer, at)); at += report->size)
        buffered_report_deliver(report, taker);
}

static void test_messages(void **state)
{
    struct report_buffer buffer = {0};
    struct report_packer packer = {.buffer = buffer_of, .ctx = &buffer};
    struct report_taker taker = report_packer_taker(&packer);

    (void)state;
    for (unsigned i = 0; i < MESSAGES; i++)
        put_message(&taker, i);
    assert_int_equal(report_buffer_count(&buffer), MESSAGES);
    for (unsigned turn = 0; turn < 2; turn++) {
        unsigned number = 0;

        deliver(&buffer, &(struct report_taker){.message = message_is, .ctx = &number});
        assert_int_equal(number, MESSAGES);
    }
    report_buffer_fini(&buffer);
}

static void session_is(void *ctx, const struct smtpscope_flow *of, struct transcript *transcript)
{
    assert_int_equal(of->first_packet, flow.first_packet);
    assert_int_equal(transcript->exchange_count, 2);
    text_is(transcript_text(transcript, transcript->exchanges[0].command), "MAIL");
    text_is(transcript_text(transcript, transcript->exchanges[0].reply), "ok");
    assert_true(transcript->exchanges[0].answered);
    text_is(transcript_text(transcript, transcript->exchanges[1].command), "RCPT");
    assert_false(transcript->exchanges[1].answered);
    assert_int_equal(transcript->gap_count, 1);
    assert_int_equal(transcript->gaps[0].len, 20);
    assert_int_equal(transcript->ending.why, SMTPSCOPE_CLOSE_IDLE);
    assert_int_equal(transcript->octets_seen[SMTPSCOPE_SERVER], 22);
    ++*(unsigned *)ctx;
}

static void test_session(void **state)
{
    struct smtpscope_command mail = {.verb = SMTPSCOPE_VERB_MAIL}, rcpt = {.verb = SMTPSCOPE_VERB_RCPT};
    struct smtpscope_reply reply = {.code = 250, .text = text_of("ok")};
    struct smtpscope_exchange exchange = {.command = &mail, .reply = &reply};
    struct smtpscope_gap gap = {.side = SMTPSCOPE_SERVER, .offset = 100, .len = 20};
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_IDLE};
    struct smtpscope_end end = {.ending = &ending, .octets = {11, 22}};
    struct transcript *transcript = transcript_new(), *empty = transcript_new();
    struct report_buffer buffer = {0};
    unsigned count = 0;

    (void)state;
    transcript_fact(transcript, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_EXCHANGE, .exchange = &exchange});
    transcript_fact(transcript, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_GAP, .gap = &gap});
    transcript_fact(transcript, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_UNANSWERED, .command = &rcpt});
    transcript_fact(transcript, &(struct smtpscope_fact){.type = SMTPSCOPE_FACT_END, .end = &end});
    report_buffer_session(&buffer, &flow, transcript);
    report_buffer_session(&buffer, &flow, transcript);
    transcript_free(transcript);
    deliver(&buffer, &(struct report_taker){.session = session_is, .ctx = &count});
    assert_int_equal(count, 2);
    report_buffer_clear(&buffer);
    report_buffer_session(&buffer, &flow, empty);
    assert_int_equal(report_buffer_count(&buffer), 1);
    transcript_free(empty);
    report_buffer_fini(&buffer);
}

/* A finding that was told and has not changed is no news. */
static void test_no_news(void **state)
{
    struct smtpscope_finding finding = {.detail_text = "", .command = "", .argument = "", .text = "", .told = true};
    struct report_buffer buffer = {0};
    struct report_packer packer = {.buffer = buffer_of, .ctx = &buffer};
    struct report_taker taker = report_packer_taker(&packer);

    (void)state;
    taker.finding(taker.ctx, &finding);
    assert_int_equal(report_buffer_count(&buffer), 0);
    finding.changed = true;
    taker.finding(taker.ctx, &finding);
    assert_int_equal(report_buffer_count(&buffer), 1);
    report_buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
