/* SPDX-License-Identifier: BSD-2-Clause */
/* The one pass over the files: frames in, rounds of segments out. */
#ifndef APP_FILES_FILE_READER_H
#define APP_FILES_FILE_READER_H

#include "app/options/options.h"
#include "app/sessions/batch_decoded.h"
#include "base/packet_numbering.h"
#include "decode/decode.h"
#include "output/summary.h"

struct intake;

/* What it does with the files, for others to read when it is done; and whether someone wants an end. */
struct intake_config {
    const struct options *options; /* the files and the ports */
    struct packets *packets;       /* filled file by file */
    struct summary *summary;       /* files, packets, octets, times, damage */
    unsigned workers;
    uint64_t hash_seed;
    struct evidence *evidence;  /* gets the frames of what is followed; NULL: not wanted */
    bool (*stopped)(void *ctx); /* asked now and then, by whoever reads */
    void *ctx;
};

/* Opens the files. NULL: told on standard error. All that the config points to must outlive it. */
struct intake *intake_new(const struct intake_config *config);
void intake_free(struct intake *intake);

/* Fills the round with what comes next; false at the end. One thread at a time. */
bool intake_fill(struct intake *intake, struct round *round);

/* A file could not be read any more; told. */
bool intake_failed(const struct intake *intake);
void intake_stats(const struct intake *intake, struct decoder_stats *stats);

#endif
