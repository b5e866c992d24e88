/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a run over files and one over interfaces have in common behind their workers: the publisher, its outputs, the evidence,
 * the totals, and what the program ends with.
 */
#ifndef APP_PUBLISH_PUBLICATION_H
#define APP_PUBLISH_PUBLICATION_H

#include "app/handoff/totals.h"
#include "app/process/status.h"
#include "app/publish/publish.h"

/* All that it points to must outlive the publication, but for the outputs' specs. */
struct publication_config {
    struct publisher_config publisher;
    struct outputs_config outputs;          /* its numberings are the publication's to fill in */
    struct evidence_writer_config evidence; /* path NULL: not wanted */
    const char *store;                      /* file of the history; NULL: none is kept */
    const char *watched;                    /* the interfaces, for people; NULL: files are read */
    bool detect;                            /* sessions on other ports are looked for */
    int fail_on;                            /* enum smtpscope_severity; -1: never */
};

struct publication {
    struct publication_config config;
    struct packet_numbering numbering; /* of what is read; none: what comes from an interface stands in no file */
    struct publisher *publisher;
    struct outputs *outputs;
    struct evidence_writer *evidence; /* NULL: not wanted */
    struct store *store;              /* NULL: not wanted */
};

/* Makes what needs nothing but memory: a store for each thread that reads frames, too. false: told. */
bool publication_new(struct publication *publication, const struct publication_config *config);
/* Opens the evidence and the outputs, as the user who will rotate and reopen them. false: told. */
bool publication_open(struct publication *publication);
/*
 * What may change while the program runs is as `config` has it from now on. With `outputs`, they are others: those that are
 * replaced have `deadline_ms` for what they hold. false: told, and all stays as it was.
 */
bool publication_change(struct publication *publication, const struct publication_config *config, bool outputs,
                        unsigned deadline_ms);

/* All packets from `first` to `last` were looked at, which the history needs to know; 0: there were none. */
void publication_seen(struct publication *publication, smtpscope_time first, smtpscope_time last);
/* Nothing more comes behind `last`, the time of the last packet. false: some of the evidence could not be written; told. */
bool publication_finish(struct publication *publication, smtpscope_time last);
/*
 * The totals as they are shown, with those of the stages, which must outlive it. `totals` has what workers and publisher have
 * counted; the evidence's is filled in.
 */
void publication_summary(const struct publication *publication, struct totals *totals, struct summary *summary);
/* STATUS_FOUND or STATUS_DONE. */
enum status publication_status(const struct publication *publication);

/* Outputs have `deadline_ms` for what they hold. Frees all, also after publication_new() has failed. false: something is lost. */
bool publication_close(struct publication *publication, unsigned deadline_ms);

#endif
