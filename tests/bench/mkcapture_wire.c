/* SPDX-License-Identifier: BSD-2-Clause */
#include "mkcapture.h"

#include <string.h>

#define LINKTYPE_ETHERNET 1
#define START_S 1750000000u /* any fixed time: the same parameters give the same file */

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

/* The Internet checksum (RFC 1071) of an IPv4 header. The TCP checksum stays 0, as with offloading. */
static unsigned header_checksum(const uint8_t *header)
{
    uint32_t sum = 0;
    for (int i = 0; i < 20; i += 2)
        sum += (uint32_t)header[i] << 8 | header[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    return ~(sum + (sum >> 16)) & 0xffff;
}

static size_t frame_build(uint8_t *frame, const struct tcp *tcp, int side, uint8_t flags, const void *data, size_t len)
{
    static const uint32_t server = 0xc0000219; /* 192.0.2.25 */
    static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00};
    uint8_t *ip = frame + 14, *segment = ip + 20;
    memcpy(frame, ethernet, sizeof ethernet);
    memset(ip, 0, 40);
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(40 + len));
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = 6;
    put32(ip + 12, side == 0 ? tcp->client : server);
    put32(ip + 16, side == 0 ? server : tcp->client);
    put16(ip + 10, header_checksum(ip));
    put16(segment, side == 0 ? tcp->port : 25);
    put16(segment + 2, side == 0 ? 25 : tcp->port);
    put32(segment + 4, tcp->seq[side]);
    put32(segment + 8, flags & 0x10 ? tcp->seq[1 - side] : 0);
    segment[12] = 5 << 4;
    segment[13] = flags;
    put16(segment + 14, 64240);
    if (len > 0)
        memcpy(segment + 20, data, len);
    return 54 + len;
}

static void record_write(struct wire *wire, const uint8_t *record, size_t len)
{
    fwrite(record, 1, len, wire->file);
    wire->packets++;
    wire->octets += len;
}

/* A frame goes to the file, unless the capture lacks it, or it waits for the next one. */
static void frame_write(struct wire *wire, uint8_t *record, size_t frame_len)
{
    uint32_t head[4] = {(uint32_t)(START_S + wire->time / 1000000), (uint32_t)(wire->time % 1000000), (uint32_t)frame_len,
                        (uint32_t)frame_len};
    const struct parameters *parameters = wire->parameters;
    memcpy(record, head, sizeof head);
    wire->time += 1 + (chance_next(&wire->chance) & 7);
    if (chance_of(&wire->chance, parameters->loss, 1000))
        return;
    if (wire->held_len == 0 && chance_of(&wire->chance, parameters->reordering, 1000)) {
        memcpy(wire->held, record, 16 + frame_len);
        wire->held_len = 16 + frame_len;
        return;
    }
    record_write(wire, record, 16 + frame_len);
    if (wire->held_len > 0) {
        record_write(wire, wire->held, wire->held_len);
        wire->held_len = 0;
    }
}

/* What else is on such a wire: a full segment of a TCP connection to port 443. */
static void other_write(struct wire *wire)
{
    static const uint8_t noise[SEGMENT_MAX];
    uint8_t record[16 + FRAME_MAX];
    struct tcp tcp = {.client = 0x0a000000u | (uint32_t)(chance_next(&wire->chance) & 0xffff), .port = 50000};
    tcp.seq[0] = (uint32_t)chance_next(&wire->chance);
    size_t len = frame_build(record + 16, &tcp, 0, 0x10, noise, sizeof noise);
    put16(record + 16 + 14 + 20 + 2, 443);
    frame_write(wire, record, len);
}

void wire_begin(struct wire *wire, FILE *file, const struct parameters *parameters)
{
    const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, LINKTYPE_ETHERNET};
    *wire = (struct wire){.file = file, .parameters = parameters, .chance = {parameters->seed * 0x9e3779b97f4a7c15u | 1}};
    wire->octets = fwrite(head, 1, sizeof head, file);
}

void wire_segment(struct wire *wire, struct tcp *tcp, int side, uint8_t flags, const void *data, size_t len)
{
    uint8_t record[16 + FRAME_MAX];
    size_t frame_len = frame_build(record + 16, tcp, side, flags, data, len);
    tcp->seq[side] += (uint32_t)len + ((flags & 0x03) != 0);
    frame_write(wire, record, frame_len);
    while (chance_of(&wire->chance, wire->parameters->other, 100))
        other_write(wire);
}

int wire_end(struct wire *wire)
{
    if (wire->held_len > 0)
        record_write(wire, wire->held, wire->held_len);
    return fflush(wire->file) != 0 || ferror(wire->file) ? -1 : 0;
}
