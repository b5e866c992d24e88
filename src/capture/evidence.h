/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frames of the connections that one worker follows, kept until it is known whether anything was wrong with them: then they
 * are taken to be written (evidence_file.h), from the handshake on; else they are forgotten.
 *
 * Memory is bounded. What gives way first are connections that closed without a finding, then open ones that had none, the
 * longest silent first, then the numbers of those that were written. The former have an eighth of the room at most. Of one
 * connection the middle gives way: frames behind its first ones are cut to their headers, and beyond a number of them left out.
 *
 * A worker puts frames in, another thread takes them out; each call is short, and none waits for a disk.
 */
#ifndef CAPTURE_EVIDENCE_H
#define CAPTURE_EVIDENCE_H

#include "capture/evidence_stats.h"
#include "capture/frame.h"

struct evidence;

struct evidence_config {
    size_t octets;         /* of all that is kept */
    smtpscope_time linger; /* a connection that closed is kept so long, by the frames' time; 0: until its room is needed */
};

/* Where a frame belongs. */
struct evidence_place {
    uint64_t connection; /* its hash, the same for both directions */
    uint64_t ordinal;    /* of the frame in the run; they rise within a connection */
    bool opens;          /* it asks for a connection: SYN without ACK */
    uint32_t seq;        /* tells a new connection's SYN from the old one's, sent again */
    uint64_t datagram;   /* whose last fragment it is: those before belong there as well; 0: it is no fragment */
};

/* Frames that were taken to be written. `numbers` is for the writer to fill in: 0 was not written. */
struct evidence_batch {
    const struct frame **frames;
    uint64_t *numbers;
    size_t count;
    void *connection; /* for evidence.c */
};

/* NULL when out of memory. */
struct evidence *evidence_new(const struct evidence_config *config);
void evidence_free(struct evidence *evidence);

/* Keeps a copy of the frame, or counts that it could not. */
void evidence_frame(struct evidence *evidence, const struct evidence_place *place, const struct frame *frame);
/* Keeps a copy of a fragment until it is known whose it is: when the last one of this datagram comes. Old ones give way. */
void evidence_fragment(struct evidence *evidence, uint64_t datagram, const struct frame *frame);
/* The connection whose first frame followed was `first` has ended; frames that straggle in still belong to it. */
void evidence_closed(struct evidence *evidence, uint64_t connection, uint64_t first, smtpscope_time now);
/* Nobody wants the connection that this frame came in, unless something was found in it. */
void evidence_dropped(struct evidence *evidence, uint64_t connection, uint64_t ordinal);

/*
 * Something was found in the connection: takes what was not written yet, and has what comes later of it fall due. false: there
 * is nothing to write. Each batch is given back by evidence_written() before the next one is taken, by one thread.
 */
bool evidence_take(struct evidence *evidence, uint64_t connection, uint64_t first, struct evidence_batch *batch);
/*
 * The same for what came later of such connections: of those that have closed or have waited for `rounds` calls of
 * evidence_round(). false: none is left.
 */
bool evidence_take_due(struct evidence *evidence, unsigned rounds, struct evidence_batch *batch);
void evidence_round(struct evidence *evidence);
/* Takes note of the numbers, and frees the frames and the batch. */
void evidence_written(struct evidence *evidence, struct evidence_batch *batch);
/* The number under which the frame was written; 0: it was not, or that is forgotten. */
uint64_t evidence_number(struct evidence *evidence, uint64_t connection, uint64_t first, uint64_t ordinal);

void evidence_stats(struct evidence *evidence, struct evidence_stats *stats);

#endif
