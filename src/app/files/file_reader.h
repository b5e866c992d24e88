/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one pass over the files. Frames come in from capture, file by file in the order of their first packets; what goes out is
 * batches of decoded segments, each with the worker that its flow belongs to. It is no thread of its own: a worker that finds the
 * next batch unread calls it, for a thread more would only wait and be woken.
 */
#ifndef APP_FILES_FILE_READER_H
#define APP_FILES_FILE_READER_H

#include "app/sessions/batch_decoded.h"
#include "base/packet_numbering.h"
#include "capture/frame_filter.h"
#include "capture/savefile.h"
#include "decode/decode.h"
#include "output/summary.h"

struct file_reader;

/* What it does with the files, for others to read when it is done; and whether someone wants an end. */
struct file_reader_config {
    const char *const *files; /* as savefile_open() takes them, `file_count` of them */
    size_t file_count;
    struct decoder_config decoder;
    struct frame_filter *filter;        /* frames that do not pass are left out; NULL: all pass */
    struct packet_numbering *numbering; /* filled file by file */
    struct summary *summary;            /* files, packets, octets, times, damage */
    unsigned workers;
    uint64_t hash_seed;
    struct secrets_taker secrets; /* gets the keys that stand among the packets */
    struct evidence *evidence;    /* gets the frames of what is followed; NULL: not wanted */
    bool (*stopped)(void *ctx);   /* asked now and then, on the thread that reads */
    void *ctx;
};

/* Opens the files. NULL: told on standard error. All that the config points to must outlive it. */
struct file_reader *file_reader_new(const struct file_reader_config *config);
void file_reader_free(struct file_reader *reader);

/* Fills the batch with what comes next; false at the end. One thread at a time. */
bool file_reader_fill(struct file_reader *reader, struct batch_decoded *batch);

/* A file could not be read any more; told. */
bool file_reader_failed(const struct file_reader *reader);
void file_reader_stats(const struct file_reader *reader, struct decoder_stats *stats);

#endif
