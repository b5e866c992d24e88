/* SPDX-License-Identifier: BSD-2-Clause */
/* The order in which what several workers say is published, whatever the pace of each. */
#include "unit.h"

#include "app/handoff/report_merge.h"

#include <stdlib.h>
#include <time.h>

#define SPEAKERS 3
/* Reports of one speaker: more batches of reports than a queue holds. */
#define REPORTS 5000

struct speaker {
    pthread_t thread;
    struct report_queue queue;
    unsigned index;
    bool flush; /* all it says is about one packet, in the order of flows, as at the end of a capture */
};

struct hall {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct speaker speakers[SPEAKERS];
    struct report_merge merge;
    uint64_t last, count;
};

/* What the speaker says as its `number`th report: those of all speakers together are 1, 2, 3 ... */
static uint64_t report_of(const struct speaker *speaker, unsigned number)
{
    return (uint64_t)number * SPEAKERS + speaker->index + 1;
}

static void say(struct report_buffer *buffer, const struct speaker *speaker, uint64_t report)
{
    struct smtpscope_flow flow = {.first_packet = report};

    buffer->now = (struct report_key){.packet = speaker->flush ? UINT64_MAX : report};
    report_buffer_message(buffer, &flow, &(struct delivery){.message = &(struct smtpscope_message){.size = 1}});
}

static void *speak(void *ctx)
{
    struct speaker *speaker = ctx;
    struct report_batch *batch = report_queue_batch(&speaker->queue);
    unsigned chance = speaker->index + 1;

    for (unsigned i = 0; i < REPORTS; i++) {
        say(&batch->buffer, speaker, report_of(speaker, i));
        chance = chance * 1103515245 + 12345;
        if (chance >> 16 & 3)
            continue;
        batch->until = speaker->flush ? UINT64_MAX : report_of(speaker, i) + 1;
        report_queue_send(&speaker->queue, batch, true);
        batch = report_queue_batch(&speaker->queue);
    }
    batch->until = UINT64_MAX;
    report_queue_send(&speaker->queue, batch, true);
    report_queue_end(&speaker->queue);
    return NULL;
}

static void heard(void *ctx, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    struct hall *hall = ctx;

    (void)delivery;
    assert_int_equal(flow->first_packet, hall->last + 1);
    hall->last = flow->first_packet;
    hall->count++;
}

static void hall_open(struct hall *hall, bool exact)
{
    *hall = (struct hall){.merge.exact = exact};
    pthread_mutex_init(&hall->lock, NULL);
    pthread_cond_init(&hall->changed, NULL);
    for (unsigned i = 0; i < SPEAKERS; i++) {
        hall->speakers[i].index = i;
        report_queue_init(&hall->speakers[i].queue, &hall->lock, &hall->changed);
        report_merge_add(&hall->merge, &hall->speakers[i].queue);
    }
}

static void hall_close(struct hall *hall)
{
    report_merge_fini(&hall->merge);
    for (unsigned i = 0; i < SPEAKERS; i++)
        report_queue_fini(&hall->speakers[i].queue);
}

static void all_is_heard_in_order(bool flush)
{
    struct hall *hall = malloc(sizeof *hall);
    struct report_taker report = {.message = heard, .ctx = hall};

    assert_non_null(hall);
    hall_open(hall, true);
    for (unsigned i = 0; i < SPEAKERS; i++) {
        hall->speakers[i].flush = flush;
        assert_int_equal(pthread_create(&hall->speakers[i].thread, NULL, speak, &hall->speakers[i]), 0);
    }
    for (bool done = false; !done;) {
        if (report_merge_publish(&hall->merge, &report))
            continue;
        done = report_merge_is_done(&hall->merge);
        if (!done)
            report_merge_wait(&hall->merge, NULL);
    }
    for (unsigned i = 0; i < SPEAKERS; i++) {
        pthread_join(hall->speakers[i].thread, NULL);
        assert_int_equal(hall->speakers[i].queue.lost, 0);
    }
    assert_int_equal(hall->count, (uint64_t)SPEAKERS * REPORTS);
    hall_close(hall);
    free(hall);
}

static void test_order(void **state)
{
    (void)state;
    all_is_heard_in_order(false);
}

static void test_order_at_the_end(void **state)
{
    (void)state;
    all_is_heard_in_order(true);
}

static void send_one(struct speaker *speaker, uint64_t packet, uint64_t until)
{
    struct report_batch *batch = report_queue_batch(&speaker->queue);

    if (packet)
        say(&batch->buffer, speaker, packet);
    batch->until = until;
    report_queue_send(&speaker->queue, batch, false);
}

/* A report waits for the others to be past its packet; empty batches of reports say so. */
static void test_waits_for_others(void **state)
{
    struct hall *hall = malloc(sizeof *hall);
    struct report_taker report = {.message = heard, .ctx = hall};

    (void)state;
    assert_non_null(hall);
    hall_open(hall, false);
    send_one(&hall->speakers[1], 1, 5);
    assert_false(report_merge_publish(&hall->merge, &report));
    send_one(&hall->speakers[0], 0, 2);
    assert_false(report_merge_publish(&hall->merge, &report));
    send_one(&hall->speakers[2], 0, 1);
    assert_false(report_merge_publish(&hall->merge, &report));
    send_one(&hall->speakers[2], 0, 2);
    assert_true(report_merge_publish(&hall->merge, &report));
    assert_int_equal(hall->count, 1);
    hall_close(hall);
    free(hall);
}

/* ... but live not for ever: when a queue fills up, what it holds is told. */
static void test_gives_up(void **state)
{
    struct hall *hall = malloc(sizeof *hall);
    struct report_taker report = {.message = heard, .ctx = hall};

    (void)state;
    assert_non_null(hall);
    hall_open(hall, false);
    for (unsigned i = 1; i <= REPORT_QUEUE_LENGTH / 2; i++) {
        assert_false(report_merge_publish(&hall->merge, &report));
        send_one(&hall->speakers[0], i, i + 1);
        /* The first stays in the reader's hands. */
    }
    send_one(&hall->speakers[0], REPORT_QUEUE_LENGTH / 2 + 1, REPORT_QUEUE_LENGTH);
    assert_true(report_merge_publish(&hall->merge, &report));
    assert_int_equal(hall->count, REPORT_QUEUE_LENGTH / 2 + 1);
    hall_close(hall);
    free(hall);
}

/* More reports than one turn says by any measure. */
#define ENDLESS 100000

/* Each report that is heard brings the next one. */
static void heard_by_a_chatterbox(void *ctx, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    struct hall *hall = ctx;

    heard(hall, flow, delivery);
    if (hall->count < ENDLESS)
        send_one(&hall->speakers[0], hall->count + 1, hall->count + 2);
}

/* Whoever publishes has other things to do, however much there is to say. */
static void test_a_turn_ends(void **state)
{
    struct hall *hall = malloc(sizeof *hall);
    struct report_taker report = {.message = heard_by_a_chatterbox, .ctx = hall};

    (void)state;
    assert_non_null(hall);
    hall_open(hall, true);
    for (unsigned i = 1; i < SPEAKERS; i++)
        report_queue_end(&hall->speakers[i].queue);
    send_one(&hall->speakers[0], 1, 2);
    assert_true(report_merge_publish(&hall->merge, &report));
    assert_between(hall->count, 1, ENDLESS - 1);
    while (hall->count < ENDLESS)
        assert_true(report_merge_publish(&hall->merge, &report));
    hall_close(hall);
    free(hall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),    cmocka_unit_test(test_order_at_the_end), cmocka_unit_test(test_waits_for_others),
        cmocka_unit_test(test_gives_up), cmocka_unit_test(test_a_turn_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
