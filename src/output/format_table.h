/* SPDX-License-Identifier: BSD-2-Clause */
/* The formats that findings, sessions, messages and totals are written in: what --format may say. A new one is a row. */
#ifndef OUTPUT_FORMAT_TABLE_H
#define OUTPUT_FORMAT_TABLE_H

#include "output/output.h"

struct format_row {
    const char *name;                  /* what --format calls it */
    const struct output_format *whole; /* of files: may keep findings back until all are known */
    const struct output_format *live;  /* of interfaces: each event at once */
    bool for_people;                   /* on standard output alone; other outputs get the first format that is not */
    bool json;                         /* what else the program lists, rules or interfaces, is JSON then */
};

#define FORMATS 4

extern const struct output_format output_text; /* for people: grouped, the remedy once a group */
/* For people who look on: a finding as it comes, the remedy with the first of a kind. */
extern const struct output_format output_live;
extern const struct output_format output_json; /* JSON Lines: one object a line, see share/smtpscope.schema.json */
extern const struct output_format output_eve;  /* as Suricata's eve.json: see share/smtpscope-eve.schema.json */
extern const struct output_format output_csv;  /* a row a finding, RFC 4180 */

/* The first is what is written unless --format says. */
extern const struct format_row format_table[FORMATS];

/* The format for an output that a program reads: `wanted` unless that is for people. */
const struct format_row *format_for_programs(const struct format_row *wanted);

#endif
