/* SPDX-License-Identifier: BSD-2-Clause */
/* Members that events of several kinds have. */
#ifndef OUTPUT_JSON_PARTS_H
#define OUTPUT_JSON_PARTS_H

#include "output/json_writer.h"
#include "output/output_format.h"

void put_member_time(struct writer *writer, const char *key, smtpscope_time time);
/*
 * Who saw it and where: "sensor" and "in_iface", as far as they are known; and of a flow "flow_id", the same in each run and at each
 * sensor that saw its first packet at that time.
 */
void put_members_of_sensor(struct output *output);
void put_member_flow_id(struct writer *line, const struct smtpscope_flow *flow);
/* The packet in its file; returns the file's name, NULL where there is one alone. */
const char *put_packet_of(struct writer *line, const struct packet_numbering *numbering, const char *key, uint64_t ordinal);
/* The same of a session's or a message's `packet`. */
const char *put_packet(struct output *output, uint64_t ordinal);

#endif
