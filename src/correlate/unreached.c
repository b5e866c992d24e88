/* SPDX-License-Identifier: BSD-2-Clause */
#include "unreached.h"

#include "base/hash.h"

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
    case SMTPSCOPE_ATTEMPT_REFUSED:
        finding->rule = SMTPSCOPE_RULE_CONNECTION_REFUSED;
        finding->detail = SMTPSCOPE_DETAIL_RESET_AFTER;
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
    char digits[24];

    finding_of_end(slot, &finding);
    if (finding.detail == SMTPSCOPE_DETAIL_SYNS)
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
    slot->key = 0;
    unreached->used--;
    tell(ctx, &finding);
}

void unreached_note(struct unreached *unreached, uint64_t seed, const struct smtpscope_trace *trace, unreached_tell *tell,
                    void *ctx)
{
    const struct smtpscope_endpoint *server = &trace->flow.side[SMTPSCOPE_SERVER];
    uint64_t key =
        hash_octets(server->addr, sizeof server->addr, seed ^ ((uint64_t)server->port << 8 | (uint64_t)trace->attempt)) | 1;
    struct unreached_slot *slot = &unreached->slots[(key >> 1) % UNREACHED_SLOTS];

    if (slot->key && slot->key != key)
        slot_tell(unreached, slot, tell, ctx);
    if (!slot->key) {
        *slot = (struct unreached_slot){.key = key, .first = *trace};
        if (!unreached->used++ || trace->time + MINUTE < unreached->due)
            unreached->due = trace->time + MINUTE;
    }
    slot->last = *trace;
    slot->count++;
    slot->tries += trace->tries;
}

void unreached_expire(struct unreached *unreached, smtpscope_time now, unreached_tell *tell, void *ctx)
{
    if (!unreached->used || now < unreached->due)
        return;
    unreached->due = now + MINUTE;
    for (size_t i = 0; i < UNREACHED_SLOTS; i++) {
        struct unreached_slot *slot = &unreached->slots[i];

        if (!slot->key)
            continue;
        if (now - slot->first.time >= MINUTE)
            slot_tell(unreached, slot, tell, ctx);
        else if (slot->first.time + MINUTE < unreached->due)
            unreached->due = slot->first.time + MINUTE;
    }
}

void unreached_finish(struct unreached *unreached, unreached_tell *tell, void *ctx)
{
    for (size_t i = 0; i < UNREACHED_SLOTS; i++)
        if (unreached->slots[i].key)
            slot_tell(unreached, &unreached->slots[i], tell, ctx);
}
