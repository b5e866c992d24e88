/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where findings go, each by a sink of its own. In a live run none of them holds anything up; over files nothing is lost for
 * want of waiting.
 */
#ifndef APP_PUBLISH_OUTPUTS_H
#define APP_PUBLISH_OUTPUTS_H

#include "app/options/options.h"
#include "app/publish/own_losses.h"
#include "app/publish/publish.h"
#include "output/metrics/metrics.h"

/* Indexes of the formats of session and message lines. Everything but standard output gets JSON Lines. */
enum { FORMAT_JSON, FORMAT_TEXT };

struct outputs;

/* Opens what the options name; without --output, standard output. NULL: told on standard error. `packets` must outlive it. */
struct outputs *outputs_open(const struct options *options, const struct packet_numbering *numbering);
/*
 * Those of an analysis of files, but for standard output, which is not theirs: there may be none. A line that finds no room
 * waits, and so does the end.
 */
struct outputs *outputs_open_patient(const struct options *options, const struct packet_numbering *numbering);
/* Writes what is queued, within `deadline_ms` in all, says what is lost, and frees. false: something is lost. NULL is fine. */
bool outputs_close(struct outputs *outputs, unsigned deadline_ms);
/* Waits until all that can be written is. */
void outputs_drain(struct outputs *outputs);
size_t outputs_count(const struct outputs *outputs);

/* All of them become the publisher's, beside those it has. false: too many. */
bool outputs_add_to(struct outputs *outputs, struct publisher *publisher);
/* In place of those it has. */
void outputs_publish(struct outputs *outputs, struct publisher *publisher);
/* An event of statistics to each. */
void outputs_stats(struct outputs *outputs, const struct summary *summary);
/* Files are closed and opened again. */
void outputs_reopen(struct outputs *outputs);
/* Tells on standard error which have failed since the last look, and which are back; to be called about once a second. */
void outputs_look(struct outputs *outputs);
/* What each has lost so far. The names are valid until they are closed. */
void outputs_lost(struct outputs *outputs, struct loss_counts *counts);
/* Nothing will be taken any more by any of them: the only reader, of standard output, has gone. */
bool outputs_broken(struct outputs *outputs);
void outputs_metrics(struct outputs *outputs, struct metrics_snapshot *snapshot);

/* The same for session and message lines of a format; without `write`. */
struct output_config outputs_config(const struct options *options, const struct packet_numbering *numbering, size_t format);

#endif
