/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/live/interface_set.h"

#include "app/process/warn_user.h"
#include "base/clock.h"
#include "base/gettext.h"

#include <poll.h>

#define MILLISECOND (SMTPSCOPE_SECOND / 1000)
#define POLL_MS 100
/* How old blocks of several rings become: frames wait for each other, and the rings have to hold them meanwhile. */
#define SEVERAL_DELAY_MS 10
/* An older frame of an interface that shows none would be there by now, even if this machine was a little late. */
#define HOLD (4 * SEVERAL_DELAY_MS * MILLISECOND)
/* Frames before the caller has its turn: about a millisecond's. */
#define FRAMES_A_TURN 1024

bool taps_add(struct taps *taps, const struct live_config *wanted, bool several)
{
    struct live_config config = *wanted;
    struct tap *tap = &taps->items[taps->count];
    char error[512];

    config.delay_ms = several ? SEVERAL_DELAY_MS : LIVE_DELAY_MS;
    if (taps->count == INTERFACES_MAX) {
        complain(_("%s: %d interfaces are the most"), config.interface, INTERFACES_MAX);
        return false;
    }
    *tap = (struct tap){.name = config.interface};
    if (live_open(&tap->live, &config, error, sizeof error)) {
        complain("%s: %s", config.interface, error);
        return false;
    }
    taps->count++;
    return true;
}

void taps_close(struct taps *taps)
{
    while (taps->count)
        live_close(taps->items[--taps->count].live);
}

/*
 * Says once that an interface is down, that it is back, or that it has failed for good. Frames may still come out of the ring of
 * one that is down: they do not say that it is back.
 */
static void tap_state(struct tap *tap, int got, bool first)
{
    if (got > 0 && tap->down)
        got = live_check(tap->live);
    if (got == LIVE_DOWN && !tap->down && first)
        complain(_("%s: %s; waiting for it to come back"), tap->name, live_error(tap->live));
    else if (got == LIVE_FAILED)
        complain("%s: %s", tap->name, live_error(tap->live));
    else if (got >= 0 && tap->down && first)
        complain(_("%s: up again"), tap->name);
    tap->down = got == LIVE_DOWN;
    tap->failed = got == LIVE_FAILED;
}

/* --- several */

/* false: nothing can be said of its next frame's time. Of an interface that is down there is none. */
static bool tap_look(struct tap *tap, bool first)
{
    int got;

    if (tap->ahead || tap->failed)
        return true;
    got = live_next(tap->live, &tap->next);
    tap->ahead = got > 0;
    if (got < 0 || (tap->ahead && tap->down))
        tap_state(tap, got, first);
    return tap->ahead || tap->down || tap->failed;
}

static struct tap *taps_oldest(struct taps *taps)
{
    struct tap *oldest = NULL;

    for (struct tap *tap = taps->items; tap < taps->items + taps->count; tap++)
        if (tap->ahead && (!oldest || tap->next.time < oldest->next.time))
            oldest = tap;
    return oldest;
}

/* How long to wait for older ones. A stamp of the future is from before the clock was set: no need to wait for that to come. */
static smtpscope_time hold_of(const struct tap *tap, smtpscope_time now)
{
    smtpscope_time age = now - tap->next.time;

    return age < 0 || age >= HOLD ? 0 : HOLD - age;
}

static void taps_wait(struct taps *taps, smtpscope_time most)
{
    struct pollfd ready[INTERFACES_MAX];

    for (size_t i = 0; i < taps->count; i++) {
        const struct tap *tap = &taps->items[i];

        ready[i] = (struct pollfd){.fd = tap->failed || tap->ahead ? -1 : live_fd(tap->live), .events = POLLIN};
    }
    poll(ready, taps->count, (int)(most / MILLISECOND) + 1);
}

static void taps_check(struct taps *taps)
{
    smtpscope_time now = clock_monotonic();

    if (now - taps->checked < POLL_MS * MILLISECOND)
        return;
    taps->checked = now;
    for (struct tap *tap = taps->items; tap < taps->items + taps->count; tap++)
        if (!tap->ahead && !tap->failed)
            tap_state(tap, live_check(tap->live), taps->first);
}

static int taps_merge(struct taps *taps, void (*take)(void *ctx, const struct frame *frame), void *ctx)
{
    smtpscope_time now = clock_read(CLOCK_REALTIME); /* before the rings are looked into */
    bool all = true;
    struct tap *oldest;
    int total = 0;

    for (struct tap *tap = taps->items; tap < taps->items + taps->count; tap++)
        all &= tap_look(tap, taps->first);
    while (total < FRAMES_A_TURN && (oldest = taps_oldest(taps)) && (all || !hold_of(oldest, now))) {
        take(ctx, &oldest->next);
        oldest->ahead = false;
        all &= tap_look(oldest, taps->first);
        total++;
    }
    taps_check(taps);
    if (!total)
        taps_wait(taps, oldest ? hold_of(oldest, now) : POLL_MS * MILLISECOND);
    return total;
}

/* --- all together */

static bool taps_failed(const struct taps *taps)
{
    bool failed = false;

    for (size_t i = 0; i < taps->count; i++)
        failed |= taps->items[i].failed;
    return failed;
}

int taps_dispatch(struct taps *taps, void (*take)(void *ctx, const struct frame *frame), void *ctx)
{
    int got;

    if (taps_failed(taps))
        return TAPS_FAILED;
    if (taps->count > 1)
        return taps_merge(taps, take, ctx);
    got = live_dispatch(taps->items[0].live, 0, take, ctx);
    tap_state(&taps->items[0], got, taps->first);
    return got > 0 ? got : 0;
}

void taps_break(struct taps *taps)
{
    for (size_t i = 0; i < taps->count; i++)
        live_break(taps->items[i].live);
}

smtpscope_time taps_delay(const struct taps *taps)
{
    return taps->count > 1 ? 2 * HOLD : LIVE_DELAY_MS * MILLISECOND * 3 / 2;
}

void taps_stats(const struct taps *taps, struct live_stats *stats)
{
    *stats = (struct live_stats){0};
    for (size_t i = 0; i < taps->count; i++) {
        struct live_stats of;

        live_stats(taps->items[i].live, &of);
        stats->received += of.received;
        stats->dropped += of.dropped;
        if (taps->first) /* the interface has one count, and each worker's handle the same */
            stats->interface_dropped += of.interface_dropped;
    }
}
