/* SPDX-License-Identifier: BSD-2-Clause */
#include "detect/community_id.h"

#include <arpa/inet.h>
#include <ndpi/ndpi_api.h>
#include <string.h>

/* nDPI 4.2 takes a buffer of this size at least and writes nothing into a smaller one. */
#define NDPI_HASH_SIZE 64
#define TCP_PROTOCOL 6

static bool is_mapped(const struct smtpscope_endpoint *endpoint)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return !memcmp(endpoint->addr, prefix, sizeof prefix);
}

/* Caution: nDPI wants IPv4 addresses and ports in host order here, IPv6 addresses as they are on the wire. */
static uint32_t ipv4_host_order(const struct smtpscope_endpoint *endpoint)
{
    uint32_t address;

    memcpy(&address, endpoint->addr + 12, sizeof address);
    return ntohl(address);
}

bool community_id(const struct smtpscope_flow *flow, char *id, size_t size)
{
    const struct smtpscope_endpoint *client = &flow->side[SMTPSCOPE_CLIENT], *server = &flow->side[SMTPSCOPE_SERVER];
    u_char hash[NDPI_HASH_SIZE] = "";
    struct ndpi_in6_addr source, destination;
    int failed;

    if (is_mapped(client) && is_mapped(server)) {
        failed = ndpi_flowv4_flow_hash(TCP_PROTOCOL, ipv4_host_order(client), ipv4_host_order(server), client->port,
                                       server->port, 0, 0, hash, sizeof hash);
    } else {
        memcpy(&source, client->addr, sizeof client->addr);
        memcpy(&destination, server->addr, sizeof server->addr);
        failed =
            ndpi_flowv6_flow_hash(TCP_PROTOCOL, &source, &destination, client->port, server->port, 0, 0, hash, sizeof hash);
    }
    hash[sizeof hash - 1] = '\0';
    if (failed || strlen((const char *)hash) >= size) {
        *id = '\0';
        return false;
    }
    memcpy(id, hash, strlen((const char *)hash) + 1);
    return true;
}

const char *community_id_library(void)
{
    return ndpi_revision();
}
