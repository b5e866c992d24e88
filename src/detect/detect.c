/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nDPI wants packets of a flow that it has seen from its handshake on: they are made around the octets. Always the same
 * addresses and two ports without meaning, since it would guess by them.
 */
#include "detect/detect.h"

#include <arpa/inet.h>
#include <ndpi/ndpi_api.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* RFC 791 3.1 and RFC 9293 3.1, without options */
enum { IP_HEADER = 20, TCP_HEADER = 20, HEADERS = IP_HEADER + TCP_HEADER };

/* As much of a turn as nDPI gets in one packet: what a network would carry. */
enum { MAX_PAYLOAD = 1400 };

enum { FLAG_SYN = 0x02, FLAG_PUSH = 0x08, FLAG_ACK = 0x10 };

struct detect {
    struct ndpi_detection_module_struct *module; /* NULL until it is needed */
    bool failed;
};

struct dialogue {
    struct detect *detect;
    struct ndpi_flow_struct *flow;
    uint32_t next[2]; /* sequence numbers */
    uint64_t time_ms;
    ndpi_protocol found;
    uint8_t packet[HEADERS + MAX_PAYLOAD];
};

/* ndpi_api.h: modules must not be made at the same time. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static struct ndpi_detection_module_struct *module_new(void)
{
    NDPI_PROTOCOL_BITMASK all;
    pthread_mutex_lock(&making);
    struct ndpi_detection_module_struct *module = ndpi_init_detection_module(ndpi_no_prefs);
    if (module != NULL) {
        NDPI_BITMASK_SET_ALL(all);
        ndpi_set_protocol_detection_bitmask2(module, &all);
        ndpi_finalize_initialization(module);
    }
    pthread_mutex_unlock(&making);
    return module;
}

struct detect *detect_new(void)
{
    return calloc(1, sizeof(struct detect));
}

void detect_free(struct detect *detect)
{
    if (detect == NULL)
        return;
    if (detect->module != NULL) {
        pthread_mutex_lock(&making);
        ndpi_exit_detection_module(detect->module);
        pthread_mutex_unlock(&making);
    }
    free(detect);
}

static bool detect_ready(struct detect *detect)
{
    if (detect->module == NULL && !detect->failed)
        detect->failed = (detect->module = module_new()) == NULL;
    return detect->module != NULL;
}

static void put_be16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static void put_be32(uint8_t *to, uint32_t value)
{
    put_be16(to, value >> 16);
    put_be16(to + 2, value & 0xffff);
}

/* The headers of a packet from `side` with `len` octets behind them. */
static void dialogue_headers(struct dialogue *dialogue, enum smtpscope_side side, uint8_t flags, size_t len)
{
    static const uint32_t address[2] = {0x0a000001, 0x0a000002};
    static const uint16_t port[2] = {40001, 40002};
    uint8_t *ip = dialogue->packet, *tcp = ip + IP_HEADER;
    memset(dialogue->packet, 0, HEADERS);
    ip[0] = 0x45;
    put_be16(ip + 2, (unsigned)(HEADERS + len));
    ip[8] = 64;
    ip[9] = 6;
    put_be32(ip + 12, address[side]);
    put_be32(ip + 16, address[!side]);
    put_be16(tcp, port[side]);
    put_be16(tcp + 2, port[!side]);
    put_be32(tcp + 4, dialogue->next[side]);
    put_be32(tcp + 8, flags & FLAG_ACK ? dialogue->next[!side] : 0);
    tcp[12] = TCP_HEADER / 4 << 4;
    tcp[13] = flags;
    put_be16(tcp + 14, 0xffff);
}

static void dialogue_packet(struct dialogue *dialogue, enum smtpscope_side side, uint8_t flags, const uint8_t *data, size_t len)
{
    dialogue_headers(dialogue, side, flags, len);
    if (len > 0)
        memcpy(dialogue->packet + HEADERS, data, len);
    dialogue->next[side] += (uint32_t)len + (flags & FLAG_SYN ? 1 : 0);
    dialogue->found = ndpi_detection_process_packet(dialogue->detect->module, dialogue->flow, dialogue->packet,
                                                    (unsigned short)(HEADERS + len), dialogue->time_ms++);
}

static void dialogue_turn(struct dialogue *dialogue, const struct detect_turn *turn)
{
    for (size_t at = 0, len; at < turn->len; at += len) {
        len = turn->len - at < MAX_PAYLOAD ? turn->len - at : MAX_PAYLOAD;
        dialogue_packet(dialogue, turn->side, FLAG_ACK | FLAG_PUSH, turn->data + at, len);
    }
}

static bool dialogue_is_known(const struct dialogue *dialogue)
{
    return dialogue->found.app_protocol != NDPI_PROTOCOL_UNKNOWN || dialogue->found.master_protocol != NDPI_PROTOCOL_UNKNOWN;
}

/*
 * The master is what is spoken ("SMTP"), the application what it is spoken for ("Google"); one of them may be missing. A
 * subject of nDPI's that was only guessed cannot come up: nothing guesses at these ports and addresses.
 */
static const char *dialogue_name(const struct dialogue *dialogue)
{
    unsigned id = dialogue->found.master_protocol;
    if (id == NDPI_PROTOCOL_UNKNOWN)
        id = dialogue->found.app_protocol;
    return id == NDPI_PROTOCOL_UNKNOWN ? NULL : ndpi_get_proto_name(dialogue->detect->module, (uint16_t)id);
}

const char *detect_protocol(struct detect *detect, const struct detect_turn *turns, size_t count)
{
    enum { START_MS = 1000, CLIENT_ISN = 1000, SERVER_ISN = 100000 };
    struct dialogue dialogue = {.detect = detect, .next = {CLIENT_ISN, SERVER_ISN}, .time_ms = START_MS};
    if (!detect_ready(detect))
        return NULL;
    dialogue.flow = ndpi_flow_malloc(SIZEOF_FLOW_STRUCT);
    if (dialogue.flow == NULL)
        return NULL;
    memset(dialogue.flow, 0, SIZEOF_FLOW_STRUCT);
    dialogue_packet(&dialogue, SMTPSCOPE_CLIENT, FLAG_SYN, NULL, 0);
    dialogue_packet(&dialogue, SMTPSCOPE_SERVER, FLAG_SYN | FLAG_ACK, NULL, 0);
    dialogue_packet(&dialogue, SMTPSCOPE_CLIENT, FLAG_ACK, NULL, 0);
    for (size_t i = 0; i < count && !dialogue_is_known(&dialogue); i++)
        dialogue_turn(&dialogue, &turns[i]);
    const char *name = dialogue_name(&dialogue);
    ndpi_free_flow(dialogue.flow);
    return name;
}
