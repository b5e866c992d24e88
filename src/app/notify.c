/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/notify.h"

#include "base/clock.h"

#include <stdbool.h>
#include <systemd/sd-daemon.h>

#define NANOSECONDS_A_MICROSECOND 1000

/* Without a manager, and when it does not listen, there is nobody to tell of it. */
static void tell(const char *state, const char *status)
{
    sd_notifyf(false, "%s%s%s", state, status ? "\nSTATUS=" : "", status ? status : "");
}

void notify_ready(const char *status)
{
    tell("READY=1", status);
}

/* Managers from 253 on want to know when. */
void notify_reloading(void)
{
    sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(clock_monotonic() / NANOSECONDS_A_MICROSECOND));
}

void notify_stopping(const char *status)
{
    tell("STOPPING=1", status);
}

void notify_watchdog(void)
{
    sd_notify(false, "WATCHDOG=1");
}

smtpscope_time notify_watchdog_interval(void)
{
    uint64_t microseconds = 0;

    return sd_watchdog_enabled(false, &microseconds) > 0 ? (smtpscope_time)microseconds * NANOSECONDS_A_MICROSECOND : 0;
}
