/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interfaces of one worker. Frames of several come in the order of their times: a tap gives each direction of a connection
 * on an interface of its own, and a reply must not be read before its command.
 */
#ifndef APP_LIVE_INTERFACE_SET_H
#define APP_LIVE_INTERFACE_SET_H

#include "capture/live.h"

/* Tap pairs come in twos; more interfaces than this belong on several machines. */
#define INTERFACES_MAX 16

struct watched_interface {
    struct live *live;
    const char *name;
    bool down, failed;
    bool ahead; /* `next` waits for its turn */
    struct frame next;
};

struct interface_set {
    struct watched_interface items[INTERFACES_MAX];
    size_t count;
    bool first;             /* worker's: says and counts what all of them see, interfaces that go and come */
    smtpscope_time checked; /* by the monotonic clock */
};

/* What interface_set_dispatch() returns when an interface has failed for good: half of what was to be seen may be missing from now on. */
#define INTERFACE_SET_FAILED (-1)

/* Opens one more, which is alone or one of several. The name stays the caller's. false: told on standard error. */
bool interface_set_add(struct interface_set *set, const struct live_config *config, bool several);
void interface_set_close(struct interface_set *set);

/* Hands frames on, and returns their number; waits a tenth of a second for some. */
int interface_set_dispatch(struct interface_set *set, void (*take)(void *ctx, const struct frame *frame), void *ctx);
/* Makes the waiting of interface_set_dispatch() short, or the next one's. From any thread. */
void interface_set_break(struct interface_set *set);
/* A frame that has been on the wire is handed on so long afterwards at the latest. */
smtpscope_time interface_set_delay(const struct interface_set *set);
/* All interfaces together; what they themselves have lost, with the first worker only. */
void interface_set_stats(const struct interface_set *set, struct live_stats *stats);

#endif
