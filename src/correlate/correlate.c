/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What shows across sessions, each kind in a file of its own: what became of deferrals (stories.h), refused logins and unknown
 * recipients by client (attempts.h), connections that never came to a word (unreached.h). Here: a server that offered STARTTLS to
 * one client and does not to another, by its address and port.
 */
#include "smtpscope/correlate.h"

#include "attempts.h"
#include "base/hash.h"
#include "base/memory.h"
#include "fallback.h"
#include "inferred.h"
#include "stories.h"
#include "unreached.h"

/* Servers that offer STARTTLS: direct-mapped, a newcomer takes the slot. An offer older than a day proves nothing. */
#define SERVERS 4096u
#define OFFER_TIME (24 * 3600 * SMTPSCOPE_SECOND)

/* A server that has offered STARTTLS; `client` is the last one that it offered it to. */
struct offer {
    uint64_t server, client, told; /* told: the client that was last told not to be offered it */
    smtpscope_time time;
};

struct smtpscope_correlate {
    struct smtpscope_correlate_config config;
    struct offer offers[SERVERS];
    struct attempts attempts;
    struct unreached unreached;
    struct stories stories;
    struct inferred inferred;
    struct fallback fallback;
};

struct smtpscope_correlate *smtpscope_correlate_new(const struct smtpscope_correlate_config *config)
{
    struct smtpscope_correlate *correlate = memory_new(config->allocator, sizeof *correlate);

    if (!correlate)
        return NULL;
    correlate->config = *config;
    stories_defaults(&correlate->config);
    return correlate;
}

/* The smallest page there is: larger ones are touched more than once. */
#define PAGE 4096

void smtpscope_correlate_settle(struct smtpscope_correlate *correlate)
{
    volatile uint8_t *octets = (volatile uint8_t *)correlate;

    for (size_t i = 0; i < sizeof *correlate; i += PAGE)
        octets[i] = octets[i];
}

void smtpscope_correlate_free(struct smtpscope_correlate *correlate)
{
    if (correlate)
        memory_free(correlate->config.allocator, correlate);
}

uint64_t smtpscope_correlate_forgotten(const struct smtpscope_correlate *correlate)
{
    return correlate->stories.forgotten;
}

static uint64_t seconds(smtpscope_time time)
{
    return time > 0 ? (uint64_t)(time / SMTPSCOPE_SECOND) : 0;
}

static uint64_t endpoint_key(const struct smtpscope_endpoint *endpoint, bool port, uint64_t seed)
{
    uint64_t key = hash_octets(endpoint->addr, sizeof endpoint->addr, seed ^ (port ? endpoint->port : 0));

    return key ? key : 1;
}

static void tell_stripped(struct smtpscope_correlate *correlate, const struct smtpscope_trace *trace, smtpscope_time offered)
{
    struct smtpscope_finding finding = {
        .rule = SMTPSCOPE_RULE_SECURITY_STARTTLS_STRIPPED,
        .severity = SMTPSCOPE_WARNING,
        .confidence = SMTPSCOPE_LIKELY,
        .detail = SMTPSCOPE_DETAIL_VANISHED,
        .detail_text = "",
        .detail_number = seconds(trace->time - offered),
        .count = 1,
        .flow = &trace->flow,
        .time = trace->time,
        .last_time = trace->time,
        .packet = trace->packet,
        .last_packet = trace->packet,
        .side = SMTPSCOPE_SERVER,
        .offset = trace->offset,
        .command = "EHLO",
        .argument = "",
        .text = "",
        .code = trace->code,
        .state = trace->state,
        .server = "",
        .exchanges = &trace->exchange,
        .exchange_count = 1,
        .evidence_count = 1,
        .fault = SMTPSCOPE_FAULT_NETWORK,
    };

    correlate->config.finding(correlate->config.ctx, &finding);
}

static void offer_note(struct smtpscope_correlate *correlate, const struct smtpscope_trace *trace)
{
    const struct smtpscope_endpoint *side = trace->flow.side;
    uint64_t seed = correlate->config.hash_seed;
    uint64_t server = endpoint_key(&side[SMTPSCOPE_SERVER], true, seed), client = endpoint_key(&trace->client, false, seed);
    struct offer *offer = &correlate->offers[server % SERVERS];

    if (trace->starttls) {
        *offer = (struct offer){
            .server = server, .client = client, .told = offer->server == server ? offer->told : 0, .time = trace->time};
    } else if (offer->server == server && offer->client != client && offer->told != client &&
               trace->time - offer->time < OFFER_TIME) {
        offer->told = client;
        tell_stripped(correlate, trace, offer->time);
    }
}

static void attempt_note(struct smtpscope_correlate *correlate, const struct smtpscope_trace *trace)
{
    struct smtpscope_finding finding;

    if (attempts_note(&correlate->attempts, correlate->config.hash_seed, trace, &finding))
        correlate->config.finding(correlate->config.ctx, &finding);
}

void smtpscope_correlate_trace(struct smtpscope_correlate *correlate, const struct smtpscope_trace *trace)
{
    unreached_expire(&correlate->unreached, trace->time, correlate->config.finding, correlate->config.ctx);
    switch (trace->kind) {
    case SMTPSCOPE_TRACE_OFFER: offer_note(correlate, trace); break;
    case SMTPSCOPE_TRACE_LOGIN:
    case SMTPSCOPE_TRACE_UNKNOWN:
    case SMTPSCOPE_TRACE_KNOWN: attempt_note(correlate, trace); break;
    case SMTPSCOPE_TRACE_OUTCOME: stories_try(&correlate->stories, &correlate->config, trace); break;
    case SMTPSCOPE_TRACE_HANDSHAKE:
    case SMTPSCOPE_TRACE_CLEAR:
        fallback_note(&correlate->fallback, correlate->config.hash_seed, trace, correlate->config.finding,
                      correlate->config.ctx);
        break;
    case SMTPSCOPE_TRACE_INFERRED:
        inferred_note(&correlate->inferred, correlate->config.hash_seed, trace, correlate->config.finding,
                      correlate->config.ctx);
        break;
    case SMTPSCOPE_TRACE_TLS: stories_blind(&correlate->stories, &correlate->config, trace); break;
    case SMTPSCOPE_TRACE_ATTEMPT:
        unreached_note(&correlate->unreached, correlate->config.hash_seed, trace, correlate->config.finding,
                       correlate->config.ctx);
        break;
    }
}

struct smtpscope_inferred_retry smtpscope_correlate_retry(const struct smtpscope_correlate *correlate, uint64_t session,
                                                          uint32_t index)
{
    return inferred_retry(&correlate->inferred, session, index);
}

void smtpscope_correlate_finish(struct smtpscope_correlate *correlate, smtpscope_time end)
{
    unreached_finish(&correlate->unreached, correlate->config.finding, correlate->config.ctx);
    stories_finish(&correlate->stories, &correlate->config, end);
}
