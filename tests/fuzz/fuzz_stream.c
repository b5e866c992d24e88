/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any segments around a few flows. The input is a row of segments of seven octets and their payload:
 * what (1: bits 0-2 the flow, bit 3 who sends, bits 4-7 which flags), sequence and acknowledgement number (1 each, signed,
 * from where the flow stands), payload (1), octets missing behind it (1), time (1), how far the flow moves on (1).
 */
#include "streams_record.h"

#define FLOWS 8

static const uint8_t flags[16] = {
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_ACK | SMTPSCOPE_TCP_PSH,
    SMTPSCOPE_TCP_SYN,
    SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_RST,
    SMTPSCOPE_TCP_RST | SMTPSCOPE_TCP_ACK,
    0,
    SMTPSCOPE_TCP_FIN,
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_RST,
};

static void segment_feed(struct smtpscope_streams *streams, uint32_t next[FLOWS][2], const uint8_t *at, const uint8_t *end,
                         smtpscope_time time, uint64_t packet)
{
    unsigned flow = at[0] & 7u, side = at[0] >> 3 & 1u;
    struct smtpscope_endpoint ends[2] = {record_end(flow, 1024), record_end(100, flow & 1 ? 25 : 587)};
    struct smtpscope_segment segment = {
        .src = ends[side],
        .dst = ends[!side],
        .flags = flags[at[0] >> 4],
        .seq = next[flow][side] + (uint32_t)(int8_t)at[1],
        .ack = next[flow][!side] + (uint32_t)(int8_t)at[2],
        .missing = at[4] & 0x80 ? at[4] & 0x7fu : 0,
        .time = time,
        .packet = packet,
    };
    uint8_t *data;

    segment.len = at[3] < end - at - 7 ? at[3] : (uint32_t)(end - at - 7);
    data = malloc(segment.len ? segment.len : 1);
    assert(data != NULL);
    memcpy(data, at + 7, segment.len);
    segment.data = data;
    smtpscope_streams_segment(streams, &segment);
    next[flow][side] += at[6] & 0x80 ? (uint32_t)at[6] << 24 : at[6]; /* a leap, sometimes */
    free(data);
}

static void stats_check(const struct smtpscope_streams *streams, const struct records *records,
                        const struct smtpscope_stream_config *config)
{
    struct smtpscope_stream_stats stats;

    smtpscope_streams_stats(streams, &stats);
    assert(stats.flows == records->opened && stats.flows_now >= records->opened - records->closed); /* some are not told yet */
    assert(stats.flows_now <= config->max_flows && stats.held_now <= config->max_held + 256);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct records records;
    struct smtpscope_stream_config config = record_config(&records);
    struct smtpscope_streams *streams;
    struct smtpscope_stream_stats stats;
    uint32_t next[FLOWS][2];
    smtpscope_time time = 0;
    uint64_t packet = 0;

    memset(&records, 0, sizeof records);
    config.max_flows = 5;
    config.max_held = 600;
    config.idle = 100 * SMTPSCOPE_SECOND;
    streams = smtpscope_streams_new(&config);
    assert(streams != NULL);
    for (unsigned flow = 0; flow < FLOWS; flow++)
        next[flow][0] = next[flow][1] = flow % 3 ? 1000 : UINT32_MAX - 20;
    for (const uint8_t *at = data, *end = data + size; end - at >= 7;) {
        size_t len = at[3] < end - at - 7 ? at[3] : (size_t)(end - at - 7);

        time += at[5] * (SMTPSCOPE_SECOND / 8);
        smtpscope_streams_expire(streams, time);
        segment_feed(streams, next, at, end, time, ++packet);
        stats_check(streams, &records, &config);
        at += 7 + len;
    }
    smtpscope_streams_flush(streams);
    stats_check(streams, &records, &config);
    assert(records.opened == records.closed && records.first == NULL);
    smtpscope_streams_stats(streams, &stats);
    assert(stats.flows_now == 0 && stats.held_now == 0);
    smtpscope_streams_free(streams);
    return 0;
}
