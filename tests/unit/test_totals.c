/* SPDX-License-Identifier: BSD-2-Clause */
/* What the workers of a live run have counted, as one. */
#include "unit.h"

#include "app/handoff/totals.h"

static void test_totals(void **state)
{
    const struct totals workers[] = {
        {.summary = {.packets = 1, .first_time = 20, .last_time = 30},
         .capture = {.received = 5, .dropped = 1, .clock_steps = 2, .lost = 3}},
        {.capture = {.clock_steps = 1}}, /* it has seen no packet, and has yet to notice the second step */
        {.summary = {.packets = 2, .first_time = 10, .last_time = 25},
         .capture = {.received = 7, .dropped = 2, .clock_steps = 2}},
    };
    struct totals all = {0};

    (void)state;
    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++)
        totals_add(&all, &workers[i]);
    assert_int_equal(all.summary.packets, 3);
    assert_int_equal(all.summary.first_time, 10);
    assert_int_equal(all.summary.last_time, 30);
    assert_int_equal(all.capture.received, 12);
    assert_int_equal(all.capture.dropped, 3);
    assert_int_equal(all.capture.lost, 3);
    assert_int_equal(all.capture.clock_steps, 2); /* the machine has one clock */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
