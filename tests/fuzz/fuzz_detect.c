/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any segments of a connection on another port, and whatever nDPI makes of them. The input is a row of segments of three octets
 * and their payload: what (1: bit 0 who sends, bits 1 to 3 which flags), where from its place (1, signed), length (1).
 */
#include "detect/candidates.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t flags[8] = {
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_SYN,
    SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_FIN | SMTPSCOPE_TCP_ACK,
    SMTPSCOPE_TCP_RST,
    0,
};

struct followed {
    uint64_t packet, count;
};

/* From a handshake on, in the order they came, none twice. */
static void follow(void *ctx, const struct smtpscope_segment *segment)
{
    struct followed *followed = ctx;
    uint8_t last = 0;
    for (uint32_t i = 0; i < segment->len; i++) /* all of it can be read */
        last ^= segment->data[i];
    assert(segment->packet > followed->packet && (segment->len > 0 || last == 0));
    followed->packet = segment->packet;
    followed->count++;
}

/* The payload stands alone in memory: an octet too far is seen. */
static void feed(struct candidates *candidates, struct smtpscope_segment *segment, const uint8_t *payload)
{
    uint8_t *data = malloc(segment->len ? segment->len : 1);
    assert(data != NULL);
    if (segment->len > 0)
        memcpy(data, payload, segment->len);
    segment->data = data;
    candidates_segment(candidates, segment);
    free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct detect *detect;
    struct smtpscope_endpoint ends[2] = {{.port = 40000}, {.port = 10025}};
    struct followed followed = {0};
    struct candidates_stats stats;
    uint32_t next[2] = {100, 0xfffffff0};
    if (detect == NULL)
        detect = detect_new();
    struct candidates *candidates =
        candidates_new(&(struct candidates_config){.detect = detect, .hash_seed = 1, .follow = follow, .ctx = &followed});
    assert(detect != NULL && candidates != NULL);
    for (uint64_t packet = 1; size >= 3; packet++) {
        bool server = data[0] & 1;
        struct smtpscope_segment segment = {.src = ends[server],
                                            .dst = ends[!server],
                                            .flags = flags[data[0] >> 1 & 7],
                                            .seq = next[server] + (uint32_t)(int8_t)data[1],
                                            .ack = next[!server],
                                            .len = data[2] < size - 3 ? data[2] : (uint32_t)(size - 3),
                                            .time = (smtpscope_time)packet,
                                            .packet = packet};
        next[server] += segment.len + ((segment.flags & SMTPSCOPE_TCP_SYN) != 0);
        feed(candidates, &segment, data + 3);
        data += 3 + segment.len;
        size -= 3 + segment.len;
    }
    candidates_stats(candidates, &stats);
    assert(stats.opened <= 1 + stats.followed + stats.dismissed + stats.undecided + stats.evicted);
    assert(stats.opened >= stats.followed + stats.dismissed + stats.undecided + stats.evicted &&
           (stats.followed > 0 || followed.count == 0));
    candidates_free(candidates);
    return 0;
}
