/* SPDX-License-Identifier: BSD-2-Clause */
/* The way from a worker to who publishes: what was sent comes in order; what finds no room, or no reader, is counted as lost. */
#include "unit.h"

#include "app/handoff/report_queue.h"

struct road {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct lane lane;
};

static const struct smtpscope_flow flow = {.first_packet = 1};

static int setup(void **state)
{
    struct road *road = calloc(1, sizeof *road);

    assert_non_null(road);
    pthread_mutex_init(&road->lock, NULL);
    pthread_cond_init(&road->changed, NULL);
    lane_init(&road->lane, &road->lock, &road->changed);
    *state = road;
    return 0;
}

static int teardown(void **state)
{
    struct road *road = *state;

    lane_fini(&road->lane);
    pthread_cond_destroy(&road->changed);
    pthread_mutex_destroy(&road->lock);
    free(road);
    return 0;
}

/* A parcel with one line, of one digit. */
static struct parcel *parcel_with(struct road *road, unsigned digit)
{
    struct parcel *parcel = lane_parcel(&road->lane);
    char octet = (char)('0' + digit % 10);

    assert_non_null(parcel);
    assert_int_equal(outbox_count(&parcel->outbox), 0);
    outbox_line(&parcel->outbox, &flow, 0, &(struct output_line){.at = &octet, .len = 1, .kind = "session"});
    return parcel;
}

static void line_is(void *ctx, const struct smtpscope_flow *of, size_t format, const struct output_line *line)
{
    (void)format;
    assert_int_equal(of->first_packet, flow.first_packet);
    assert_int_equal(line->len, 1);
    assert_int_equal(line->at[0], '0' + *(unsigned *)ctx % 10);
}

static void take(struct road *road, unsigned digit)
{
    struct parcel *parcel = lane_receive(&road->lane);

    assert_non_null(parcel);
    outbox_say(outbox_at(&parcel->outbox, 0), &(struct report){.line = line_is, .ctx = &digit});
    lane_return(&road->lane, parcel);
}

/* Full, with a parcel in the reader's hands, there still is one to fill; what comes on top is lost, and what is before it stays. */
static void test_full(void **state)
{
    struct road *road = *state;
    struct parcel *taken;

    lane_send(&road->lane, parcel_with(road, 0), false);
    taken = lane_receive(&road->lane);
    for (unsigned i = 1; i <= LANE_LENGTH; i++) {
        assert_int_equal(lane_has_room(&road->lane), i <= LANE_LENGTH / 2);
        lane_send(&road->lane, parcel_with(road, i), false);
    }
    assert_int_equal(road->lane.lost, 0);
    for (unsigned i = 1; i <= 3; i++) {
        lane_send(&road->lane, parcel_with(road, 5), false);
        assert_int_equal(road->lane.lost, i);
    }
    lane_return(&road->lane, taken);
    for (unsigned i = 1; i <= LANE_LENGTH; i++)
        take(road, i);
    assert_null(lane_receive(&road->lane));
    assert_true(lane_has_room(&road->lane));
}

/* Who has ended reads what is under way; what is sent later is lost, without a wait for room. */
static void test_end(void **state)
{
    struct road *road = *state;

    lane_send(&road->lane, parcel_with(road, 1), true);
    lane_end(&road->lane);
    assert_false(lane_is_done(&road->lane));
    take(road, 1);
    assert_true(lane_is_done(&road->lane));
    assert_null(lane_receive(&road->lane));
    for (unsigned i = 1; i <= LANE_LENGTH + 1; i++) {
        lane_send(&road->lane, parcel_with(road, i), true);
        assert_int_equal(road->lane.lost, i);
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
