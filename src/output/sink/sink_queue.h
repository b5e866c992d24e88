/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines that wait for a sink's thread: a ring of octets in which each line stands in one piece. Putting and taking off
 * need the lock; the one thread that takes off may read between two positions without it.
 */
#ifndef OUTPUT_SINK_SINK_QUEUE_H
#define OUTPUT_SINK_SINK_QUEUE_H

#include "smtpscope/rule.h"

/* A word of the catalogue fits; RFC 5424 6.2.7 allows a MSGID no more. */
#define SINK_KIND_MAX 32

struct sink_line {
    enum smtpscope_severity severity;
    bool reopen;  /* the file is opened again before it */
    int64_t time; /* wall clock, ns */
    struct smtpscope_text kind;
    struct smtpscope_text text; /* from the queue with an LF at its end; put without */
};

struct sink_queue {
    unsigned char *at;
    size_t size;
    uint64_t head, tail; /* positions count on for ever; the octet stands at position % size */
    uint64_t lines;
    size_t max; /* octets that were ever in it at once */
};

/* false when out of memory. `size` is rounded up. */
bool sink_queue_init(struct sink_queue *queue, size_t size);
void sink_queue_fini(struct sink_queue *queue);
/* A copy at the tail; false when there is no room. */
bool sink_queue_put(struct sink_queue *queue, const struct sink_line *line);
/* The line at `*position`, which is before `tail`, and moves on. The texts are valid until it is taken off. */
void sink_queue_read(const struct sink_queue *queue, uint64_t *position, struct sink_line *line);
/* Takes off `lines` lines, up to `position`. */
void sink_queue_take(struct sink_queue *queue, uint64_t position, uint64_t lines);

#endif
