/* SPDX-License-Identifier: BSD-2-Clause */
/* The way from a worker to who publishes: what was sent comes in order; what finds no room, or no reader, is counted as lost. */
#include "unit.h"

#include "app/handoff/report_queue.h"

struct road {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct report_queue queue;
};

static const struct smtpscope_flow flow = {.first_packet = 1};

static int setup(void **state)
{
    struct road *road = calloc(1, sizeof *road);

    assert_non_null(road);
    pthread_mutex_init(&road->lock, NULL);
    pthread_cond_init(&road->changed, NULL);
    report_queue_init(&road->queue, &road->lock, &road->changed);
    *state = road;
    return 0;
}

static int teardown(void **state)
{
    struct road *road = *state;

    report_queue_fini(&road->queue);
    pthread_cond_destroy(&road->changed);
    pthread_mutex_destroy(&road->lock);
    free(road);
    return 0;
}

/* A batch of reports with one message, of one digit. */
static struct report_batch *batch_with(struct road *road, unsigned digit)
{
    struct report_batch *batch = report_queue_batch(&road->queue);
    char octet = (char)('0' + digit % 10);

    assert_non_null(batch);
    assert_int_equal(report_buffer_count(&batch->buffer), 0);
    report_buffer_message(&batch->buffer, &flow,
                          &(struct delivery){.message = &(struct smtpscope_message){.mail_from = {&octet, 1}}});
    return batch;
}

static void message_is(void *ctx, const struct smtpscope_flow *of, const struct delivery *delivery)
{
    assert_int_equal(of->first_packet, flow.first_packet);
    assert_int_equal(delivery->message->mail_from.len, 1);
    assert_int_equal(delivery->message->mail_from.at[0], '0' + *(unsigned *)ctx % 10);
}

static void take(struct road *road, unsigned digit)
{
    struct report_batch *batch = report_queue_receive(&road->queue);

    assert_non_null(batch);
    buffered_report_deliver(report_buffer_at(&batch->buffer, 0), &(struct report_taker){.message = message_is, .ctx = &digit});
    report_queue_return(&road->queue, batch);
}

/* Full, with a batch of reports in the reader's hands, there still is one to fill; what comes on top is lost, and what is before it stays. */
static void test_full(void **state)
{
    struct road *road = *state;
    struct report_batch *taken;

    report_queue_send(&road->queue, batch_with(road, 0), false);
    taken = report_queue_receive(&road->queue);
    for (unsigned i = 1; i <= REPORT_QUEUE_LENGTH; i++) {
        assert_int_equal(report_queue_has_room(&road->queue), i <= REPORT_QUEUE_LENGTH / 2);
        report_queue_send(&road->queue, batch_with(road, i), false);
    }
    assert_int_equal(road->queue.lost, 0);
    for (unsigned i = 1; i <= 3; i++) {
        report_queue_send(&road->queue, batch_with(road, 5), false);
        assert_int_equal(road->queue.lost, i);
    }
    report_queue_return(&road->queue, taken);
    for (unsigned i = 1; i <= REPORT_QUEUE_LENGTH; i++)
        take(road, i);
    assert_null(report_queue_receive(&road->queue));
    assert_true(report_queue_has_room(&road->queue));
}

/* Who has ended reads what is under way; what is sent later is lost, without a wait for room. */
static void test_end(void **state)
{
    struct road *road = *state;

    report_queue_send(&road->queue, batch_with(road, 1), true);
    report_queue_end(&road->queue);
    assert_false(report_queue_is_done(&road->queue));
    take(road, 1);
    assert_true(report_queue_is_done(&road->queue));
    assert_null(report_queue_receive(&road->queue));
    for (unsigned i = 1; i <= REPORT_QUEUE_LENGTH + 1; i++) {
        report_queue_send(&road->queue, batch_with(road, i), true);
        assert_int_equal(road->queue.lost, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
