/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * haproxy's PROXY protocol: who stands between tells the server for whom, before the first octet of the connection's own. A
 * server that expects the header takes it without a word, and greets; to another it is a command that it does not know, or
 * several lines of them.
 *
 *   version 1   "PROXY" SP ("TCP4" / "TCP6") SP source SP destination SP source-port SP destination-port CRLF
 *               "PROXY UNKNOWN" ... CRLF                                            at most 107 octets
 *   version 2   CR LF CR LF NUL CR LF "QUIT" LF | version and command | family | length (2) | addresses, and more
 */
#include "proxy_header.h"

#include "client.h"
#include "smtp/state/follower.h"
#include "smtp/state/queue.h"
#include "smtp/syntax/octets.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <string.h>

#define V1_MAX 107
static const char v1_prefix[] = "PROXY ";
static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";
#define V2_HEAD 16
/* Version 2, and what is meant: the proxy's own connection, or one that it passes on. */
#define V2_LOCAL 0x20
#define V2_PROXY 0x21
#define V2_TCP4 0x11
#define V2_TCP6 0x21

static void ipv4_set(struct smtpscope_endpoint *to, const void *addr)
{
    *to = (struct smtpscope_endpoint){.addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(to->addr + 12, addr, 4);
}

/* The next word of a line, terminated, in `word`; false when there is none, or it is too long. */
static bool word_take(const char **at, const char *end, char *word, size_t room)
{
    size_t len = 0;

    while (*at < end && **at == ' ')
        ++*at;
    for (; *at < end && **at != ' ' && **at != '\r'; ++*at, len++)
        if (len < room - 1)
            word[len] = **at;
    word[len < room ? len : room - 1] = '\0';
    return len > 0 && len < room;
}

static bool address_read(const char *text, bool ipv6, struct smtpscope_endpoint *to)
{
    uint8_t addr[16];

    if (inet_pton(ipv6 ? AF_INET6 : AF_INET, text, addr) != 1)
        return false;
    if (ipv6)
        memcpy(to->addr, addr, sizeof to->addr);
    else
        ipv4_set(to, addr);
    return true;
}

static bool port_read(const char *text, uint16_t *port)
{
    uint32_t value = 0;

    for (; is_digit(*text) && value <= UINT16_MAX; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    *port = (uint16_t)value;
    return !*text && value <= UINT16_MAX;
}

/* The line behind "PROXY "; `end` stands before its CRLF. */
static void v1_parse(const char *at, const char *end, struct smtpscope_proxy *proxy)
{
    char family[8], source[48], destination[48], ports[2][6];
    struct smtpscope_endpoint client = {0}, server = {0};
    bool ipv6;

    proxy->malformed = true;
    if (!word_take(&at, end, family, sizeof family))
        return;
    if (!strcmp(family, "UNKNOWN")) {
        proxy->malformed = false;
        return;
    }
    ipv6 = !strcmp(family, "TCP6");
    if ((!ipv6 && strcmp(family, "TCP4")) || !word_take(&at, end, source, sizeof source) ||
        !word_take(&at, end, destination, sizeof destination) || !word_take(&at, end, ports[0], sizeof ports[0]) ||
        !word_take(&at, end, ports[1], sizeof ports[1]))
        return;
    if (!address_read(source, ipv6, &client) || !address_read(destination, ipv6, &server) ||
        !port_read(ports[0], &client.port) || !port_read(ports[1], &server.port))
        return;
    proxy->malformed = false;
    proxy->has_client = true;
    proxy->client = client;
}

static size_t v1_read(const char *data, size_t len, struct smtpscope_proxy *proxy)
{
    size_t prefix = sizeof v1_prefix - 1, max = len < V1_MAX ? len : V1_MAX;
    const char *lf;

    if (memcmp(data, v1_prefix, len < prefix ? len : prefix) != 0)
        return 0;
    lf = memchr(data, '\n', max);
    if (!lf)
        return len < V1_MAX ? SIZE_MAX : 0;
    proxy->version = 1;
    v1_parse(data + prefix, lf, proxy);
    return (size_t)(lf - data) + 1;
}

static void v2_parse(const uint8_t *head, size_t len, struct smtpscope_proxy *proxy)
{
    const uint8_t *addresses = head + V2_HEAD;
    bool ipv6 = head[13] == V2_TCP6;

    proxy->malformed = head[12] != V2_LOCAL && head[12] != V2_PROXY;
    if (head[12] != V2_PROXY || (!ipv6 && head[13] != V2_TCP4) || len < (ipv6 ? 36u : 12u))
        return;
    if (ipv6)
        memcpy(proxy->client.addr, addresses, sizeof proxy->client.addr);
    else
        ipv4_set(&proxy->client, addresses);
    addresses += ipv6 ? 32 : 8;
    proxy->client.port = (uint16_t)(addresses[0] << 8 | addresses[1]);
    proxy->has_client = true;
}

static size_t v2_read(const char *data, size_t len, struct smtpscope_proxy *proxy)
{
    const uint8_t *head = (const uint8_t *)data;
    size_t signature = sizeof v2_signature, rest;

    if (memcmp(data, v2_signature, len < signature ? len : signature) != 0)
        return 0;
    if (len < V2_HEAD)
        return SIZE_MAX;
    rest = (size_t)head[14] << 8 | head[15];
    if (len < V2_HEAD + rest)
        return SIZE_MAX;
    proxy->version = 2;
    v2_parse(head, rest, proxy);
    return V2_HEAD + rest;
}

size_t proxy_header_read(const char *data, size_t len, struct smtpscope_proxy *proxy)
{
    *proxy = (struct smtpscope_proxy){0};
    return *data == v1_prefix[0] ? v1_read(data, len, proxy) : v2_read(data, len, proxy);
}

/* The header waits for what the server makes of it, as a command does that gets no reply when all is well. */
static void header_found(struct smtpscope_session *session, const struct smtpscope_proxy *proxy, size_t len,
                         const struct octet_origin *origin)
{
    struct smtpscope_command header = {.verb = SMTPSCOPE_VERB_PROXY,
                                       .len = (uint32_t)len,
                                       .offset = origin->offset,
                                       .acked = origin->acked,
                                       .time = origin->time,
                                       .packet = origin->packet};
    struct pending *entry;

    if (!extra_need(session) ||
        !(session->extra->proxy = memory_resize(session->config->allocator, NULL, sizeof *session->extra->proxy)))
        return;
    *session->extra->proxy = *proxy;
    session->extra->proxy->time = origin->time;
    session->extra->proxy->packet = origin->packet;
    entry = queue_push(session, &header);
    if (entry)
        entry->silent = true;
}

/* Reads it where it is all there; the octets used, SIZE_MAX when more are needed. */
static size_t header_read(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    struct smtpscope_proxy proxy;
    size_t used = proxy_header_read(data, len, &proxy);

    if (used == SIZE_MAX)
        return used;
    client_enter(session, CLIENT_COMMANDS);
    if (used)
        header_found(session, &proxy, used, origin);
    return used;
}

size_t proxy_header_take(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin)
{
    struct held_octets *held = line_of(session, SMTPSCOPE_CLIENT);
    struct octet_origin behind;
    size_t used = held ? SIZE_MAX : header_read(session, data, len, origin);

    if (used != SIZE_MAX)
        return used;
    if (!client_keep_line(session, data, len, origin)) {
        client_enter(session, CLIENT_COMMANDS);
        return len;
    }
    held = line_of(session, SMTPSCOPE_CLIENT);
    used = held->total > held->len ? 0 : header_read(session, held->at, held->len, &held->origin);
    if (used == SIZE_MAX)
        return len;
    client_enter(session, CLIENT_COMMANDS);
    held = line_release(session, SMTPSCOPE_CLIENT);
    behind = held->origin;
    behind.offset += used;
    client_octets(session, held->at + used, held->len - used, behind);
    held_free(session, &held);
    return len;
}

void proxy_header_decided(struct smtpscope_session *session, enum smtpscope_proxy_outcome outcome)
{
    struct smtpscope_proxy *proxy = extra_of(session)->proxy;

    if (!proxy || proxy->outcome != SMTPSCOPE_PROXY_UNKNOWN || proxy->told)
        return;
    proxy->outcome = outcome;
    proxy->told = true;
    fact_tell(session, &(struct smtpscope_fact){
                           .type = SMTPSCOPE_FACT_PROXY, .time = proxy->time, .packet = proxy->packet, .proxy = proxy});
}

const struct smtpscope_proxy *smtpscope_session_proxy(const struct smtpscope_session *session)
{
    return extra_of(session)->proxy;
}

struct smtpscope_endpoint smtpscope_session_client(const struct smtpscope_session *session)
{
    const struct smtpscope_proxy *proxy = extra_of(session)->proxy;

    return proxy && proxy->has_client && proxy->outcome != SMTPSCOPE_PROXY_REFUSED ? proxy->client
                                                                                   : session->flow->side[SMTPSCOPE_CLIENT];
}
