/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line. */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "smtpscope/rule.h"

/* What the program ends with. */
enum status {
    STATUS_DONE = 0,
    STATUS_FOUND = 1,   /* a finding at or above --fail-on */
    STATUS_FAILED = 2,  /* wrong use, unreadable input, output that cannot be written */
    STATUS_DAMAGED = 3, /* analysed, but the input was damaged */
};

enum task { TASK_ANALYSE, TASK_RULES, TASK_EXPLAIN, TASK_COMPARE, TASK_HELP, TASK_VERSION };

enum colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

/* A bit per TCP port. */
#define PORTS_OCTETS 8192

/* The strings are those of argv. Zeroed before options_parse(), freed with options_fini(). */
struct options {
    enum task task;
    const char **files; /* of -r */
    size_t file_count;
    const char **globs; /* of --rule; none: all rules */
    size_t glob_count;
    uint8_t ports[PORTS_OCTETS];
    bool json, sessions, messages, summary;
    enum smtpscope_severity min_severity;
    int fail_on; /* enum smtpscope_severity; -1: never */
    enum colour colour;
    char *topic[2]; /* of explain and compare; owned */
};

/* true: `options` is filled. false: the reason and the remedy were printed on standard error. */
bool options_parse(struct options *options, int argc, char **argv);
/*
 * The language that --lang asks for, read ahead of everything else: help, and what is said of a wrong option, are in it too.
 * NULL: none, or none that we speak.
 */
const char *options_language(int argc, char **argv);
void options_fini(struct options *options);
/* Is the rule one that --rule chose? */
bool options_select(const struct options *options, enum smtpscope_rule rule);

#endif
