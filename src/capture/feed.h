/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The octets of an input as they come into a batch's block: a reader of a format asks for so many together, and takes them
 * where they stand. What is cut at the block's end is kept for the next batch. Nothing is waited for while the batch has
 * frames: so the packets that a pipe brings are delivered when they come.
 *
 *   feed_start(feed, batch);
 *   while (feed_need(feed, size) == FEED_READY) { use feed_at(feed); feed->at += size; batch->count++; }
 *   feed_stop(feed);
 */
#ifndef CAPTURE_FEED_H
#define CAPTURE_FEED_H

#include "capture/batch.h"
#include "capture/input.h"

enum feed_state {
    FEED_FAILED = -1, /* the input ends within what was wanted, or fails: see feed->error */
    FEED_END = 0,     /* and there is nothing more */
    FEED_READY = 1,
    FEED_FULL = 2, /* the batch has frames, and more octets are for the next one */
};

struct feed {
    struct input *input;
    struct batch *batch;
    const char *cut;   /* the error when the input ends too early */
    const char *error; /* "" while there is none */
    size_t at, len;    /* of what is in the block: [at, len) is to be taken */
    size_t kept_len;
    uint8_t kept[BATCH_BLOCK];
};

/* The input stays the caller's; `cut` is a constant text. */
void feed_init(struct feed *feed, struct input *input, const char *cut);

/* Empties the batch, and takes what the one before it left over. */
void feed_start(struct feed *feed, struct batch *batch);
void feed_stop(struct feed *feed);

/* As feed_need(), when they are not there yet. */
enum feed_state feed_read(struct feed *feed, size_t want);

/* Makes the next `want` octets stand together at feed_at(). */
static inline enum feed_state feed_need(struct feed *feed, size_t want)
{
    return feed->len - feed->at >= want ? FEED_READY : feed_read(feed, want);
}

static inline const uint8_t *feed_at(const struct feed *feed)
{
    return feed->batch->block + feed->at;
}

#endif
