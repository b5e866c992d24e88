/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports as octets: what a worker has to say, packed so that another thread can publish it later, in an order that does not
 * depend on how many workers there are: by the packet that was being worked on, then by the flow, then as it was said.
 */
#ifndef APP_HANDOFF_REPORT_BUFFER_H
#define APP_HANDOFF_REPORT_BUFFER_H

#include "app/handoff/report_taker.h"
#include "base/writer.h"

/* Where a report stands among those of all workers; see report_key_compare(). */
struct report_key {
    uint64_t packet; /* that was being worked on */
    uint64_t flow;   /* its first packet */
    bool segment;    /* said while the packet's segment was followed; else before it, as packet time went on */
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

/* What a report's taker would be told, kept under the key buffer->now. */
void report_buffer_finding(struct report_buffer *buffer, const struct smtpscope_finding *finding);
void report_buffer_trace(struct report_buffer *buffer, const struct smtpscope_trace *trace);
void report_buffer_session(struct report_buffer *buffer, const struct smtpscope_flow *flow,
                           const struct transcript *transcript);
void report_buffer_message(struct report_buffer *buffer, const struct smtpscope_flow *flow,
                           const struct smtpscope_message *message);
/* Empties it, and keeps its memory. */
void report_buffer_clear(struct report_buffer *buffer);
void report_buffer_fini(struct report_buffer *buffer);
/* How many records it holds. */
uint64_t report_buffer_count(const struct report_buffer *buffer);

/* Whoever packs what it is told: `buffer` gives the buffer that the next report goes into, with its `now`. */
struct report_packer {
    struct report_buffer *(*buffer)(void *ctx);
    void *ctx;
};

/* Puts what it is told there, but for findings that were told before and have not changed. The packer must outlive it. */
struct report_taker report_packer_taker(struct report_packer *packer);

/* The first report at or behind `at`; NULL at the end. */
struct buffered_report *report_buffer_at(const struct report_buffer *buffer, size_t at);
/* Says again what the report holds. */
void buffered_report_deliver(struct buffered_report *report, const struct report_taker *taker);

/* Less than, equal to or greater than 0, as memcmp(3). */
int report_key_compare(const struct report_key *a, const struct report_key *b);

#endif
