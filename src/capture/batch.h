/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A block of a capture file and the frames that stand in it. Files are read by blocks rather than by frames, so that frames
 * stay where read(2) put them, and several batches can be worked on while the next is read.
 */
#ifndef CAPTURE_BATCH_H
#define CAPTURE_BATCH_H

#include "capture/frame.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * One read(2) of a file. Measured over 1 GB, ms: 64 KiB 76, 128 KiB 69, 256 KiB 66, 512 KiB 65, 1 MiB 72: beyond the
 * processor's cache, the frames have to come from memory again.
 */
enum { BATCH_BLOCK = 256 * 1024 };

/* What is shorter than a record's header in any format cannot be a frame. */
enum { BATCH_FRAMES = BATCH_BLOCK / 16 };

/* The frames' octets stay valid until the batch is filled again or freed. */
struct batch {
    struct frame *frames;
    size_t count;
    uint8_t *block; /* for `capture` alone, as is its size */
    size_t room;
};

/* An empty batch, to be filled by savefile_batch(). NULL when out of memory. Freed by batch_free(). */
struct batch *batch_new(void);
void batch_free(struct batch *batch);

/* Makes the block as large as `room` octets; what is in it stays. For an empty batch alone: it may move. False: no memory. */
bool batch_reserve(struct batch *batch, size_t room);

/* Exchanges what two batches hold. */
void batch_swap(struct batch *batch, struct batch *other);

#endif
