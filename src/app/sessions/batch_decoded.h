/* SPDX-License-Identifier: BSD-2-Clause */
/* A batch of frames, decoded: what one reader makes and all workers look through, each for its own flows. */
#ifndef APP_SESSIONS_BATCH_DECODED_H
#define APP_SESSIONS_BATCH_DECODED_H

#include "capture/batch.h"
#include "smtpscope/segment.h"

/* No worker's: only packet time went on, by frames that are nothing we follow. */
#define OWNER_NOBODY UINT32_MAX

/* In capture order. Of OWNER_NOBODY only the segment's time and packet count. */
struct round_entry {
    struct smtpscope_segment segment;
    uint32_t owner;
};

/* Read-only once it is filled. The segments' octets belong to the round, until it is filled again. */
struct round {
    struct batch *batch;
    struct round_entry *entries;
    size_t count, size;
    void **copies; /* of octets that are in no frame: reassembled IP fragments */
    size_t copy_count;
};

/* false: out of memory. Freed with round_fini() either way. */
bool round_init(struct round *round);
void round_fini(struct round *round);

#endif
