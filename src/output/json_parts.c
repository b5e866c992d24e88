/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/json_parts.h"

#include "base/hash.h"
#include "output/format.h"

/* JSON's readers keep numbers in 53 bits (RFC 8259, 6). */
#define FLOW_ID_SHIFT 11

void put_member_time(struct writer *writer, const char *key, smtpscope_time time)
{
    put_key(writer, key);
    writer_char(writer, '"');
    format_time(writer, time, 'T', 9);
    writer_char(writer, '"');
}

/* The packet in its file; returns the file's name. */
const char *put_packet_of(struct writer *line, const struct packet_numbering *numbering, const char *key, uint64_t ordinal)
{
    uint64_t number;
    const char *file = packet_numbering_find(numbering, ordinal, &number);

    put_member_nonzero(line, key, number);
    return file;
}

/* A packet of a session or a message. */
const char *put_packet(struct output *output, uint64_t ordinal)
{
    return put_packet_of(&output->line, output->config.numbering, "packet", ordinal);
}

void put_members_of_sensor(struct output *output)
{
    if (output->config.sensor)
        put_member_string(&output->line, "sensor", output->config.sensor);
    if (output->config.interface)
        put_member_string(&output->line, "in_iface", output->config.interface);
}

void put_member_flow_id(struct writer *line, const struct smtpscope_flow *flow)
{
    uint64_t id = (uint64_t)flow->first_time;

    for (int side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++) {
        id = hash_octets(flow->side[side].addr, sizeof flow->side[side].addr, id);
        id = hash_mix(id, flow->side[side].port);
    }
    put_member_number(line, "flow_id", id >> FLOW_ID_SHIFT);
}
