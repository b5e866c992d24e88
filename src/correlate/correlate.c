/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A deferral is followed by its triple: the client's network, the sender, the recipient. The triple is kept as a hash in a
 * fixed table; when its neighbourhood is full, the entry that was silent longest makes room. The server is not part of the key,
 * as a retry may go to another exchanger; but only a retry at the same server can be too soon.
 *
 * A server that offered STARTTLS to one client and does not to another is remembered likewise, by its address and port;
 * a client's refused logins and unknown recipients by its address (attempts.h).
 */
#include "smtpscope/correlate.h"

#include "attempts.h"
#include "base/hash.h"
#include "base/memory.h"
#include "unreached.h"

/* 64 Ki deferred recipients at a time: about 8 MiB; neighbourhoods of 16 slots. */
#define SLOTS 65536u
#define NEIGHBOURS 16u

/* Servers that offer STARTTLS: direct-mapped, a newcomer takes the slot. An offer older than a day proves nothing. */
#define SERVERS 4096u
#define OFFER_TIME (24 * 3600 * SMTPSCOPE_SECOND)

#define DEFAULT_TOO_SOON (60 * SMTPSCOPE_SECOND)
#define DEFAULT_PERSISTENT (4 * 3600 * SMTPSCOPE_SECOND)
#define DEFAULT_TRIES 5
#define DEFAULT_ABANDONED (4 * 3600 * SMTPSCOPE_SECOND)

struct deferral {
    uint64_t server;
    smtpscope_time first, last;
    struct smtpscope_flow flow; /* of the last try */
    uint64_t packet;
    uint32_t tries, exchange;
    uint16_t code;
    struct smtpscope_enhanced enhanced;
    bool told_soon, told_persistent;
};

/* A server that has offered STARTTLS; `client` is the last one that it offered it to. */
struct offer {
    uint64_t server, client, told; /* told: the client that was last told not to be offered it */
    smtpscope_time time;
};

struct smtpscope_correlate {
    struct smtpscope_correlate_config config;
    uint64_t forgotten;
    struct offer offers[SERVERS];
    struct attempts attempts;
    struct unreached unreached;
    uint64_t
        keys[SLOTS]; /* 0: free. Apart from the rest: most recipients were never deferred, and are looked up all the same */
    struct deferral slots[SLOTS];
};

struct smtpscope_correlate *smtpscope_correlate_new(const struct smtpscope_correlate_config *config)
{
    struct smtpscope_correlate *correlate = memory_new(config->allocator, sizeof *correlate);

    if (!correlate)
        return NULL;
    correlate->config = *config;
    if (!correlate->config.too_soon)
        correlate->config.too_soon = DEFAULT_TOO_SOON;
    if (!correlate->config.persistent_time)
        correlate->config.persistent_time = DEFAULT_PERSISTENT;
    if (!correlate->config.persistent_tries)
        correlate->config.persistent_tries = DEFAULT_TRIES;
    if (!correlate->config.abandoned)
        correlate->config.abandoned = DEFAULT_ABANDONED;
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
    return correlate->forgotten;
}

static struct deferral *deferral_find(struct smtpscope_correlate *correlate, uint64_t key)
{
    for (uint64_t i = 0; i < NEIGHBOURS; i++)
        if (correlate->keys[(key + i) % SLOTS] == key)
            return &correlate->slots[(key + i) % SLOTS];
    return NULL;
}

static struct deferral *deferral_add(struct smtpscope_correlate *correlate, uint64_t key)
{
    uint64_t best = key % SLOTS;

    for (uint64_t i = 0; i < NEIGHBOURS && correlate->keys[best]; i++) {
        uint64_t slot = (key + i) % SLOTS;

        if (!correlate->keys[slot] || correlate->slots[slot].last < correlate->slots[best].last)
            best = slot;
    }
    correlate->forgotten += correlate->keys[best] != 0;
    correlate->keys[best] = key;
    correlate->slots[best] = (struct deferral){0};
    return &correlate->slots[best];
}

static void tell(struct smtpscope_correlate *correlate, const struct deferral *deferral, enum smtpscope_rule rule,
                 enum smtpscope_detail detail, const char *text, uint64_t number, smtpscope_time time)
{
    struct smtpscope_finding finding = {
        .rule = rule,
        .severity = smtpscope_rule_info(rule)->severity,
        .confidence = SMTPSCOPE_CERTAIN,
        .detail = detail,
        .detail_text = text,
        .detail_number = number,
        .count = 1,
        .flow = &deferral->flow,
        .time = time,
        .last_time = time,
        .packet = deferral->packet,
        .last_packet = deferral->packet,
        .side = SMTPSCOPE_SERVER,
        .command = "",
        .argument = "",
        .text = "",
        .code = deferral->code,
        .enhanced = deferral->enhanced,
        .state = "",
        .server = "",
        .exchanges = &deferral->exchange,
        .exchange_count = deferral->exchange != UINT32_MAX,
        .evidence_count = deferral->exchange != UINT32_MAX,
        .fault = SMTPSCOPE_FAULT_CLIENT,
    };

    if (rule == SMTPSCOPE_RULE_DEFERRAL_RESOLVED)
        finding.fault = SMTPSCOPE_FAULT_NOBODY;
    else if (rule == SMTPSCOPE_RULE_DEFERRAL_TURNED_PERMANENT || rule == SMTPSCOPE_RULE_DEFERRAL_PERSISTENT)
        finding.fault = SMTPSCOPE_FAULT_SERVER;
    correlate->config.finding(correlate->config.ctx, &finding);
}

static void deferral_move(struct deferral *deferral, const struct smtpscope_trace *outcome)
{
    deferral->flow = outcome->flow;
    deferral->last = outcome->time;
    deferral->packet = outcome->packet;
    deferral->exchange = outcome->exchange;
    deferral->code = outcome->code;
    deferral->enhanced = outcome->enhanced;
    deferral->server = hash_octets(outcome->flow.side[SMTPSCOPE_SERVER].addr, sizeof outcome->flow.side[0].addr, 0);
}

static uint64_t seconds(smtpscope_time time)
{
    return time > 0 ? (uint64_t)(time / SMTPSCOPE_SECOND) : 0;
}

static void deferred_again(struct smtpscope_correlate *correlate, struct deferral *deferral,
                           const struct smtpscope_trace *outcome)
{
    const struct smtpscope_correlate_config *config = &correlate->config;
    smtpscope_time since = outcome->time - deferral->last;
    uint64_t server = deferral->server;

    if (since <= 0)
        return; /* named twice in one transaction, or a transaction that began before the last one and ended behind it */
    deferral_move(deferral, outcome);
    deferral->tries++;
    if (since < config->too_soon && server == deferral->server && !deferral->told_soon) {
        deferral->told_soon = true;
        tell(correlate, deferral, SMTPSCOPE_RULE_DEFERRAL_RETRY_TOO_SOON, SMTPSCOPE_DETAIL_RETRY, "", seconds(since),
             outcome->time);
    }
    if (deferral->tries > config->persistent_tries && outcome->time - deferral->first > config->persistent_time &&
        !deferral->told_persistent) {
        deferral->told_persistent = true;
        tell(correlate, deferral, SMTPSCOPE_RULE_DEFERRAL_PERSISTENT, SMTPSCOPE_DETAIL_PERSISTENT, "", deferral->tries,
             outcome->time);
    }
}

static void deferral_ended(struct smtpscope_correlate *correlate, struct deferral *deferral,
                           const struct smtpscope_trace *outcome)
{
    bool accepted = outcome->outcome == SMTPSCOPE_OUTCOME_ACCEPTED;
    uint64_t after = seconds(outcome->time - deferral->first);
    char digits[12];
    size_t at = sizeof digits - 1;

    deferral_move(deferral, outcome);
    digits[at] = '\0';
    for (uint32_t tries = deferral->tries + 1; tries; tries /= 10)
        digits[--at] = (char)('0' + tries % 10);
    tell(correlate, deferral, accepted ? SMTPSCOPE_RULE_DEFERRAL_RESOLVED : SMTPSCOPE_RULE_DEFERRAL_TURNED_PERMANENT,
         accepted ? SMTPSCOPE_DETAIL_RESOLVED : SMTPSCOPE_DETAIL_RETRY, accepted ? digits + at : "", after, outcome->time);
    correlate->keys[deferral - correlate->slots] = 0;
}

static void outcome_note(struct smtpscope_correlate *correlate, const struct smtpscope_trace *outcome)
{
    struct deferral *deferral = deferral_find(correlate, outcome->triple);

    if (outcome->outcome != SMTPSCOPE_OUTCOME_DEFERRED) {
        if (deferral)
            deferral_ended(correlate, deferral, outcome);
    } else if (deferral) {
        deferred_again(correlate, deferral, outcome);
    } else {
        deferral = deferral_add(correlate, outcome->triple);
        deferral->first = outcome->time;
        deferral->tries = 1;
        deferral_move(deferral, outcome);
    }
}

static uint64_t endpoint_key(const struct smtpscope_endpoint *endpoint, bool port)
{
    uint64_t key = hash_octets(endpoint->addr, sizeof endpoint->addr, port ? endpoint->port : 0);

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
    uint64_t server = endpoint_key(&side[SMTPSCOPE_SERVER], true), client = endpoint_key(&side[SMTPSCOPE_CLIENT], false);
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

    if (attempts_note(&correlate->attempts, trace, &finding))
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
    case SMTPSCOPE_TRACE_OUTCOME: outcome_note(correlate, trace); break;
    case SMTPSCOPE_TRACE_ATTEMPT:
        unreached_note(&correlate->unreached, 0, trace, correlate->config.finding, correlate->config.ctx);
        break;
    }
}

void smtpscope_correlate_finish(struct smtpscope_correlate *correlate, smtpscope_time end)
{
    unreached_finish(&correlate->unreached, correlate->config.finding, correlate->config.ctx);
    for (size_t i = 0; i < SLOTS; i++) {
        struct deferral *deferral = &correlate->slots[i];

        if (correlate->keys[i] && end - deferral->last >= correlate->config.abandoned)
            tell(correlate, deferral, SMTPSCOPE_RULE_DEFERRAL_ABANDONED, SMTPSCOPE_DETAIL_ABANDONED, "",
                 seconds(end - deferral->last), deferral->last);
    }
}
