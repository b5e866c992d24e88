/* SPDX-License-Identifier: BSD-2-Clause */
/* Packet time: see now_advance(). */
#include "flow.h"

static bool leap_is_agreed(const struct smtpscope_streams *streams, smtpscope_time time)
{
    smtpscope_time ahead = time - streams->leap;

    return streams->leap && ahead && ahead < LEAP && ahead > -LEAP;
}

void now_leap(struct smtpscope_streams *streams, smtpscope_time time)
{
    bool first = !streams->now;

    if (first || leap_is_agreed(streams, time)) {
        streams->now = time;
        streams->leap = 0;
    } else {
        streams->leap = time;
    }
}
