/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One output: findings, sessions, messages and totals come in as structs, lines in one format go out through `write`. A format is a
 * table of functions (output_format.h); which formats there are is format_table.h's.
 */
#ifndef OUTPUT_OUTPUT_H
#define OUTPUT_OUTPUT_H

#include "base/packet_numbering.h"
#include "output/delivery.h"
#include "output/summary.h"
#include "output/transcript.h"
#include "smtpscope/finding.h"

#include <stdio.h>

/* Community ID v1 is "1:" and 28 characters; with room for a later version's. */
#define OUTPUT_COMMUNITY_ID_SIZE 64

struct output;
struct output_format;

/* One event as it is written: `len` octets, the last of them a line feed; text for people may have several lines. */
struct output_line {
    const char *at;
    size_t len;
    const char *kind; /* a finding's rule, else the event's type: "session", "message", "stats". Static */
    enum smtpscope_severity severity;
};

/* Whose findings one stands for. */
struct output_clients {
    const struct smtpscope_endpoint *sample; /* their addresses, `sample_count` of them */
    size_t sample_count;
    uint64_t count; /* of all */
    bool more;      /* so many or more */
};

/* How much of what to do each finding says; what people read has its own ways. */
enum output_remediation { OUTPUT_REMEDIATION_FULL, OUTPUT_REMEDIATION_BRIEF, OUTPUT_REMEDIATION_NONE };

/* All that it points to must outlive the output. */
struct output_config {
    const struct output_format *format;
    /* Takes each line in turn, valid during the call: 0, or an errno that ends the output. */
    int (*write)(void *ctx, const struct output_line *line);
    void *ctx;
    const struct packet_numbering *numbering; /* of the packets of sessions and messages */
    const struct packet_numbering *evidence;  /* of those of findings, where they are others; NULL: the same */
    /* Writes the flow's community ID, terminated; "" when it has none. */
    void (*community_id)(const struct smtpscope_flow *flow, char id[OUTPUT_COMMUNITY_ID_SIZE]);
    const char *sensor;    /* who says it, in formats for programs; NULL: nobody says */
    const char *interface; /* where it was captured; NULL: there are several, or none */
    enum output_remediation remediation;
    unsigned columns; /* of the terminal; text only */
    bool colour;      /* text only */
    bool messages;    /* show each message */
    bool brief;       /* of text over files only the first screen */
    bool summary;     /* print the totals at the end; text always does */
};

/* NULL when out of memory. `config` is copied. */
struct output *output_new(const struct output_config *config);
void output_free(struct output *output);

/* Each is valid during the call only. */
void output_finding(struct output *output, const struct smtpscope_finding *finding);
/* One finding in the place of several that are alike. */
void output_repeat(struct output *output, const struct smtpscope_finding *finding, const struct output_clients *clients);
void output_session(struct output *output, const struct smtpscope_flow *flow, const struct transcript *transcript);
/* A try to deliver a mail that has ended: counted where the format does so, and shown where messages are. */
void output_message(struct output *output, const struct smtpscope_flow *flow, const struct delivery *delivery);
/* The last call but output_free(): what is still held, and the totals. */
void output_finish(struct output *output, const struct summary *summary);

/* 0, or the errno of the first write that failed; nothing more is written then. */
int output_error(const struct output *output);

/* An output_config's `write` whose ctx is a FILE *. The owner of the stream flushes it. */
int output_to_stream(void *stream, const struct output_line *line);

#endif
