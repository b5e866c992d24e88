/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time of packets, by the clock that the kernel stamps them with, and whether that clock was set.
 *
 * Setting CLOCK_REALTIME is the one thing that moves it against CLOCK_MONOTONIC: both are slewed alike. So a stamp that jumps
 * is a step of the clock when that distance has changed too. When it has not, packets have waited in a ring, or two interfaces'
 * rings are read in turns.
 */
#ifndef APP_LIVE_PACKET_CLOCK_H
#define APP_LIVE_PACKET_CLOCK_H

#include "smtpscope/types.h"

#include <stdbool.h>

/* Stamps further apart than this are looked into, and steps that are smaller harm nothing that waits. */
#define PACKET_CLOCK_STEP SMTPSCOPE_SECOND

/* Both clocks at the same moment. */
struct clock_reading {
    smtpscope_time real, monotonic;
};

struct packet_clock {
    struct clock_reading (*read)(void);
    smtpscope_time packet;    /* of the last one */
    smtpscope_time monotonic; /* when that was handled, about */
    smtpscope_time distance;  /* from the monotonic clock to the real one, as far as told */
};

/* Packets begin now. `read` is packet_clock_read() but in tests. */
void packet_clock_init(struct packet_clock *clock, struct clock_reading (*read)(void));
struct clock_reading packet_clock_read(void);

/* By how much the clock was set since this was last asked; 0 when it was not, or by less than a step. */
smtpscope_time packet_clock_stepped(struct packet_clock *clock);

/* A packet was stamped `time`. By how much the clock was set, if that is how its stamp came to be; else 0. */
static inline smtpscope_time packet_clock_packet(struct packet_clock *clock, smtpscope_time time)
{
    bool jumps = time < clock->packet - PACKET_CLOCK_STEP || time > clock->packet + PACKET_CLOCK_STEP;

    if (jumps || time > clock->packet)
        clock->packet = time;
    return jumps ? packet_clock_stepped(clock) : 0;
}

/* No packet waits, and none has come for a while: by how much the clock was set meanwhile, or 0. */
smtpscope_time packet_clock_idle(struct packet_clock *clock);

/* The packets so far were handled by `monotonic`. */
static inline void packet_clock_handled(struct packet_clock *clock, smtpscope_time monotonic)
{
    clock->monotonic = monotonic;
}

/* The time of a packet that would come at `monotonic`, as far as is known. */
static inline smtpscope_time packet_clock_at(const struct packet_clock *clock, smtpscope_time monotonic)
{
    return clock->packet + monotonic - clock->monotonic;
}

#endif
