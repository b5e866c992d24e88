/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1 /* FNM_CASEFOLD */
#include "output/selection.h"

#include "base/address.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#define IPV4_BITS 32
#define IPV6_BITS 128

bool selection_network_parse(const char *text, struct selection_network *network)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    size_t len = strcspn(text, "/");
    char address[ADDRESS_TEXT], *end = NULL;
    unsigned long bits;
    bool ipv4;

    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    ipv4 = inet_pton(AF_INET, address, network->addr + sizeof mapped) == 1;
    if (ipv4)
        memcpy(network->addr, mapped, sizeof mapped);
    else if (inet_pton(AF_INET6, address, network->addr) != 1)
        return false;
    bits = ipv4 ? IPV4_BITS : IPV6_BITS;
    if (text[len]) {
        unsigned long most = bits;

        if (text[len + 1] < '0' || text[len + 1] > '9')
            return false;
        bits = strtoul(text + len + 1, &end, 10);
        if (*end || bits > most)
            return false;
    }
    network->bits = (unsigned)bits + (ipv4 ? IPV6_BITS - IPV4_BITS : 0);
    network->wanted = true;
    return true;
}

static bool is_in(const struct selection_network *network, const struct smtpscope_endpoint *endpoint)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;

    if (memcmp(network->addr, endpoint->addr, whole) != 0)
        return false;
    return !rest || !((network->addr[whole] ^ endpoint->addr[whole]) >> (8 - rest));
}

bool selection_has_envelope(const struct selection *selection)
{
    return *selection->from || *selection->to;
}

static bool is_path(const char *glob, struct smtpscope_text path)
{
    char copy[SELECTION_GLOB_SIZE], suffix[SELECTION_GLOB_SIZE + 1];

    if (!*glob)
        return true;
    if (!strcmp(glob, "<>"))
        return path.at && !path.len;
    if (!path.at || path.len >= sizeof copy)
        return false;
    memcpy(copy, path.at, path.len);
    copy[path.len] = '\0';
    snprintf(suffix, sizeof suffix, "%s%s", *glob == '@' ? "*" : "", glob);
    return !fnmatch(suffix, copy, FNM_CASEFOLD | FNM_NOESCAPE);
}

bool selection_sender(const struct selection *selection, struct smtpscope_text path)
{
    return is_path(selection->from, path);
}

bool selection_recipient(const struct selection *selection, struct smtpscope_text path)
{
    return is_path(selection->to, path);
}

static bool is_code(const struct selection *selection, unsigned code)
{
    char digits[12];

    if (!*selection->code)
        return true;
    snprintf(digits, sizeof digits, "%u", code);
    return code && !fnmatch(selection->code, digits, 0);
}

/* `proxied` is the client that a PROXY header names, or NULL. */
static bool is_flow(const struct selection *selection, const struct smtpscope_flow *flow,
                    const struct smtpscope_endpoint *proxied)
{
    if (selection->session && selection->session != flow->first_packet)
        return false;
    if (selection->server.wanted && !is_in(&selection->server, &flow->side[SMTPSCOPE_SERVER]))
        return false;
    return !selection->client.wanted || is_in(&selection->client, &flow->side[SMTPSCOPE_CLIENT]) ||
           (proxied && is_in(&selection->client, proxied));
}

static bool is_time(const struct selection *selection, smtpscope_time first, smtpscope_time last)
{
    return last >= selection->since && first <= selection->until;
}

/* --- what is not wanted */

static bool is_rule_glob(const char *glob)
{
    for (int rule = 0; rule < SMTPSCOPE_RULES; rule++)
        if (smtpscope_rule_matches((enum smtpscope_rule)rule, glob))
            return true;
    return false;
}

static bool is_reason(const char *word)
{
    for (int reason = SMTPSCOPE_REASON_NONE + 1; reason < SMTPSCOPE_REASONS; reason++)
        if (!strcmp(smtpscope_reason_name((enum smtpscope_reason)reason), word))
            return true;
    return false;
}

static bool ignored_put(struct selection_ignored *ignored, const char *name, const char *value)
{
    if (!strcmp(name, "rule") && !*ignored->rule && is_rule_glob(value))
        snprintf(ignored->rule, sizeof ignored->rule, "%s", value);
    else if (!strcmp(name, "reason") && !*ignored->reason && is_reason(value))
        snprintf(ignored->reason, sizeof ignored->reason, "%s", value);
    else if (!strcmp(name, "client") && !ignored->client.wanted)
        return selection_network_parse(value, &ignored->client);
    else if (!strcmp(name, "server") && !ignored->server.wanted)
        return selection_network_parse(value, &ignored->server);
    else
        return false;
    return true;
}

bool selection_ignored_parse(const char *text, struct selection_ignored *ignored)
{
    char word[2 * SELECTION_WORD_SIZE], *equals;
    size_t len;

    *ignored = (struct selection_ignored){.rule = ""};
    for (text += strspn(text, " "); *text; text += len + strspn(text + len, " ")) {
        len = strcspn(text, " ");
        if (len >= SELECTION_WORD_SIZE)
            return false;
        memcpy(word, text, len);
        word[len] = '\0';
        equals = strchr(word, '=');
        if (!equals || !equals[1])
            return false;
        *equals = '\0';
        if (!ignored_put(ignored, word, equals + 1))
            return false;
    }
    return *ignored->rule || *ignored->reason || ignored->client.wanted || ignored->server.wanted;
}

bool selection_is_ignored(const struct selection_ignored *ignored, const struct smtpscope_finding *finding)
{
    const char *reason = smtpscope_reason_name(finding->reason);
    const struct selection networks = {.server = ignored->server, .client = ignored->client};

    if (*ignored->rule && !smtpscope_rule_matches(finding->rule, ignored->rule))
        return false;
    if (*ignored->reason && (!reason || strcmp(reason, ignored->reason) != 0))
        return false;
    if (!finding->flow)
        return !ignored->server.wanted && !ignored->client.wanted;
    return is_flow(&networks, finding->flow, finding->is_proxied ? &finding->proxied_for : NULL);
}

bool selection_finding(const struct selection *selection, const struct smtpscope_finding *finding)
{
    if (!finding->flow)
        return true;
    return is_flow(selection, finding->flow, finding->is_proxied ? &finding->proxied_for : NULL) &&
           is_time(selection, finding->time, finding->last_time) && is_code(selection, finding->code);
}

bool selection_delivery(const struct selection *selection, const struct smtpscope_flow *flow, const struct delivery *delivery)
{
    const struct smtpscope_message *message = delivery->message;
    bool code = is_code(selection, delivery->code), to = !*selection->to;

    for (size_t i = 0; i < message->recipient_count; i++) {
        code |= is_code(selection, message->recipients[i].code);
        to |= selection_recipient(selection, message->recipients[i].path);
    }
    return code && to && is_flow(selection, flow, NULL) && is_time(selection, message->time, message->time) &&
           selection_sender(selection, message->mail_from);
}

bool selection_transcript(const struct selection *selection, const struct smtpscope_flow *flow,
                          const struct transcript *transcript)
{
    const struct smtpscope_endpoint *proxied = transcript->proxy.has_client ? &transcript->proxy.client : NULL;
    bool code = !*selection->code;

    for (size_t i = 0; i < transcript->exchange_count && !code; i++)
        code = is_code(selection, transcript->exchanges[i].code);
    return code && is_flow(selection, flow, proxied) && is_time(selection, flow->first_time, transcript->ending.time);
}
