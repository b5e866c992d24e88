/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader of pcapng files (draft-ietf-opsawg-pcapng), see the head of pcapng.c for why there is one. */
#ifndef CAPTURE_PCAPNG_H
#define CAPTURE_PCAPNG_H

#include "capture/frame.h"
#include "capture/input.h"

struct pcapng;

/* NULL when out of memory. The input stays the caller's and must outlive it. Freed by pcapng_free(). */
struct pcapng *pcapng_new(struct input *input);
void pcapng_free(struct pcapng *file);

/* The next packet, but for its number: 1, 0 at the end, -1 when the file is damaged from here on: see pcapng_error(). */
int pcapng_next(struct pcapng *file, struct frame *frame);
const char *pcapng_error(const struct pcapng *file);

#endif
