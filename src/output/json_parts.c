/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/json_parts.h"

#include "output/format.h"

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
