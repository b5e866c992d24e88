/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a format, or a store, has to do: a function for each kind of event, which gets structs and makes of them what it wants. For
 * the formats and output.c alone.
 */
#ifndef OUTPUT_OUTPUT_FORMAT_H
#define OUTPUT_OUTPUT_FORMAT_H

#include "output/format_table.h"
#include "output/output.h"

/* `state` is what create() returned. Each puts its lines into output->line and ends them with output_write(). */
struct output_format {
    void *(*create)(const struct output_config *config); /* NULL: out of memory */
    void (*destroy)(void *state);
    /* `clients` is NULL where the finding stands for itself alone. */
    void (*finding)(struct output *output, void *state, const struct smtpscope_finding *finding,
                    const struct output_clients *clients);
    void (*session)(struct output *output, void *state, const struct smtpscope_flow *flow, const struct transcript *transcript);
    void (*message)(struct output *output, void *state, const struct smtpscope_flow *flow, const struct delivery *delivery);
    /* The same, also where messages are not shown. NULL: it needs none. */
    void (*outcome)(void *state, const struct smtpscope_flow *flow, const struct smtpscope_message *message);
    void (*finish)(struct output *output, void *state, const struct summary *summary);
};

struct output {
    struct output_config config;
    void *state;
    struct writer line; /* what is being put together */
    int error;
    char *sensor, *interface; /* the config's, for the strings of options change at a reload */
};

/* Writes the line and empties it. */
void output_write(struct output *output, const char *kind, enum smtpscope_severity severity);

#endif
