/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Told of the session whose handshake failed, for that is where something is to be mended, and once for each. Whether it was the
 * same message nobody knows: that the client delivers in clear is what matters. A handshake that goes well ends it.
 */
#include "fallback.h"

#include "base/hash.h"

/* The queue's next try. A day later the client may have other reasons. */
#define FALLBACK_TIME (24 * 3600 * SMTPSCOPE_SECOND)

static uint64_t key_of(const struct smtpscope_trace *trace, uint64_t seed)
{
    const struct smtpscope_endpoint *server = &trace->flow.side[SMTPSCOPE_SERVER];
    uint64_t key = hash_octets(trace->client.addr, sizeof trace->client.addr,
                               hash_octets(server->addr, sizeof server->addr, seed ^ server->port));

    return key ? key : 1;
}

static void fallback_tell(const struct fallback_slot *slot, smtpscope_time later,
                          void (*tell)(void *ctx, const struct smtpscope_finding *finding), void *ctx)
{
    static const uint32_t none;

    tell(ctx, &(struct smtpscope_finding){.rule = SMTPSCOPE_RULE_TLS_FALLBACK_TO_CLEAR,
                                          .severity = SMTPSCOPE_WARNING,
                                          .confidence = SMTPSCOPE_LIKELY,
                                          .fault = SMTPSCOPE_FAULT_SERVER,
                                          .detail = SMTPSCOPE_DETAIL_IN_CLEAR_AFTER,
                                          .detail_text = "",
                                          .detail_number = (uint64_t)((later - slot->time) / SMTPSCOPE_SECOND),
                                          .count = 1,
                                          .flow = &slot->flow,
                                          .time = slot->time,
                                          .last_time = later,
                                          .packet = slot->packet,
                                          .last_packet = slot->packet,
                                          .side = SMTPSCOPE_CLIENT,
                                          .command = "",
                                          .argument = "",
                                          .text = "",
                                          .state = "",
                                          .server = "",
                                          .exchanges = &none});
}

void fallback_note(struct fallback *fallback, uint64_t seed, const struct smtpscope_trace *trace,
                   void (*tell)(void *ctx, const struct smtpscope_finding *finding), void *ctx)
{
    uint64_t key = key_of(trace, seed);
    struct fallback_slot *slot = &fallback->slots[key % FALLBACK_SLOTS];

    if (trace->kind == SMTPSCOPE_TRACE_HANDSHAKE && trace->failed) {
        *slot = (struct fallback_slot){key, trace->flow, trace->time, trace->packet};
        return;
    }
    if (slot->key != key)
        return;
    if (trace->kind == SMTPSCOPE_TRACE_CLEAR && trace->time - slot->time < FALLBACK_TIME)
        fallback_tell(slot, trace->time, tell, ctx);
    *slot = (struct fallback_slot){0};
}
