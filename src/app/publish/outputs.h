/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where findings, sessions, messages and totals go: to each output in its format, by a sink of its own. In a live run no output
 * holds anything up; over files nothing is lost for want of waiting.
 */
#ifndef APP_PUBLISH_OUTPUTS_H
#define APP_PUBLISH_OUTPUTS_H

#include "app/process/terminal.h"
#include "app/publish/own_losses.h"
#include "output/format_table.h"
#include "output/metrics/metrics.h"

/* More outputs than anyone has readers for. */
#define OUTPUTS_MAX 16

struct outputs;

/* All that it points to must outlive the outputs, but for the specs. */
struct outputs_config {
    const char *const *specs; /* see struct sink_config; `count` of them, none: standard output */
    size_t count;
    uint64_t rotate_octets;
    unsigned rotate_count;
    const struct format_row *format;
    enum colour colour;
    const char *sensor, *interface; /* see struct output_config */
    enum output_remediation remediation;
    bool messages;                            /* show them */
    bool detail;                              /* on a terminal not only the first screen */
    bool brief;                               /* over files as while watching */
    bool summary;                             /* totals at the end also in formats that do not always have them */
    const struct packet_numbering *numbering; /* see struct output_config */
    const struct packet_numbering *evidence;
    /*
     * Over files: standard output, which is written to without a queue, for its reader may hold the analysis up, and a queue
     * would only cost time. Each other output waits for its reader as well. NULL: no output waits, not even standard output.
     */
    FILE *stream;
};

/* Opens them. NULL: told on standard error. */
struct outputs *outputs_open(const struct outputs_config *config);
/*
 * Writes what is queued, over files all of it, else within `deadline_ms` in all; says what is lost, and frees. false: something
 * is lost. NULL is fine.
 */
bool outputs_close(struct outputs *outputs, unsigned deadline_ms);

/* To each of them; see output.h. */
void outputs_finding(struct outputs *outputs, const struct smtpscope_finding *finding);
void outputs_repeat(struct outputs *outputs, const struct smtpscope_finding *finding, const struct output_clients *clients);
void outputs_session(struct outputs *outputs, const struct smtpscope_flow *flow, const struct transcript *transcript);
void outputs_message(struct outputs *outputs, const struct smtpscope_flow *flow, const struct delivery *delivery);
void outputs_totals(struct outputs *outputs, const struct summary *summary);
/* What was written to the stream is to be seen now. A failure stays with the stream, and the next write meets it. */
void outputs_flush(struct outputs *outputs);

/* Nothing will be taken any more by any of them: the only reader, of standard output, has gone. */
bool outputs_broken(struct outputs *outputs);

/* --- while interfaces are watched */

/* Files are closed and opened again. */
void outputs_reopen(struct outputs *outputs);
/* Tells on standard error which have failed since the last look, and which are back; to be called about once a second. */
void outputs_look(struct outputs *outputs);
/* What each has lost so far. The names are valid until they are closed. */
void outputs_lost(struct outputs *outputs, struct loss_counts *counts);
void outputs_metrics(struct outputs *outputs, struct metrics_snapshot *snapshot);

/* The totals as text for people on standard error, whatever the outputs are. */
void outputs_totals_to_stderr(const struct outputs_config *config, const struct summary *summary);

#endif
