/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line and the configuration file: what the user wants. Names and meanings are rows of option_table.c. */
#ifndef APP_OPTIONS_OPTIONS_H
#define APP_OPTIONS_OPTIONS_H

#include "app/process/status.h"
#include "app/process/terminal.h"
#include "output/format_table.h"
#include "smtpscope/rule.h"

#include <limits.h>

enum task {
    TASK_ANALYSE,    /* capture files */
    TASK_WATCH,      /* interfaces, live */
    TASK_INTERFACES, /* lists them */
    TASK_CHECK_CONFIG,
    TASK_RULES,
    TASK_EXPLAIN,
    TASK_COMPARE,
    TASK_EXPORT, /* all of a store */
    TASK_MAIL,   /* what a store knows of mail to somebody */
    TASK_HELP,
    TASK_VERSION,
};

#define WORKERS_UNSAID UINT_MAX
#define REMEDIATION_UNSAID UINT_MAX

/* A bit per TCP port. */
#define PORTS_OCTETS 8192

/* Every string and list is owned. Zeroed before options_parse(), freed with options_fini(). */
struct options {
    enum task task;
    const char **files; /* of -r */
    size_t file_count;
    const char **interfaces; /* of -i; "any" stands alone */
    size_t interface_count;
    const char *expression;   /* of pcap-filter(7); NULL: none */
    bool promiscuous;         /* default true */
    bool encapsulated;        /* the kernel's filter also lets VLANs and tunnels through */
    bool verify_checksums;    /* segments whose TCP checksum is wrong are left out */
    unsigned buffer_kib;      /* of the kernel's buffer; 0: libpcap's default */
    unsigned snapshot_length; /* octets of each packet; 0: all */
    uint8_t ports[PORTS_OCTETS];
    const char **keylogs; /* key logs of TLS */
    size_t keylog_count;
    bool inference;   /* default true */
    unsigned workers; /* 0: auto; WORKERS_UNSAID */
    bool detect;
    size_t max_sessions; /* 0: the table's own default */
    const char **globs;  /* of --rule; none: all rules */
    size_t glob_count;
    const char **ignored; /* of --ignore, SELECTION_IGNORED_MAX at most */
    size_t ignored_count;
    enum smtpscope_severity min_severity;
    const char *since, *until, *server, *client, *from, *to, *code; /* see struct selection; NULL: any */
    uint64_t session;                                               /* 0: any */
    int fail_on;                                                    /* enum smtpscope_severity; -1: never */
    const struct format_row *format;                                /* a row of format_table */
    bool sessions, messages, summary, detail, brief;
    const char *language; /* NULL: the environment's */
    enum colour colour;
    const char **outputs; /* checked for their form; none: standard output */
    size_t output_count;
    uint64_t rotate_octets;                   /* 0: never */
    unsigned rotate_count;                    /* old files kept */
    const char *metrics;                      /* "192.0.2.1:9425", "[2001:db8::1]:9425"; NULL: none */
    smtpscope_time aggregate, stats_interval; /* 0: off */
    const char *evidence;                     /* of -w; NULL: none */
    uint64_t evidence_octets;                 /* of one file; 0: no limit */
    unsigned remediation;                     /* enum output_remediation; REMEDIATION_UNSAID */
    const char *sensor;                       /* NULL: the host, while watching */
    const char *annotate;                     /* of --annotate; NULL: none */
    const char *store;                        /* file of the history; NULL: none */
    unsigned evidence_count;                  /* files, the oldest of which is overwritten; 0: no limit */
    const char *user;                         /* whom to become; NULL: the default */
    bool sandbox;                             /* default true */
    const char *config;                       /* of -c; NULL: none */
    const char *stage;                        /* of explain; NULL: not said */
    char *topic[2];                           /* of explain, compare, export and mail */
};

/* true: `options` is filled. false: each reason and its remedy were printed on standard error. options_fini() after either. */
bool options_parse(struct options *options, int argc, char **argv);
/*
 * Reads the configuration file and the command line anew, as at SIGHUP. true: `fresh`, which need not be initialised, has what
 * may change while the program runs, and `now`'s values elsewhere; for each option that differs and may not, a line on
 * standard error says so. It owns all of its strings: free `now` and use `fresh` in its place. false: the reasons were
 * printed, and there is nothing to free.
 */
bool options_reload(const struct options *now, struct options *fresh, int argc, char **argv);
/* A copy that is its own, also of what it owns; `to` is zeroed before. false: out of memory, and `to` owns nothing. */
bool options_copy(struct options *to, const struct options *from);
/* How many workers --workers means here: with auto one a processor; unless it says, that for files, and one for interfaces. */
unsigned options_workers(const struct options *options);
/* What --remediation means here, also where it was not said. */
enum output_remediation options_remediation(const struct options *options);
/* Do both ask for the same outputs? */
bool options_same_outputs(const struct options *a, const struct options *b);
/*
 * The language that --lang asks for, read ahead of everything else: help, and what is said of a wrong option, are in it too.
 * NULL: none, or none that we speak. A static word.
 */
const char *options_language(int argc, char **argv);
void options_fini(struct options *options);

#endif
