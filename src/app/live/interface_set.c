/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/live/interface_set.h"

#include "app/handoff/totals.h"
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

bool interface_set_add(struct interface_set *set, const struct live_config *wanted, bool several)
{
    struct live_config config = *wanted;
    struct watched_interface *interface = &set->items[set->count];
    char error[512];

    config.delay_ms = several ? SEVERAL_DELAY_MS : LIVE_DELAY_MS;
    if (set->count == INTERFACES_MAX) {
        warn_user(_("%s: %d interfaces are the most"), config.interface, INTERFACES_MAX);
        return false;
    }
    *interface = (struct watched_interface){.name = config.interface};
    if (live_open(&interface->live, &config, error, sizeof error)) {
        warn_user("%s: %s", config.interface, error);
        return false;
    }
    set->count++;
    return true;
}

void interface_set_close(struct interface_set *set)
{
    while (set->count)
        live_close(set->items[--set->count].live);
}

/*
 * Says once that an interface is down, that it is back, or that it has failed for good. Frames may still come out of the ring of
 * one that is down: they do not say that it is back.
 */
static void interface_state(struct watched_interface *interface, int got, bool first)
{
    if (got > 0 && interface->down)
        got = live_check(interface->live);
    if (got == LIVE_DOWN && !interface->down && first)
        warn_user(_("%s: %s; waiting for it to come back"), interface->name, live_error(interface->live));
    else if (got == LIVE_FAILED)
        warn_user("%s: %s", interface->name, live_error(interface->live));
    else if (got >= 0 && interface->down && first)
        warn_user(_("%s: up again"), interface->name);
    interface->down = got == LIVE_DOWN;
    interface->failed = got == LIVE_FAILED;
}

/* --- several */

/* false: nothing is known of its next frame's time. An interface that is down has none. */
static bool interface_look(struct watched_interface *interface, bool first)
{
    int got;

    if (interface->ahead || interface->failed)
        return true;
    got = live_next(interface->live, &interface->next);
    interface->ahead = got > 0;
    if (got < 0 || (interface->ahead && interface->down))
        interface_state(interface, got, first);
    return interface->ahead || interface->down || interface->failed;
}

static struct watched_interface *interface_set_oldest(struct interface_set *set)
{
    struct watched_interface *oldest = NULL;

    for (struct watched_interface *interface = set->items; interface < set->items + set->count; interface++)
        if (interface->ahead && (!oldest || interface->next.time < oldest->next.time))
            oldest = interface;
    return oldest;
}

/* How long to wait for older ones. A stamp of the future is from before the clock was set: no need to wait for that to come. */
static smtpscope_time hold_of(const struct watched_interface *interface, smtpscope_time now)
{
    smtpscope_time age = now - interface->next.time;

    return age < 0 || age >= HOLD ? 0 : HOLD - age;
}

static void interface_set_wait(struct interface_set *set, smtpscope_time most)
{
    struct pollfd ready[INTERFACES_MAX];

    for (size_t i = 0; i < set->count; i++) {
        const struct watched_interface *interface = &set->items[i];

        ready[i] =
            (struct pollfd){.fd = interface->failed || interface->ahead ? -1 : live_fd(interface->live), .events = POLLIN};
    }
    poll(ready, set->count, (int)(most / MILLISECOND) + 1);
}

static void interface_set_check(struct interface_set *set)
{
    smtpscope_time now = clock_monotonic();

    if (now - set->checked < POLL_MS * MILLISECOND)
        return;
    set->checked = now;
    for (struct watched_interface *interface = set->items; interface < set->items + set->count; interface++)
        if (!interface->ahead && !interface->failed)
            interface_state(interface, live_check(interface->live), set->first);
}

static int interface_set_merge(struct interface_set *set, void (*take)(void *ctx, const struct frame *frame), void *ctx)
{
    smtpscope_time now = clock_read(CLOCK_REALTIME); /* before the rings are looked into */
    bool all = true;
    struct watched_interface *oldest;
    int total = 0;

    for (struct watched_interface *interface = set->items; interface < set->items + set->count; interface++)
        all &= interface_look(interface, set->first);
    while (total < FRAMES_A_TURN && (oldest = interface_set_oldest(set)) && (all || !hold_of(oldest, now))) {
        take(ctx, &oldest->next);
        oldest->ahead = false;
        all &= interface_look(oldest, set->first);
        total++;
    }
    interface_set_check(set);
    if (!total)
        interface_set_wait(set, oldest ? hold_of(oldest, now) : POLL_MS * MILLISECOND);
    return total;
}

/* --- all together */

static bool interface_set_failed(const struct interface_set *set)
{
    bool failed = false;

    for (size_t i = 0; i < set->count; i++)
        failed |= set->items[i].failed;
    return failed;
}

int interface_set_dispatch(struct interface_set *set, void (*take)(void *ctx, const struct frame *frame), void *ctx)
{
    int got;

    if (interface_set_failed(set))
        return INTERFACE_SET_FAILED;
    if (set->count > 1)
        return interface_set_merge(set, take, ctx);
    got = live_dispatch(set->items[0].live, 0, take, ctx);
    interface_state(&set->items[0], got, set->first);
    return got > 0 ? got : 0;
}

void interface_set_break(struct interface_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        live_break(set->items[i].live);
}

smtpscope_time interface_set_delay(const struct interface_set *set)
{
    return set->count > 1 ? 2 * HOLD : LIVE_DELAY_MS * MILLISECOND * 3 / 2;
}

void interface_set_stats(const struct interface_set *set, struct live_stats *stats)
{
    *stats = (struct live_stats){0};
    for (size_t i = 0; i < set->count; i++) {
        struct live_stats of;

        live_stats(set->items[i].live, &of);
        if (!set->first) /* the interface has one count, and each worker's handle the same */
            of.interface_dropped = 0;
        counters_add(&totals_tables[STAGE_CAPTURE], stats, &of);
    }
}
