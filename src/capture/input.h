/* SPDX-License-Identifier: BSD-2-Clause */
/* The octets of a file or of standard input, decompressed when they are gzip or zstd: told by their first octets. */
#ifndef CAPTURE_INPUT_H
#define CAPTURE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct input;

/* Opens `path`, "-" is standard input. NULL with one line in `error`. Closed with input_close(). */
struct input *input_open(const char *path, char *error, size_t error_size);
void input_close(struct input *input);

/*
 * Reads up to `len` octets: their number, 0 at the end, -1 when what follows cannot be had (see input_error()); what could be
 * read before was delivered. A signal that is handled while it waits for octets ends the input.
 */
ssize_t input_read(struct input *input, uint8_t *to, size_t len);

enum { INPUT_PEEK = 24 }; /* the longest header that tells what a file is, pcap's */

/* The first octets without taking them: how many there are, or -1 as input_read(). Before any input_read() only. */
ssize_t input_peek(struct input *input, uint8_t to[INPUT_PEEK]);

/* Why input_read() failed: one line. "" when it did not. */
const char *input_error(const struct input *input);

/* Whether a signal ended it. */
bool input_interrupted(const struct input *input);

/* Octets read of the file so far, as it is stored; and its size, 0 when it has none (a pipe). */
uint64_t input_octets(const struct input *input);
uint64_t input_size(const struct input *input);

/* A stdio stream over the input, for libpcap. It does not own the input. NULL when out of memory. */
FILE *input_stream(struct input *input);

#endif
