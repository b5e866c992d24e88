/* SPDX-License-Identifier: BSD-2-Clause */
/* The clock of packets: what is a step of the machine's clock, and what only looks like one. */
#include "unit.h"

#include "app/live/packet_clock.h"

#define SECOND SMTPSCOPE_SECOND
#define BEGIN (1700000000 * SECOND)

/* The machine: `passed` since it was started, and what its clock shows then. */
static struct clock_reading machine;

static struct clock_reading machine_read(void)
{
    return machine;
}

static void pass(smtpscope_time span)
{
    machine.real += span;
    machine.monotonic += span;
}

static void set_clock(smtpscope_time delta)
{
    machine.real += delta;
}

static struct packet_clock begin(void)
{
    struct packet_clock clock;

    machine = (struct clock_reading){.real = BEGIN, .monotonic = 5000 * SECOND};
    packet_clock_init(&clock, machine_read);
    return clock;
}

/* A packet that is stamped now, and handled at once. */
static smtpscope_time packet(struct packet_clock *clock)
{
    smtpscope_time delta = packet_clock_packet(clock, machine.real);

    packet_clock_handled(clock, machine.monotonic);
    return delta;
}

static void test_runs_on(void **state)
{
    struct packet_clock clock = begin();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        pass(SECOND / 100 * i);
        assert_int_equal(packet(&clock), 0);
    }
    assert_int_equal(packet_clock_idle(&clock), 0);
    assert_int_equal(packet_clock_at(&clock, machine.monotonic), machine.real);
}

static void test_set(void **state)
{
    static const smtpscope_time steps[] = {-10 * SECOND, 10 * SECOND, 3600 * SECOND, -86400 * SECOND, 2 * SECOND};

    (void)state;
    for (size_t i = 0; i < unit_count(steps); i++) {
        struct packet_clock clock = begin();

        packet(&clock);
        pass(SECOND / 2);
        set_clock(steps[i]);
        assert_int_equal(packet(&clock), steps[i]);
        assert_int_equal(packet(&clock), 0);
        assert_int_equal(packet_clock_at(&clock, machine.monotonic + SECOND), machine.real + SECOND);
        set_clock(-steps[i]);
        assert_int_equal(packet(&clock), -steps[i]);
        assert_int_equal(packet_clock_idle(&clock), 0);
    }
}

/* Back by as long as nothing came: no stamp shows it. */
static void test_set_while_idle(void **state)
{
    struct packet_clock clock = begin();

    (void)state;
    packet(&clock);
    pass(10 * SECOND);
    set_clock(-10 * SECOND);
    assert_int_equal(packet_clock_idle(&clock), -10 * SECOND);
    assert_int_equal(packet_clock_at(&clock, machine.monotonic), machine.real);
    assert_int_equal(packet_clock_idle(&clock), 0);
    pass(SECOND / 2);
    assert_int_equal(packet(&clock), 0);
}

/* Small ones are no step, but what they come to is. */
static void test_small_steps(void **state)
{
    struct packet_clock clock = begin();
    smtpscope_time told = 0;

    (void)state;
    for (int i = 0; i < 10; i++) {
        set_clock(-SECOND / 4);
        pass(SECOND / 100);
        told += packet(&clock) + packet_clock_idle(&clock);
    }
    assert_between(-told, 2 * SECOND, 3 * SECOND);
}

/* Minutes without a packet, packets that have waited in the ring while the worker was away, and another ring's behind them. */
static void test_no_step(void **state)
{
    struct packet_clock clock = begin();
    smtpscope_time stamp;

    (void)state;
    packet(&clock);
    pass(600 * SECOND);
    assert_int_equal(packet(&clock), 0);
    stamp = machine.real;
    pass(30 * SECOND);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(packet_clock_packet(&clock, stamp + SECOND / 100 * i), 0);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(packet_clock_packet(&clock, stamp + SECOND * i), 0);
        assert_int_equal(packet_clock_packet(&clock, stamp + SECOND * (30 - i)), 0);
    }
    packet_clock_handled(&clock, machine.monotonic);
    assert_int_equal(packet_clock_idle(&clock), 0);
}

/* One of two rings has not been read since before the clock was set: told once. */
static void test_set_with_two_rings(void **state)
{
    struct packet_clock clock = begin();
    smtpscope_time before = machine.real;

    (void)state;
    packet(&clock);
    pass(SECOND / 2);
    set_clock(3600 * SECOND);
    assert_int_equal(packet(&clock), 3600 * SECOND);
    assert_int_equal(packet_clock_packet(&clock, before + SECOND / 4), 0);
    assert_int_equal(packet(&clock), 0);
}

static void test_real(void **state)
{
    struct packet_clock clock;

    (void)state;
    packet_clock_init(&clock, packet_clock_read);
    assert_true(clock.packet > BEGIN);
    assert_int_equal(packet_clock_stepped(&clock), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_on),     cmocka_unit_test(test_set),     cmocka_unit_test(test_set_while_idle),
        cmocka_unit_test(test_small_steps), cmocka_unit_test(test_no_step), cmocka_unit_test(test_set_with_two_rings),
        cmocka_unit_test(test_real),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
