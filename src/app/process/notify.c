/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sd_notify(3) waits where the manager does not read, and who publishes must wait for nobody: so the datagrams are sent here. The
 * manager has to be told of a reload's end, though; that is tried again.
 */
#include "app/process/notify.h"

#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define NANOSECONDS_A_MICROSECOND 1000
#define STATE_MAX 256

/* What the manager had no room for. */
static bool ready_due;

/* The manager's socket, a path or a name behind @. 0: there is none. */
static socklen_t manager_address(struct sockaddr_un *address)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (len < 2 || len >= sizeof address->sun_path || (*path != '/' && *path != '@'))
        return 0;
    memcpy(address->sun_path, path, len);
    if (*path == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/* false: the manager has no room now. Without one, and when it is gone, there is nobody to tell. */
static bool tell(const char *state)
{
    struct sockaddr_un address;
    socklen_t len = manager_address(&address);
    int fd = len ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    bool told;

    if (fd < 0)
        return true;
    told = sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address, len) >= 0 ||
           errno != EAGAIN;
    close(fd);
    return told;
}

static bool tell_with_status(const char *state, const char *status)
{
    char text[STATE_MAX];

    snprintf(text, sizeof text, "%s%s%s", state, status ? "\nSTATUS=" : "", status ? status : "");
    return tell(text);
}

void notify_ready(const char *status)
{
    ready_due = !tell_with_status("READY=1", status);
}

/* Managers from 253 on want to know when. */
void notify_reloading(void)
{
    char text[STATE_MAX];

    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
             (unsigned long long)(clock_monotonic() / NANOSECONDS_A_MICROSECOND));
    tell(text);
}

void notify_stopping(const char *status)
{
    tell_with_status("STOPPING=1", status);
}

void notify_watchdog(void)
{
    tell("WATCHDOG=1");
}

void notify_again(void)
{
    if (ready_due)
        notify_ready(NULL);
}

smtpscope_time notify_watchdog_interval(void)
{
    uint64_t microseconds = 0;

    return sd_watchdog_enabled(false, &microseconds) > 0 ? (smtpscope_time)microseconds * NANOSECONDS_A_MICROSECOND : 0;
}
