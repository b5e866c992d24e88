/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * -w: the packets of the connections that have findings, as captures. Frames are kept by whoever reads them, a store a worker
 * (capture/evidence.h); the thread that publishes findings has them written, and gives the findings their numbers there.
 */
#ifndef APP_PUBLISH_EVIDENCE_WRITER_H
#define APP_PUBLISH_EVIDENCE_WRITER_H

#include "app/options/options.h"
#include "base/packet_numbering.h"
#include "capture/evidence.h"
#include "capture/evidence_file.h"
#include "output/metrics/metrics.h"
#include "smtpscope/finding.h"
#include "smtpscope/segment.h"

struct evidence_run;

struct evidence_run_config {
    const struct options *options; /* must outlive the run */
    unsigned stores;               /* as many as there are threads that read frames */
    uint64_t hash_seed;            /* that the segments' hashes are made with */
    /* Findings get the numbers of the evidence; else they keep theirs, of the files that were read. */
    bool numbers;
    smtpscope_time linger; /* see struct evidence_config */
};

/* NULL: told on standard error. */
struct evidence_run *evidence_run_new(const struct evidence_run_config *config);
/* Creates the first capture. false: told on standard error. */
bool evidence_run_open(struct evidence_run *run);
/* Captures that were moved away or removed are begun anew. */
void evidence_run_reopen(struct evidence_run *run);
/* Writes what is left. false: something could not be written, here or before; told. `run` stays. */
bool evidence_run_finish(struct evidence_run *run);
void evidence_run_free(struct evidence_run *run);

/* A store; for one reader's thread. */
struct evidence *evidence_run_store(struct evidence_run *run, unsigned index);
/* The segment that the frame brought, with its hash; `datagram` is decoder_datagram()'s. */
void evidence_run_frame(struct evidence *store, const struct smtpscope_segment *segment, uint64_t datagram,
                        const struct frame *frame);
/* The frame brought none. It is kept if it is a fragment; `store` may be NULL. */
void evidence_run_fragment(struct evidence *store, uint64_t datagram, const struct frame *frame);
/* The flow has ended. */
void evidence_run_closed(struct evidence *store, uint64_t hash_seed, const struct smtpscope_flow *flow, smtpscope_time now);

/* --- of the thread that publishes */

/* Writes what is kept of the finding's connection; with `numbers`, replaces its packets: 0 where one was not written. */
void evidence_run_finding(struct evidence_run *run, struct smtpscope_finding *finding);
/* A finding names one file: the last packet's number goes when it is of another one. */
void evidence_run_one_file(struct evidence_run *run, struct smtpscope_finding *finding);
/* To be called every second: writes what has come of such connections since. */
void evidence_run_tick(struct evidence_run *run);
/* What the numbers stand for. */
const struct packets *evidence_run_packets(const struct evidence_run *run);

/* What the run has counted. */
void evidence_run_metrics(struct evidence_run *run, struct metrics_evidence *metrics);

#endif
