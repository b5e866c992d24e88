/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capture files: pcap and pcapng, as they are or compressed by gzip or zstd, from a file or from standard input.
 *
 *   struct savefile *file;
 *   if (savefile_open(&file, path, error, sizeof error) != 0) ...
 *   while ((more = savefile_next(file, &frame)) > 0) ...
 *   if (more < 0) puts(savefile_error(file));
 *   savefile_close(file);
 */
#ifndef CAPTURE_SAVEFILE_H
#define CAPTURE_SAVEFILE_H

#include "capture/frame.h"

struct savefile;

/*
 * Opens a capture file, "-" is standard input. 0, or -1 with one line in `error` that does not name the file.
 * Close with savefile_close().
 */
int savefile_open(struct savefile **file, const char *path, char *error, size_t error_size);
void savefile_close(struct savefile *file);

/*
 * The next frame: 1; 0 at the end; -1 when the file is damaged from here on, see savefile_error(). After 0 or -1 it stays so.
 * A signal whose handler was installed without SA_RESTART, taken while it waits for octets, is an end like any other.
 */
int savefile_next(struct savefile *file, struct frame *frame);

/* What is wrong with the file, beginning with the number of the packet that could not be read. "" while nothing is. */
const char *savefile_error(const struct savefile *file);

/* The time of the first frame, which is read ahead for it and still delivered: ask before it was. False when there is none. */
bool savefile_first_time(struct savefile *file, smtpscope_time *time);

/* Octets of the file that were read so far (it is read ahead), as stored, so compressed; and its size, 0 when unknown. */
uint64_t savefile_octets_read(const struct savefile *file);
uint64_t savefile_octets(const struct savefile *file);

#endif
