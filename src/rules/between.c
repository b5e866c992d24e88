/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands between client and server, and shows: a proxy's header, a firewall that writes over what it does not know. */
#include "detectors.h"

#include <arpa/inet.h>
#include <string.h>

/* The address alone, without a port. */
static struct smtpscope_text address_text(const struct smtpscope_endpoint *endpoint, char *room, size_t size)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool ipv4 = !memcmp(endpoint->addr, mapped, sizeof mapped);
    const char *text = inet_ntop(ipv4 ? AF_INET : AF_INET6, endpoint->addr + (ipv4 ? sizeof mapped : 0), room, (socklen_t)size);

    return smtpscope_text_of(text ? text : "");
}

void judge_proxy(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_proxy *proxy = fact->proxy;
    bool refused = proxy->outcome == SMTPSCOPE_PROXY_REFUSED;
    char address[INET6_ADDRSTRLEN];
    struct claim claim = {.rule = SMTPSCOPE_RULE_TRANSPORT_PROXY_HEADER,
                          .fact = fact,
                          .severity = refused ? 0 : SEVERITY(INFO),
                          .verdict = refused ? SMTPSCOPE_VERDICT_REFUSED_OTHER : SMTPSCOPE_VERDICT_NONE,
                          .fault = refused ? SMTPSCOPE_FAULT_SERVER : SMTPSCOPE_FAULT_NOBODY,
                          .detail = SMTPSCOPE_DETAIL_PROXY_UNKNOWN,
                          .detail_number = proxy->version,
                          .side = SMTPSCOPE_CLIENT};
    uint16_t note;

    if (proxy->has_client) {
        claim.detail = SMTPSCOPE_DETAIL_PROXY_FOR;
        claim.detail_text = address_text(&proxy->client, address, sizeof address);
    }
    note = note_add(judge, &claim);
    if (!note)
        return;
    judge->memory->session.proxy = note;
    judge->memory->session.is_proxied = proxy->has_client && !refused;
    judge->memory->session.proxied_for = proxy->client;
}

uint16_t detect_proxy(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    uint16_t proxy = judge->memory->session.proxy;

    return refused->verb == SMTPSCOPE_VERB_PROXY && note_fold(judge, proxy, refused->exchange->index) ? proxy : 0;
}
