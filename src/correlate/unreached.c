/* SPDX-License-Identifier: BSD-2-Clause */
#include "unreached.h"

#include "base/address.h"
#include "base/hash.h"

#include <string.h>

#define MINUTE (60 * SMTPSCOPE_SECOND)
#define MILLISECOND (SMTPSCOPE_SECOND / 1000)
/* A client that goes sooner without having been greeted is a port check, or changed its mind. */
#define GREETING_PATIENCE (10 * SMTPSCOPE_SECOND)

static const struct smtpscope_finding as_told = {.confidence = SMTPSCOPE_CERTAIN,
                                                 .detail_text = "",
                                                 .side = SMTPSCOPE_CLIENT,
                                                 .command = "",
                                                 .argument = "",
                                                 .text = "",
                                                 .state = "",
                                                 .server = ""};

static const char *digits_of(uint64_t number, char *buffer, size_t size)
{
    char *at = buffer + size - 1;

    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return at;
}

/* Room for what ICMP says, and an address in parentheses. */
#define ICMP_TEXT (48 + ADDRESS_TEXT)

/* "administratively prohibited (192.0.2.1)": what was said, and by whom. */
static const char *icmp_text(const struct smtpscope_icmp_seen *icmp, char buffer[ICMP_TEXT])
{
    static const uint8_t unknown[sizeof icmp->from];
    const char *name = smtpscope_icmp_name(icmp->icmp);
    size_t len = strlen(name);

    memcpy(buffer, name, len + 1);
    if (memcmp(icmp->from, unknown, sizeof unknown)) {
        memcpy(buffer + len, " (", 2);
        address_text(icmp->from, buffer + len + 2);
        len = strlen(buffer);
        memcpy(buffer + len, ")", 2);
    }
    return buffer;
}

/* What the kind of end says. */
static void finding_of_end(const struct unreached_slot *slot, struct smtpscope_finding *finding)
{
    const struct smtpscope_trace *trace = &slot->last;
    uint64_t seconds = (uint64_t)(trace->waited / SMTPSCOPE_SECOND);

    finding->rule = SMTPSCOPE_RULE_CONNECTION_NO_GREETING;
    finding->fault = SMTPSCOPE_FAULT_SERVER;
    finding->detail_number = seconds;
    switch (trace->attempt) {
    case SMTPSCOPE_ATTEMPT_UNANSWERED:
        finding->rule = SMTPSCOPE_RULE_CONNECTION_UNANSWERED;
        finding->fault = SMTPSCOPE_FAULT_NETWORK;
        finding->detail = SMTPSCOPE_DETAIL_SYNS;
        finding->detail_number = slot->tries;
        break;
    case SMTPSCOPE_ATTEMPT_HALF_OPEN:
        finding->rule = SMTPSCOPE_RULE_CONNECTION_UNANSWERED;
        finding->fault = SMTPSCOPE_FAULT_NETWORK;
        finding->confidence = SMTPSCOPE_LIKELY; /* or the SYNs were forged, and this client sent none */
        finding->detail = SMTPSCOPE_DETAIL_SYN_ACKS;
        finding->detail_number = slot->tries;
        break;
    case SMTPSCOPE_ATTEMPT_REFUSED:
        finding->rule = SMTPSCOPE_RULE_CONNECTION_REFUSED;
        finding->detail = SMTPSCOPE_DETAIL_RESET_AFTER;
        finding->detail_number = (uint64_t)(trace->waited / MILLISECOND);
        break;
    case SMTPSCOPE_ATTEMPT_REJECTED:
        finding->rule = SMTPSCOPE_RULE_CONNECTION_REFUSED;
        finding->fault = trace->icmp.by_peer ? SMTPSCOPE_FAULT_SERVER : SMTPSCOPE_FAULT_NETWORK;
        finding->detail = SMTPSCOPE_DETAIL_ICMP_ERROR;
        finding->detail_number = (uint64_t)(trace->waited / MILLISECOND);
        break;
    case SMTPSCOPE_ATTEMPT_SERVER_RESET:
        finding->detail = SMTPSCOPE_DETAIL_NO_GREETING_RESET;
        finding->detail_text = "server";
        break;
    case SMTPSCOPE_ATTEMPT_CLIENT_RESET:
        finding->detail = SMTPSCOPE_DETAIL_NO_GREETING_RESET;
        finding->detail_text = "client";
        break;
    case SMTPSCOPE_ATTEMPT_SILENT: finding->detail = SMTPSCOPE_DETAIL_NO_GREETING_SILENT; break;
    }
}

static void slot_tell(struct unreached *unreached, struct unreached_slot *slot, unreached_tell *tell, void *ctx)
{
    struct smtpscope_finding finding = as_told;
    char digits[24], said[ICMP_TEXT];

    finding_of_end(slot, &finding);
    if (finding.detail == SMTPSCOPE_DETAIL_ICMP_ERROR)
        finding.detail_text = icmp_text(&slot->last.icmp, said);
    if (finding.detail == SMTPSCOPE_DETAIL_SYNS || finding.detail == SMTPSCOPE_DETAIL_SYN_ACKS)
        finding.detail_text =
            digits_of((uint64_t)((slot->last.time - slot->first.flow.first_time) / SMTPSCOPE_SECOND), digits, sizeof digits);
    finding.severity = smtpscope_rule_info(finding.rule)->severity;
    if (slot->last.attempt == SMTPSCOPE_ATTEMPT_CLIENT_RESET && slot->last.waited < GREETING_PATIENCE) {
        finding.severity = SMTPSCOPE_INFO;
        finding.fault = SMTPSCOPE_FAULT_NOBODY;
    }
    finding.count = slot->count;
    finding.flow = &slot->first.flow;
    finding.time = slot->first.time;
    finding.packet = slot->first.packet;
    finding.last_time = slot->last.time;
    finding.last_packet = slot->last.packet;
    unreached->keys[slot - unreached->slots] = 0;
    slot->count = slot->tries = 0;
    unreached->used--;
    tell(ctx, &finding);
}

/* The first of those that began at `before` or earlier, in the order of the capture; NULL: there is none. */
static struct unreached_slot *slot_due(struct unreached *unreached, smtpscope_time before)
{
    struct unreached_slot *due = NULL;

    for (size_t i = 0; i < UNREACHED_SLOTS; i++) {
        struct unreached_slot *slot = &unreached->slots[i];

        if (slot->count && slot->first.time <= before && (!due || slot->first.packet < due->first.packet))
            due = slot;
    }
    return due;
}

/*
 * The slot of this key, empty if it is new. When all are taken, the one that began first is told and makes room: where slots stand is
 * secret, so nothing that is told may depend on it.
 */
static struct unreached_slot *slot_of(struct unreached *unreached, uint64_t key, unreached_tell *tell, void *ctx)
{
    struct unreached_slot *slot;
    size_t spare = UNREACHED_SLOTS;

    for (size_t i = 0; i < UNREACHED_SLOTS; i++) {
        if (unreached->keys[i] == key)
            return &unreached->slots[i];
        if (!unreached->keys[i])
            spare = i;
    }
    slot = spare < UNREACHED_SLOTS ? &unreached->slots[spare] : slot_due(unreached, INT64_MAX);
    if (slot->count)
        slot_tell(unreached, slot, tell, ctx);
    unreached->keys[slot - unreached->slots] = key;
    return slot;
}

void unreached_note(struct unreached *unreached, uint64_t seed, const struct smtpscope_trace *trace, unreached_tell *tell,
                    void *ctx)
{
    const struct smtpscope_endpoint *server = &trace->flow.side[SMTPSCOPE_SERVER];
    uint64_t key =
        hash_octets(server->addr, sizeof server->addr, seed ^ ((uint64_t)server->port << 8 | (uint64_t)trace->attempt)) | 1;
    struct unreached_slot *slot = slot_of(unreached, key, tell, ctx);

    if (!slot->count) {
        slot->first = *trace;
        if (!unreached->used++ || trace->time + MINUTE < unreached->due)
            unreached->due = trace->time + MINUTE;
    }
    slot->last = *trace;
    slot->count++;
    slot->tries += trace->tries;
}

static void tell_due(struct unreached *unreached, smtpscope_time before, unreached_tell *tell, void *ctx)
{
    struct unreached_slot *slot;

    while (unreached->used && (slot = slot_due(unreached, before)))
        slot_tell(unreached, slot, tell, ctx);
}

void unreached_expire(struct unreached *unreached, smtpscope_time now, unreached_tell *tell, void *ctx)
{
    if (!unreached->used || now < unreached->due)
        return;
    tell_due(unreached, now - MINUTE, tell, ctx);
    unreached->due = now + MINUTE;
    for (size_t i = 0; i < UNREACHED_SLOTS; i++)
        if (unreached->slots[i].count && unreached->slots[i].first.time + MINUTE < unreached->due)
            unreached->due = unreached->slots[i].first.time + MINUTE;
}

void unreached_finish(struct unreached *unreached, unreached_tell *tell, void *ctx)
{
    tell_due(unreached, INT64_MAX, tell, ctx);
}
