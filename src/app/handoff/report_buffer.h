/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports as octets: what a worker has to say, packed so that another thread can publish it later, in an order that does not
 * depend on how many workers there are: by the packet that was being worked on, then by the flow, then as it was said.
 */
#ifndef APP_HANDOFF_REPORT_BUFFER_H
#define APP_HANDOFF_REPORT_BUFFER_H

#include "app/handoff/report_taker.h"
#include "base/writer.h"

/* Where a report stands among those of all workers; see outbox_key_compare(). */
struct outbox_key {
    uint64_t packet; /* that was being worked on */
    uint64_t flow;   /* its first packet */
    bool segment;    /* said while the packet's segment was followed; else before it, as packet time went on */
};

/* A report as it stands in the outbox, followed by its parts. */
struct outbox_record {
    struct outbox_key key;
    uint32_t size; /* with its parts, a multiple of 8 */
    uint8_t kind;
};

/* All zero is empty. What memory is too short for is lost, and counted. */
struct outbox {
    struct writer octets;
    struct outbox_key now; /* key.flow is set from the report itself */
    uint64_t lost;
};

/* What a report's taker would be told, kept under the key outbox->now. */
void outbox_finding(struct outbox *outbox, const struct smtpscope_finding *finding);
void outbox_trace(struct outbox *outbox, const struct trace *trace);
void outbox_line(struct outbox *outbox, const struct smtpscope_flow *flow, size_t format, const struct output_line *line);
/* Empties it, and keeps its memory. */
void outbox_clear(struct outbox *outbox);
void outbox_fini(struct outbox *outbox);
/* How many records it holds. */
uint64_t outbox_count(const struct outbox *outbox);

/* The first record at or behind `at`; NULL at the end. */
const struct outbox_record *outbox_at(const struct outbox *outbox, size_t at);
/* Says again what the record holds. */
void outbox_say(const struct outbox_record *record, const struct report *report);

/* Less than, equal to or greater than 0, as memcmp(3). */
int outbox_key_compare(const struct outbox_key *a, const struct outbox_key *b);

#endif
