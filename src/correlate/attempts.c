/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The judge of a session tells of many attempts in that session; here only those count as news that are spread over several.
 * The limits are higher than in one session: a mail program with an old password comes back too, and a list has dead
 * addresses; so unknown recipients must also be more than those that were accepted.
 */
#include "attempts.h"

#include "base/hash.h"

#define WINDOW (3600 * SMTPSCOPE_SECOND)
#define MANY_LOGINS 10
#define MANY_UNKNOWN 20
/* What the judge tells of one session by itself. */
#define SESSION_LOGINS 5
#define SESSION_UNKNOWN 10

/* The address, of IPv6 the /64: one host has all of it. */
static uint64_t client_key(const struct smtpscope_endpoint *client, uint64_t seed)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool ipv4 = true;
    uint64_t key;

    for (size_t i = 0; i < sizeof mapped; i++)
        ipv4 &= client->addr[i] == mapped[i];
    key = hash_octets(client->addr, ipv4 ? sizeof client->addr : 8, seed);
    return key ? key : 1;
}

static struct attempts_client *client_of(struct attempts *attempts, uint64_t seed, const struct smtpscope_flow *flow,
                                         smtpscope_time now)
{
    uint64_t key = client_key(&flow->side[SMTPSCOPE_CLIENT], seed);
    struct attempts_client *client = &attempts->clients[key % ATTEMPTS_CLIENTS];

    if (client->client != key || now - client->since > WINDOW)
        *client = (struct attempts_client){.client = key, .session = flow->first_packet, .since = now};
    if (client->session != flow->first_packet) {
        client->session = flow->first_packet;
        client->session_logins = client->session_unknown = 0;
    }
    return client;
}

/* The rule whose limit this attempt reaches; SMTPSCOPE_RULES: none. */
static enum smtpscope_rule limit_reached(struct attempts_client *client, bool login)
{
    if (login) {
        client->logins++;
        client->told_logins |= ++client->session_logins >= SESSION_LOGINS;
        if (client->told_logins || client->logins < MANY_LOGINS)
            return SMTPSCOPE_RULES;
        client->told_logins = true;
        return SMTPSCOPE_RULE_SECURITY_AUTH_GUESSING;
    }
    client->unknown++;
    client->told_unknown |= ++client->session_unknown >= SESSION_UNKNOWN;
    if (client->told_unknown || client->unknown < MANY_UNKNOWN || client->unknown <= client->known)
        return SMTPSCOPE_RULES;
    client->told_unknown = true;
    return SMTPSCOPE_RULE_SECURITY_RECIPIENT_HARVESTING;
}

bool attempts_note(struct attempts *attempts, uint64_t seed, const struct smtpscope_trace *trace,
                   struct smtpscope_finding *finding)
{
    struct attempts_client *client = client_of(attempts, seed, &trace->flow, trace->time);
    bool login = trace->kind == SMTPSCOPE_TRACE_LOGIN, known = trace->kind == SMTPSCOPE_TRACE_KNOWN;
    enum smtpscope_rule rule;

    client->known += known;
    rule = known ? SMTPSCOPE_RULES : limit_reached(client, login);
    if (rule == SMTPSCOPE_RULES)
        return false;
    *finding = (struct smtpscope_finding){
        .rule = rule,
        .severity = smtpscope_rule_info(rule)->severity,
        .confidence = SMTPSCOPE_CERTAIN,
        .fault = SMTPSCOPE_FAULT_CLIENT,
        .detail = login ? SMTPSCOPE_DETAIL_ERRORS : SMTPSCOPE_DETAIL_RECIPIENTS,
        .detail_text = "",
        .detail_number = login ? client->logins : client->unknown,
        .count = 1,
        .flow = &trace->flow,
        .time = trace->time,
        .last_time = trace->time,
        .packet = trace->packet,
        .last_packet = trace->packet,
        .side = SMTPSCOPE_SERVER,
        .offset = trace->offset,
        .command = smtpscope_verb_name(trace->verb),
        .argument = "",
        .text = "",
        .code = trace->code,
        .enhanced = trace->enhanced,
        .state = trace->state,
        .server = "",
        .exchanges = &trace->exchange,
        .exchange_count = 1,
        .evidence_count = 1,
    };
    return true;
}
