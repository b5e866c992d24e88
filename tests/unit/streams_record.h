/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the reassembler tells, recorded per flow, and what holds for it whatever the segments were: offsets of a direction
 * are contiguous, an acknowledgement never runs ahead, nothing comes behind the close. Needs no test framework.
 */
#ifndef SMTPSCOPE_TESTS_STREAMS_RECORD_H
#define SMTPSCOPE_TESTS_STREAMS_RECORD_H

#include "smtpscope/stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
    struct record *next;
    const struct smtpscope_flow *flow;
    uint64_t offset[2], octets[2], gaps[2];
    bool closed;
};

struct records {
    struct record *first;
    size_t opened, closed;
    unsigned long touched;
    bool refuse; /* opened() follows nothing */
    bool show_acked;
    char log[4096]; /* "open c0:abc s0:def c3+5 s3! close:FIN/c(cs)" */
    size_t log_len;
    uint8_t *copy[2]; /* of the last flow's octets, when there is room */
    size_t copy_size;
};

static inline void record_log(struct records *records, const char *word)
{
    size_t len = strlen(word);

    if (records->log_len + len + 1 < sizeof records->log) {
        memcpy(records->log + records->log_len, word, len + 1);
        records->log_len += len;
    }
}

static inline void *record_opened(void *ctx, const struct smtpscope_flow *flow)
{
    struct records *records = ctx;
    struct record *record = records->refuse ? NULL : calloc(1, sizeof *record);
    char word[64];

    records->opened += record != NULL;
    snprintf(word, sizeof word, "open%s:%u ", flow->midstream ? "-midstream" : "", flow->side[SMTPSCOPE_CLIENT].port);
    record_log(records, word);
    if (!record)
        return NULL;
    record->flow = flow;
    record->next = records->first;
    return records->first = record;
}

static inline void record_octets(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    struct records *records = ctx;
    struct record *record = user;
    char word[128];

    assert(!record->closed && octets->len > 0);
    assert(octets->offset == record->offset[octets->side]);
    assert(octets->acked <=
           record->offset[!octets->side] + 1); /* what it answers was told before; and the FIN, which is not told */
    for (size_t i = 0; i < octets->len; i++)
        records->touched += octets->data[i];
    if (octets->offset + octets->len <= records->copy_size)
        memcpy(records->copy[octets->side] + octets->offset, octets->data, octets->len);
    record->offset[octets->side] += octets->len;
    record->octets[octets->side] += octets->len;
    snprintf(word, sizeof word, "%c%llu:%.*s%s", "cs"[octets->side], (unsigned long long)octets -> offset,
             octets -> len > 40 ? 1 : (int)octets -> len, (const char *)octets -> data, octets -> len > 40 ? ".." : "");
    record_log(records, word);
    snprintf(word, sizeof word, records->show_acked ? "(%llu) " : " ", (unsigned long long)octets->acked);
    record_log(records, word);
}

static inline void record_gap(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    struct records *records = ctx;
    struct record *record = user;
    char word[64];

    assert(!record->closed && gap->len > 0 && gap->offset == record->offset[gap->side]);
    record->offset[gap->side] += gap->len;
    record->gaps[gap->side] += gap->len;
    snprintf(word, sizeof word, "%c%llu+%llu ", "cs"[gap->side], (unsigned long long)gap -> offset,
             (unsigned long long)gap -> len);
    record_log(records, word);
}

static inline void record_conflict(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    struct record *record = user;
    char word[64];

    assert(!record->closed);
    snprintf(word, sizeof word, "%c%llu! ", "cs"[gap->side], (unsigned long long)gap -> offset);
    record_log(ctx, word);
}

static inline void record_urgent(void *ctx, void *user, const struct smtpscope_gap *place)
{
    struct record *record = user;
    char word[64];

    assert(!record->closed && place->offset == record->offset[place->side]);
    snprintf(word, sizeof word, "%c%llu? ", "cs"[place->side], (unsigned long long)place -> offset);
    record_log(ctx, word);
}

static inline void record_closed(void *ctx, void *user, const struct smtpscope_ending *ending)
{
    static const char *const names[] = {"FIN", "RST", "IDLE", "END", "REUSED", "EVICTED"};
    struct records *records = ctx;
    struct record *record = user, **at = &records->first;
    char word[64];

    assert(!record->closed && ending->why <= SMTPSCOPE_CLOSE_EVICTED);
    assert(ending->why != SMTPSCOPE_CLOSE_FIN || ending->fin[0] || ending->fin[1]);
    records->closed++;
    snprintf(word, sizeof word, "close:%s/%c(%s%s) ", names[ending->why], "cs"[ending->by], ending -> fin[0] ? "c" : "",
             ending->fin[1] ? "s" : "");
    record_log(records, word);
    while (*at != record)
        at = &(*at)->next;
    *at = record->next;
    free(record);
}

static const struct smtpscope_stream_events record_events = {
    .opened = record_opened,
    .octets = record_octets,
    .gap = record_gap,
    .conflict = record_conflict,
    .closed = record_closed,
    .urgent = record_urgent,
};

/* A configuration that watches ports 25 and 587 and records into `records`. */
static inline struct smtpscope_stream_config record_config(struct records *records)
{
    static uint8_t ports[8192];

    ports[25 / 8] |= 1u << 25 % 8;
    ports[587 / 8] |= 1u << 587 % 8;
    return (struct smtpscope_stream_config){.events = &record_events, .ctx = records, .ports = ports, .hash_seed = 7};
}

/* An end of the test network; `host` tells the addresses apart. */
static inline struct smtpscope_endpoint record_end(uint32_t host, uint16_t port)
{
    struct smtpscope_endpoint end = {.addr = {[10] = 0xff, [11] = 0xff, [12] = 10}, .port = port};

    end.addr[13] = (uint8_t)(host >> 16);
    end.addr[14] = (uint8_t)(host >> 8);
    end.addr[15] = (uint8_t)host;
    return end;
}

#endif
