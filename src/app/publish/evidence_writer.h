/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * -w: the packets of the connections that have findings, as captures. The threads that read frames keep them, each in a store
 * (handoff/evidence_feed.h, capture/evidence.h); the thread that publishes findings has them written, and gives the findings their
 * numbers there.
 */
#ifndef APP_PUBLISH_EVIDENCE_WRITER_H
#define APP_PUBLISH_EVIDENCE_WRITER_H

#include "base/packet_numbering.h"
#include "capture/evidence.h"
#include "capture/evidence_file.h"
#include "smtpscope/finding.h"

struct evidence_writer;

struct evidence_writer_config {
    const char *path;          /* of the first capture; must outlive the writer */
    uint64_t octets;           /* of one capture; 0: no limit */
    unsigned count;            /* captures, the oldest of which is overwritten; 0: no limit */
    const char *const *spared; /* captures that are read, `spared_count` of them, and so not written over; outlive the writer */
    size_t spared_count;
    unsigned stores;    /* as many as there are threads that read frames */
    uint64_t hash_seed; /* that the segments' hashes are made with */
    /* Findings get the numbers of the evidence; else they keep theirs, of the files that were read. */
    bool numbers;
    smtpscope_time linger; /* see struct evidence_config */
};

/* NULL: told on standard error. */
struct evidence_writer *evidence_writer_new(const struct evidence_writer_config *config);
/* Creates the first capture. false: told on standard error. */
bool evidence_writer_open(struct evidence_writer *writer);
/* Captures that were moved away or removed are begun anew. */
void evidence_writer_reopen(struct evidence_writer *writer);
/* Writes what is left. false: something could not be written, here or before; told. `run` stays. */
bool evidence_writer_finish(struct evidence_writer *writer);
void evidence_writer_free(struct evidence_writer *writer);

/* A store; for one reader's thread. */
struct evidence *evidence_writer_store(struct evidence_writer *writer, unsigned index);

/* --- of the thread that publishes */

/* Writes what is kept of the finding's connection; with `numbers`, replaces its packets: 0 where one was not written. */
void evidence_writer_finding(struct evidence_writer *writer, struct smtpscope_finding *finding);
/* A finding names one file: the last packet's number goes when it is of another one. */
void evidence_writer_one_file(struct evidence_writer *writer, struct smtpscope_finding *finding);
/* To be called every second: writes what has come of such connections since. */
void evidence_writer_tick(struct evidence_writer *writer);
/* What the numbers stand for. */
const struct packet_numbering *evidence_writer_numbering(const struct evidence_writer *writer);

/* What was kept and written. */
void evidence_writer_stats(struct evidence_writer *writer, struct evidence_stats *stats);

#endif
