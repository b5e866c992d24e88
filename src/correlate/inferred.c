/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same client, the same server, an envelope of the same length, later: most likely the message that was not accepted before. A message of the same length as one that seemed accepted was not accepted after all. Where
 * envelope and message are one flight, it is the whole that counts: Exim leaves out QUIT when it tries again.
 */
#include "inferred.h"

#include "base/hash.h"

#define NEIGHBOURS 16u
/* QUIT and CRLF, which a client may send with the message or not. */
#define TOGETHER_SLACK 8u
/* Whole lengths fall into rows of the table, so that both that are near each other are looked for in two of them. */
#define ROW_OCTETS 16u
/* No queue tries sooner; a client that has more than one message for a server has. */
#define SOONEST (2 * SMTPSCOPE_SECOND)
#define HOUR (3600 * SMTPSCOPE_SECOND)
#define LATEST (5 * 24 * HOUR)
/* Envelopes of one length are many, messages of one length few: by the envelope alone only what comes back soon is known again. */
#define LATEST_BY_ENVELOPE (4 * HOUR)

static uint64_t peers_of(const struct smtpscope_trace *trace, uint64_t seed)
{
    const struct smtpscope_endpoint *server = &trace->flow.side[SMTPSCOPE_SERVER];
    uint64_t peers = hash_octets(trace->client.addr, sizeof trace->client.addr,
                                 hash_octets(server->addr, sizeof server->addr, seed ^ server->port));

    return peers ? peers : 1;
}

static uint32_t difference(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

/* Its row of the table: all that may be the same stand in it, or in the next one. */
static uint32_t row_of(const struct smtpscope_inferred *told, uint32_t shift)
{
    return told->together ? (told->octets + shift) / ROW_OCTETS : told->envelope;
}

static struct inferred_slot *row_slots(struct inferred *inferred, uint64_t peers, uint32_t row)
{
    uint64_t hash = hash_octets(&row, sizeof row, peers);

    return &inferred->slots[hash % (INFERRED_SLOTS / NEIGHBOURS) * NEIGHBOURS];
}

static bool is_same_message(const struct inferred_slot *slot, const struct smtpscope_inferred *told)
{
    bool same_size = slot->sent && told->sent && difference(slot->octets, told->octets) <= TOGETHER_SLACK;

    if (slot->together != told->together)
        return false;
    if (slot->together || slot->outcome == SMTPSCOPE_INFERRED_ACCEPTED || (slot->sent && told->sent))
        return same_size && (slot->together || slot->envelope == told->envelope);
    return slot->envelope == told->envelope;
}

static bool is_retry_of(const struct inferred_slot *slot, uint64_t peers, const struct smtpscope_trace *trace)
{
    smtpscope_time waited = trace->flow.first_time - slot->end;

    return slot->peers == peers && waited >= SOONEST &&
           waited <= (slot->sent && trace->inferred.sent ? LATEST : LATEST_BY_ENVELOPE) &&
           is_same_message(slot, &trace->inferred);
}

/* A message of the same length says more than an envelope that has it; of equals, the first one. */
static bool is_better(const struct inferred_slot *slot, const struct inferred_slot *best, const struct smtpscope_inferred *told)
{
    bool sent = told->sent && slot->sent;

    if (!best)
        return true;
    return sent != (told->sent && best->sent) ? sent : slot->end < best->end;
}

static struct inferred_slot *row_search(struct inferred_slot *slots, uint64_t peers, const struct smtpscope_trace *trace,
                                        struct inferred_slot *best)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (is_retry_of(&slots[i], peers, trace) && is_better(&slots[i], best, &trace->inferred))
            best = &slots[i];
    return best;
}

static void retry_found(struct inferred *inferred, const struct smtpscope_trace *trace, struct inferred_slot *slot)
{
    bool doubtful = slot->outcome == SMTPSCOPE_INFERRED_ACCEPTED;

    inferred->found[inferred->found_count++ % INFERRED_FOUND] =
        (struct inferred_found){trace->flow.first_packet, trace->inferred.index, {.of = slot->session, .doubtful = doubtful}};
    *slot = (struct inferred_slot){0};
}

/* Not accepted before, and accepted now, as far as sizes tell. */
static void resolved_tell(const struct inferred_slot *slot, const struct smtpscope_trace *trace,
                          void (*tell)(void *ctx, const struct smtpscope_finding *finding), void *ctx)
{
    static const uint32_t none;

    if (slot->outcome == SMTPSCOPE_INFERRED_ACCEPTED || !trace->inferred.sent ||
        trace->inferred.outcome != SMTPSCOPE_INFERRED_ACCEPTED)
        return;
    tell(ctx, &(struct smtpscope_finding){.rule = SMTPSCOPE_RULE_DEFERRAL_RESOLVED,
                                          .severity = SMTPSCOPE_INFO,
                                          .confidence = SMTPSCOPE_LIKELY,
                                          .fault = SMTPSCOPE_FAULT_NOBODY,
                                          .detail = SMTPSCOPE_DETAIL_INFERRED_AFTER,
                                          .detail_text = "",
                                          .detail_number = (uint64_t)((trace->time - slot->first) / SMTPSCOPE_SECOND),
                                          .count = 1,
                                          .flow = &trace->flow,
                                          .time = trace->time,
                                          .last_time = trace->time,
                                          .packet = trace->packet,
                                          .last_packet = trace->packet,
                                          .side = SMTPSCOPE_SERVER,
                                          .command = "",
                                          .argument = "",
                                          .text = "",
                                          .state = "",
                                          .server = "",
                                          .exchanges = &none});
}

static void slot_take(struct inferred_slot *slots, uint64_t peers, smtpscope_time first, const struct smtpscope_trace *trace)
{
    const struct smtpscope_inferred *told = &trace->inferred;
    struct inferred_slot *slot = slots;

    for (size_t i = 1; i < NEIGHBOURS && slot->peers; i++)
        if (!slots[i].peers || slots[i].end < slot->end)
            slot = &slots[i];
    *slot = (struct inferred_slot){.peers = peers,
                                   .session = trace->flow.first_packet,
                                   .envelope = told->envelope,
                                   .octets = told->octets,
                                   .end = trace->time,
                                   .first = first,
                                   .outcome = (uint8_t)told->outcome,
                                   .sent = told->sent,
                                   .together = told->together};
}

void inferred_note(struct inferred *inferred, uint64_t seed, const struct smtpscope_trace *trace,
                   void (*tell)(void *ctx, const struct smtpscope_finding *finding), void *ctx)
{
    smtpscope_time first = trace->time;
    uint64_t peers = peers_of(trace, seed);
    uint32_t low = row_of(&trace->inferred, (uint32_t) - (int32_t)TOGETHER_SLACK),
             high = row_of(&trace->inferred, TOGETHER_SLACK);
    struct inferred_slot *slot = row_search(row_slots(inferred, peers, low), peers, trace, NULL);

    if (high != low)
        slot = row_search(row_slots(inferred, peers, high), peers, trace, slot);
    if (slot) {
        first = slot->first;
        resolved_tell(slot, trace, tell, ctx);
        retry_found(inferred, trace, slot);
    }
    slot_take(row_slots(inferred, peers, row_of(&trace->inferred, 0)), peers, first, trace);
}

struct smtpscope_inferred_retry inferred_retry(const struct inferred *inferred, uint64_t session, uint32_t index)
{
    uint32_t count = inferred->found_count < INFERRED_FOUND ? inferred->found_count : INFERRED_FOUND;

    for (uint32_t i = 0; i < count; i++)
        if (inferred->found[i].session == session && inferred->found[i].index == index)
            return inferred->found[i].retry;
    return (struct smtpscope_inferred_retry){0};
}
