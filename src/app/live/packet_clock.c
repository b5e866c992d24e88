/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/live/packet_clock.h"

#include "base/clock.h"

/* Both clocks are read within less than this: a small part of a step. */
#define READING_MAX (PACKET_CLOCK_STEP / 10)

/* A thread that was held up between reading the two clocks has read neither. */
struct clock_reading packet_clock_read(void)
{
    struct clock_reading now;

    do {
        now.monotonic = clock_monotonic();
        now.real = clock_read(CLOCK_REALTIME);
    } while (clock_monotonic() - now.monotonic > READING_MAX);
    return now;
}

void packet_clock_init(struct packet_clock *clock, struct clock_reading (*read)(void))
{
    struct clock_reading now = read();

    *clock = (struct packet_clock){
        .read = read, .packet = now.real, .monotonic = now.monotonic, .distance = now.real - now.monotonic};
}

smtpscope_time packet_clock_stepped(struct packet_clock *clock)
{
    struct clock_reading now = clock->read();
    smtpscope_time delta = now.real - now.monotonic - clock->distance;

    if (delta > -PACKET_CLOCK_STEP && delta < PACKET_CLOCK_STEP)
        return 0;
    clock->distance += delta;
    return delta;
}

smtpscope_time packet_clock_idle(struct packet_clock *clock)
{
    smtpscope_time delta = packet_clock_stepped(clock);

    clock->packet += delta;
    return delta;
}
