/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live capture from an interface, through libpcap.
 *
 *   struct live *live;
 *   if (live_open(&live, &config, error, sizeof error) != 0) ...
 *   while (!ended) {
 *       int got = live_dispatch(live, 1024, take, ctx);
 *       if (got == LIVE_FAILED) ...puts(live_error(live))
 *       if (got == LIVE_DOWN) ...say so once, and go on
 *   }
 *   live_close(live);
 *
 * One thread uses a handle, but for live_break(). Several workers open one handle each and share the interface by `spread`.
 */
#ifndef CAPTURE_LIVE_H
#define CAPTURE_LIVE_H

#include "capture/frame.h"

struct live;

/* What live_dispatch() returns besides a number of frames. */
enum {
    LIVE_FAILED = -1, /* for good: see live_error() */
    LIVE_DOWN = -2,   /* the interface is down or gone; calling again waits for it, and goes on when it is back */
};

/* `fanout_group`: the kernel chooses a number that is free. */
#define LIVE_NEW_GROUP (-1)

/* `delay_ms` unless it is told. */
#define LIVE_DELAY_MS 100

struct live_config {
    const char *interface;    /* its name, or "any" */
    const char *filter;       /* what the program wants, in libpcap's filter language: see filter.h; NULL: everything */
    const char *expression;   /* what the user wants of that, in the same language; NULL: all of it */
    unsigned buffer_kib;      /* of the kernel's ring; 0: 32 MiB */
    unsigned snapshot_length; /* octets kept of a frame; 0: 262144, which cuts nothing */
    unsigned delay_ms;        /* a block of the ring is handed over when it is full, or so old; 0: LIVE_DELAY_MS */
    bool promiscuous;         /* frames for other hosts too: what a tap or a mirror port gives */
    bool spread;              /* one of several workers: a connection's frames, both directions, all reach the same one */
    int fanout_group;         /* with `spread`: LIVE_NEW_GROUP for the first, its live_fanout_group() for the others */
};

/* Totals since live_open(), also over an interface that went and came back. */
struct live_stats {
#define COUNTER(name, kind, metric, label, help) uint64_t name;
#include "capture/live_counters.def"
};

/*
 * Opens an interface. The strings of `config` are copied. 0, or -1 with one line in `error` that does not name the interface
 * and says what helps. Closed with live_close(), which takes NULL too.
 */
int live_open(struct live **opened, const struct live_config *config, char *error, size_t error_size);
void live_close(struct live *live);

/*
 * Hands the frames that are there to `take`, up to `most` of them (0: one ring block), and returns their number. When there
 * is none it waits up to 100 ms for some, then returns 0. LIVE_DOWN and LIVE_FAILED as above, the former no faster than
 * every 100 ms. A frame's octets are valid during `take` only. Frames are numbered from 1 for each handle.
 */
int live_dispatch(struct live *live, int most, void (*take)(void *ctx, const struct frame *frame), void *ctx);

/*
 * For callers that have several handles, whose frames must be taken in the order of their times: the next frame, whose octets are
 * valid until the next call for this handle. 1, or 0 when there is none at the moment; LIVE_DOWN and LIVE_FAILED as above. Does not wait.
 */
int live_next(struct live *live, struct frame *frame);

/* Where live_next() finds nothing, every now and then: 0 when the interface is up, or is back; LIVE_DOWN and LIVE_FAILED. */
int live_check(struct live *live);

/* For poll(2), for several handles: readable when live_dispatch() will not have to wait. -1 while the interface is gone. */
int live_fd(const struct live *live);

/* Makes the live_dispatch() that runs, or else the next one, return soon. For signal handlers and other threads. */
void live_break(struct live *live);

/*
 * Caution: libpcap counts in 32 bits; the totals stay right when this is called at least once for every 2^32 frames. By the
 * thread that dispatches.
 */
void live_stats(struct live *live, struct live_stats *stats);

/* The number for the other workers' `fanout_group`; LIVE_NEW_GROUP when `spread` was not asked for. */
int live_fanout_group(const struct live *live);

/* Why live_dispatch() returned LIVE_FAILED or LIVE_DOWN last: one line. "" when it never did. */
const char *live_error(const struct live *live);

#endif
