/* SPDX-License-Identifier: BSD-2-Clause */
/* The outputs of a live run: where findings go, each by a sink of its own that never holds anything up. */
#ifndef APP_OUTPUTS_H
#define APP_OUTPUTS_H

#include "app/losses.h"
#include "app/options.h"
#include "app/publish.h"
#include "output/metrics.h"

/* Indexes of the formats of session and message lines. Everything but standard output gets JSON Lines. */
enum { FORMAT_JSON, FORMAT_TEXT };

struct outputs;

/* Opens what the options name; without --output, standard output. NULL: told on standard error. `packets` must outlive it. */
struct outputs *outputs_open(const struct options *options, const struct packets *packets);
/* Writes what is queued, within `deadline_ms` in all, says what is lost, and frees. */
void outputs_close(struct outputs *outputs, unsigned deadline_ms);

/* All of them become the publisher's. */
void outputs_publish(struct outputs *outputs, struct publisher *publisher);
/* An event of statistics to each. */
void outputs_stats(struct outputs *outputs, const struct summary *summary);
/* Files are closed and opened again. */
void outputs_reopen(struct outputs *outputs);
/* What each has lost so far. The names are valid until they are closed. */
void outputs_lost(struct outputs *outputs, struct loss_counts *counts);
/* Nothing will be taken any more by any of them: the only reader, of standard output, has gone. */
bool outputs_broken(struct outputs *outputs);
void outputs_metrics(struct outputs *outputs, struct metrics_snapshot *snapshot);

/* The same for session and message lines of a format; without `write`. */
struct output_config outputs_config(const struct options *options, const struct packets *packets, size_t format);

#endif
