/* SPDX-License-Identifier: BSD-2-Clause */
#include "mkcapture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINKTYPE_ETHERNET 1
#define START_S 1750000000u /* any fixed time: the same parameters give the same file */
#define TCP_PSH_ACK 0x18
#define TCP_ACK 0x10
/* A segment that is lost is sent again behind this many: RFC 5681 3.2 resends at the third duplicate acknowledgement. */
#define RESENT_BEHIND 3

uint64_t chance_next(struct chance *chance)
{
    chance->state ^= chance->state << 13;
    chance->state ^= chance->state >> 7;
    chance->state ^= chance->state << 17;
    return chance->state;
}

bool chance_of(struct chance *chance, unsigned share, unsigned of)
{
    return share > 0 && chance_next(chance) % of < share;
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

/* --- writing */

static void buffer_write(struct wire *wire)
{
    for (size_t at = 0; at < wire->used && wire->error == 0;) {
        ssize_t written = write(wire->fd, wire->buffer + at, wire->used - at);

        if (written < 0 && errno != EINTR)
            wire->error = errno;
        else if (written > 0)
            at += (size_t)written;
    }
    wire->used = 0;
}

/* Room for one record at the end of the buffer. */
static uint8_t *record_room(struct wire *wire)
{
    if (wire->used + RECORD_MAX > WIRE_BUFFER)
        buffer_write(wire);
    return wire->buffer + wire->used;
}

/* The record at record_room() is complete but for its head: it goes to the file. */
static void record_commit(struct wire *wire, uint8_t *record, size_t len)
{
    uint32_t frame = (uint32_t)(len - 16);
    uint32_t head[4] = {(uint32_t)(START_S + wire->time / 1000000), (uint32_t)(wire->time % 1000000), frame, frame};

    memcpy(record, head, sizeof head);
    wire->time += 1 + (chance_next(&wire->chance) & 7);
    wire->used += len;
    wire->packets++;
    wire->octets += len;
}

/* --- frames */

/* The Internet checksum (RFC 1071) of an IPv4 header. The TCP checksum stays 0, as with offloading. */
static unsigned header_checksum(const uint8_t *header)
{
    uint32_t sum = 0;

    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)header[i] << 8 | header[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    return ~(sum + (sum >> 16)) & 0xffff;
}

static uint8_t *ip_build(uint8_t *frame, uint8_t protocol, uint32_t from, uint32_t to, size_t len)
{
    static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00};
    uint8_t *ip = frame + sizeof ethernet;

    memcpy(frame, ethernet, sizeof ethernet);
    memset(ip, 0, 40);
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(20 + len));
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = protocol;
    put32(ip + 12, from);
    put32(ip + 16, to);
    put16(ip + 10, header_checksum(ip));
    return ip + 20;
}

/* What `side` acknowledges: not what is still on its way. */
static uint32_t acknowledged(const struct tcp *tcp, int side)
{
    return side == 1 && tcp->held != NULL ? tcp->held->seq : tcp->seq[1 - side];
}

/* Returns the length of the record. */
static size_t segment_build(uint8_t *record, const struct tcp *tcp, int side, uint8_t flags, const void *data, size_t len)
{
    static const uint32_t server = 0xc0000219; /* 192.0.2.25 */
    uint8_t *segment = ip_build(record + 16, 6, side == 0 ? tcp->client : server, side == 0 ? server : tcp->client, 20 + len);

    put16(segment, side == 0 ? tcp->port : 25);
    put16(segment + 2, side == 0 ? 25 : tcp->port);
    put32(segment + 4, tcp->seq[side]);
    put32(segment + 8, flags & TCP_ACK ? acknowledged(tcp, side) : 0);
    segment[12] = 5 << 4;
    segment[13] = flags;
    put16(segment + 14, 64240);
    if (len > 0)
        memcpy(segment + 20, data, len);
    return 16 + HEADERS_LEN + len;
}

/* What else is on such a wire: a web server's segments and their acknowledgements, QUIC, DNS. */
static void other_write(struct wire *wire)
{
    static const struct {
        uint8_t protocol, flags;
        uint16_t port, len; /* of a server; behind the transport's header */
        bool from_server;
    } kinds[] = {
        {6, TCP_ACK, 443, SEGMENT_MAX, true},
        {6, TCP_ACK, 443, SEGMENT_MAX, true},
        {6, TCP_PSH_ACK, 443, 517, false},
        {6, TCP_ACK, 443, 0, false},
        {17, 0, 443, 1250, true},
        {17, 0, 443, 40, false},
        {17, 0, 53, 33, false},
        {6, TCP_ACK, 993, 120, true},
    };
    uint64_t random = chance_next(&wire->chance);
    unsigned kind = random & 7, from_server = kinds[kind].from_server, header = kinds[kind].protocol == 6 ? 20 : 8;
    uint32_t ends[2] = {0x0a000000 | (uint32_t)(random >> 8 & 0xffff), 0xcb007100 | (uint32_t)(random >> 24 & 0xff)};
    uint8_t *record = record_room(wire);
    uint8_t *transport =
        ip_build(record + 16, kinds[kind].protocol, ends[from_server], ends[1 - from_server], header + kinds[kind].len);

    put16(transport + 2 * from_server, 32768 | (unsigned)(random >> 32 & 0x7fff));
    put16(transport + 2 * (1 - from_server), kinds[kind].port);
    if (header == 20) {
        put32(transport + 4, (uint32_t)random);
        transport[12] = 5 << 4;
        transport[13] = kinds[kind].flags;
    } else {
        put16(transport + 4, header + kinds[kind].len);
    }
    memset(transport + header, (int)(random >> 40 & 0xff), kinds[kind].len);
    record_commit(wire, record, 16 + 14 + 20 + header + kinds[kind].len);
}

static void others_write(struct wire *wire)
{
    while (chance_of(&wire->chance, wire->parameters->other, 100))
        other_write(wire);
}

/* --- segments that wait */

static void held_write(struct wire *wire, struct tcp *tcp)
{
    uint8_t *record = record_room(wire);

    memcpy(record, tcp->held->record, tcp->held->len);
    record_commit(wire, record, tcp->held->len);
    free(tcp->held);
    tcp->held = NULL;
}

/* Without memory the segment is not held, but goes at once. */
static bool held_set(struct tcp *tcp, const uint8_t *record, size_t len, uint32_t seq, unsigned behind)
{
    tcp->held = malloc(sizeof *tcp->held);
    if (tcp->held == NULL)
        return false;
    tcp->held->seq = seq;
    tcp->held->behind = behind;
    tcp->held->len = len;
    memcpy(tcp->held->record, record, len);
    return true;
}

/* --- segments */

int wire_begin(struct wire *wire, int fd, const struct parameters *parameters)
{
    const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, LINKTYPE_ETHERNET};

    *wire = (struct wire){.fd = fd, .parameters = parameters, .chance = {parameters->seed * 0x9e3779b97f4a7c15u | 1}};
    wire->buffer = malloc(WIRE_BUFFER);
    if (wire->buffer == NULL)
        return -1;
    memcpy(wire->buffer, head, sizeof head);
    wire->used = sizeof head;
    wire->octets = sizeof head;
    return 0;
}

void wire_segment(struct wire *wire, struct tcp *tcp, int side, uint8_t flags, const void *data, size_t len)
{
    uint8_t *record;

    if (tcp->held != NULL)
        held_write(wire, tcp);
    record = record_room(wire);
    record_commit(wire, record, segment_build(record, tcp, side, flags, data, len));
    tcp->seq[side] += (uint32_t)len + ((flags & 0x03) != 0);
    others_write(wire);
}

bool wire_text(struct wire *wire, struct tcp *tcp, const void *data, size_t len)
{
    const struct parameters *parameters = wire->parameters;
    uint8_t *record = record_room(wire);
    size_t record_len = segment_build(record, tcp, 0, TCP_ACK, data, len);
    uint32_t seq = tcp->seq[0];
    bool waits = false;

    tcp->seq[0] += (uint32_t)len;
    if (chance_of(&wire->chance, parameters->lacking, 1000))
        return false;
    if (tcp->held == NULL && chance_of(&wire->chance, parameters->reordered, 1000))
        waits = held_set(tcp, record, record_len, seq, 1);
    else if (tcp->held == NULL && chance_of(&wire->chance, parameters->resent, 1000))
        waits =
            held_set(tcp, record, record_len, seq, RESENT_BEHIND) && chance_next(&wire->chance) & 1; /* lost before the tap */
    else if (tcp->held != NULL)
        tcp->held->behind--;
    if (!waits)
        record_commit(wire, record, record_len);
    if (tcp->held != NULL && tcp->held->behind == 0)
        held_write(wire, tcp);
    others_write(wire);
    return true;
}

void wire_acknowledge(struct wire *wire, struct tcp *tcp)
{
    uint8_t *record = record_room(wire);

    record_commit(wire, record, segment_build(record, tcp, 1, TCP_ACK, NULL, 0));
    others_write(wire);
}

int wire_end(struct wire *wire)
{
    buffer_write(wire);
    free(wire->buffer);
    errno = wire->error;
    return wire->error != 0 ? -1 : 0;
}
