/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports as octets: findings, traces, sessions and messages come in as structs, are copied with all they point to into one
 * growing block, and come out as structs again on another thread (report_taker.h). A key orders them among those of all workers: by
 * the packet that was being worked on, then by the flow, then as they were made.
 *
 * Structs travel and no finished lines, so that each format or store behind the publisher decides what it makes of them.
 * Formatting them in the one thread that publishes was measured as fast as in the workers.
 */
#ifndef APP_HANDOFF_REPORT_BUFFER_H
#define APP_HANDOFF_REPORT_BUFFER_H

#include "app/handoff/report_taker.h"
#include "base/writer.h"

/* Where a report stands among those of all workers; see report_key_compare(). */
struct report_key {
    uint64_t packet; /* that was being worked on */
    uint64_t flow;   /* its first packet */
    bool segment;    /* made while the packet's segment was followed; else before it, as packet time went on */
};

/* A report as it stands in the buffer, followed by its parts. */
struct buffered_report {
    struct report_key key;
    uint32_t size; /* with its parts, a multiple of 8 */
    uint8_t kind;
};

/* All zero is empty. What memory is too short for is lost, and counted. */
struct report_buffer {
    struct writer octets;
    struct report_key now; /* key.flow is set from the report itself */
    uint64_t lost;
};

/* Each is a copy, kept under the key buffer->now. */
void report_buffer_finding(struct report_buffer *buffer, const struct smtpscope_finding *finding);
void report_buffer_trace(struct report_buffer *buffer, const struct smtpscope_trace *trace);
void report_buffer_session(struct report_buffer *buffer, const struct smtpscope_flow *flow,
                           const struct transcript *transcript);
void report_buffer_message(struct report_buffer *buffer, const struct smtpscope_flow *flow, const struct delivery *delivery);
/* Empties it, and keeps its memory. */
void report_buffer_clear(struct report_buffer *buffer);
void report_buffer_fini(struct report_buffer *buffer);
/* How many records it holds. */
uint64_t report_buffer_count(const struct report_buffer *buffer);

/* A worker's side: `buffer` gives the buffer that the next report goes into, with its `now` set. */
struct report_packer {
    struct report_buffer *(*buffer)(void *ctx);
    void *ctx;
};

/* Puts what it is told there, but for findings that were told before and have not changed. The packer must outlive it. */
struct report_taker report_packer_taker(struct report_packer *packer);

/* The first report at or behind `at`; NULL at the end. */
struct buffered_report *report_buffer_at(const struct report_buffer *buffer, size_t at);
/* Tells the taker what the report holds; it may be completed in place. */
void buffered_report_deliver(struct buffered_report *report, const struct report_taker *taker);

/* Less than, equal to or greater than 0, as memcmp(3). */
int report_key_compare(const struct report_key *a, const struct report_key *b);

#endif
