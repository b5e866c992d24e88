/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capture files: pcap and pcapng, as they are or compressed by gzip or zstd, from a file or from standard input.
 *
 *   struct savefile *file;
 *   struct batch *batch = batch_new();
 *   if (savefile_open(&file, path, error, sizeof error) != 0) ...
 *   while ((more = savefile_batch(file, batch)) > 0)
 *       for (size_t i = 0; i < batch->count; i++) ... batch->frames[i] ...
 *   if (more < 0) puts(savefile_error(file));
 *   savefile_close(file);
 *   batch_free(batch);
 */
#ifndef CAPTURE_SAVEFILE_H
#define CAPTURE_SAVEFILE_H

#include "capture/batch.h"
#include "capture/pcapng.h"

#include <sys/stat.h>

struct savefile;

/*
 * Opens a capture file, "-" is standard input. 0, or -1 with one line in `error` that does not name the file.
 * Close with savefile_close().
 */
int savefile_open(struct savefile **file, const char *path, char *error, size_t error_size);
void savefile_close(struct savefile *file);

/* As stat(2), of a path as savefile_open() takes it. */
int savefile_stat(const char *path, struct stat *status);

/* The secrets of TLS that the file holds, as they are read; of what is no pcapng, none. Before the first batch. */
void savefile_secrets(struct savefile *file, const struct secrets_taker *taker);
/* Looks a file through for them, and for nothing else. False: it cannot be read to its end. */
bool savefile_find_secrets(const char *path, const struct secrets_taker *taker);

/*
 * Fills the batch with the next frames: 1; 0 at the end; -1 when the file is damaged from here on, see savefile_error(), and
 * what came before the damage was delivered. After 0 or -1 it stays so, and the batch is empty. A pipe is waited for until it
 * brings one frame, and not longer. A signal that is handled while it waits for octets is an end like any other. The batch may
 * outlive the file. Threads that share a file take turns.
 */
int savefile_batch(struct savefile *file, struct batch *batch);

/* What is wrong with the file, beginning with the number of the packet that could not be read. "" while nothing is. */
const char *savefile_error(const struct savefile *file);

/* The time of the first frame, read ahead for it and still delivered. Ask before the first batch. False when there is none. */
bool savefile_first_time(struct savefile *file, smtpscope_time *time);

/* Octets of the file that were read so far (it is read ahead), as stored, so compressed; and its size, 0 when unknown. */
uint64_t savefile_octets_read(const struct savefile *file);
uint64_t savefile_octets(const struct savefile *file);

#endif
