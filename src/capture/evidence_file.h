/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The captures that evidence is written to: one file, or a ring of them named as tcpdump(1) names those of -C and -W. What is
 * written together stands in one file. A file has frames of one link type: those of the first one seen go to FILE, others to
 * FILE.NAME, where NAME is libpcap's name of the link type.
 */
#ifndef CAPTURE_EVIDENCE_FILE_H
#define CAPTURE_EVIDENCE_FILE_H

#include "capture/evidence_stats.h"
#include "capture/frame.h"

#include <sys/stat.h>

#define EVIDENCE_ERROR_SIZE 512

struct evidence_file;

struct evidence_file_config {
    const char *path;
    uint64_t octets; /* a new file is begun when this would be exceeded; 0: never */
    unsigned count;  /* files, the oldest of which is overwritten; 0: no limit */
    bool continues;  /* behind what an earlier run has left, rather than over it */
    /* true: the file is one that must not be overwritten. NULL: there are none. */
    bool (*spare)(void *ctx, const struct stat *status);
    /* A file was begun: its frames' numbers are those above `before`. `name` is valid during the call. */
    void (*begun)(void *ctx, const char *name, uint64_t before);
    /* A file that is there no more, or was begun anew: its numbers stand for nothing. */
    void (*gone)(void *ctx, const char *name);
    /* Something could not be written; told once until it works again, which is told without a reason. */
    void (*failed)(void *ctx, const char *name, const char *why);
    void *ctx;
};

/* Counters since the start. */
/*
 * Creates the first file, to be read by nobody but its owner. NULL: `error` has one line without the path. `config` is
 * copied.
 */
struct evidence_file *evidence_file_open(const struct evidence_file_config *config, char error[EVIDENCE_ERROR_SIZE]);
void evidence_file_close(struct evidence_file *file);

/*
 * Writes the frames and hands them to the system. numbers[i] is then frames[i]'s, larger than any before it in its file by one
 * for each frame between them; 0: it could not be written.
 */
void evidence_file_write(struct evidence_file *file, const struct frame *const *frames, size_t count, uint64_t *numbers);

/* Current files that were moved away or removed are begun anew. */
void evidence_file_reopen(struct evidence_file *file);

void evidence_file_stats(const struct evidence_file *file, struct evidence_stats *stats);

#endif
