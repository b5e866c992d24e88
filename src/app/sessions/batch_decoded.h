/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A batch of frames, decoded: one worker has it filled (files/file_reader.h), all workers look through it, each for the flows that
 * are its own (batch_follower.h). So a frame is decoded once, and no segment is copied or queued.
 */
#ifndef APP_SESSIONS_BATCH_DECODED_H
#define APP_SESSIONS_BATCH_DECODED_H

#include "capture/batch.h"
#include "smtpscope/segment.h"

/* No worker's: only packet time went on, by frames that are nothing we follow. */
#define OWNER_NOBODY UINT32_MAX

/* In capture order. With OWNER_NOBODY only the segment's time and packet count. */
struct decoded_segment {
    struct smtpscope_segment segment;
    uint32_t owner;
};

/* Read-only once it is filled. The segments' octets belong to the batch, until it is filled again. */
struct batch_decoded {
    struct batch *batch;
    struct decoded_segment *entries;
    size_t count, size;
    void **copies; /* of octets that are in no frame: reassembled IP fragments */
    size_t copy_count;
};

/* false: out of memory. Freed with batch_decoded_fini() either way. */
bool batch_decoded_init(struct batch_decoded *batch);
void batch_decoded_fini(struct batch_decoded *batch);

#endif
