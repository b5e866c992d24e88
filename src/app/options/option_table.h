/* SPDX-License-Identifier: BSD-2-Clause */
/* The one table of options: getopt's arrays, the configuration file's names, --help and the checks all come out of it. */
#ifndef APP_OPTIONS_OPTION_TABLE_H
#define APP_OPTIONS_OPTION_TABLE_H

#include "app/options/options.h"

/* In the order of --help. */
enum option_id {
    OPTION_READ,
    OPTION_INTERFACE,
    OPTION_LIST_INTERFACES,
    OPTION_FILTER,
    OPTION_PORTS,
    OPTION_DETECT,
    OPTION_NO_PROMISCUOUS_MODE,
    OPTION_SNAPSHOT_LENGTH,
    OPTION_BUFFER_SIZE,
    OPTION_KEYLOG,
    OPTION_NO_INFERENCE,
    OPTION_ENCAPSULATED,
    OPTION_VERIFY_CHECKSUMS,
    OPTION_RULE,
    OPTION_IGNORE,
    OPTION_MIN_SEVERITY,
    OPTION_SINCE,
    OPTION_UNTIL,
    OPTION_SERVER,
    OPTION_CLIENT,
    OPTION_FROM,
    OPTION_TO,
    OPTION_CODE,
    OPTION_SESSION,
    OPTION_SESSIONS,
    OPTION_MESSAGES,
    OPTION_SUMMARY,
    OPTION_DETAIL,
    OPTION_BRIEF,
    OPTION_AGGREGATE,
    OPTION_STATS,
    OPTION_FORMAT,
    OPTION_REMEDIATION,
    OPTION_SENSOR_NAME,
    OPTION_LANG,
    OPTION_COLOR,
    OPTION_OUTPUT,
    OPTION_ROTATE_SIZE,
    OPTION_ROTATE_COUNT,
    OPTION_WRITE,
    OPTION_FILE_SIZE,
    OPTION_FILE_COUNT,
    OPTION_ANNOTATE,
    OPTION_STORE,
    OPTION_METRICS,
    OPTION_CONFIG,
    OPTION_CHECK_CONFIG,
    OPTION_WORKERS,
    OPTION_MAX_SESSIONS,
    OPTION_USER,
    OPTION_NO_SANDBOX,
    OPTION_FAIL_ON,
    OPTION_STAGE,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_COUNT,
};

/* What the field in struct options is. */
enum option_storage {
    OPTION_PLAIN,  /* compared and copied as it is */
    OPTION_STRING, /* const char *, owned */
    OPTION_LIST,   /* const char **, owned with its strings, and a size_t: the option may be repeated */
};

struct option_row;

/* A value on its way into its field. */
struct setting {
    struct options *options;
    const struct option_row *row;
    const char *where; /* what a message begins with: "--ports", "FILE:12: ports" */
};

struct option_row {
    const char *name;     /* the long option, and the name in the configuration file */
    const char *argument; /* as --help names it; NULL: a flag, in the file yes or no */
    const char *help;     /* in English; NULL: not listed */
    unsigned tasks;       /* 1U << enum task, of those that it means something to */
    char letter;          /* '\0': none */
    bool in_file;         /* may stand in the configuration file */
    bool live;            /* may change at SIGHUP */
    bool flag;            /* what a flag sets its bool to */
    bool shares;          /* --help has the next row in the same line */
    enum task task;       /* what the program does instead, with set_task() */
    enum option_storage storage;
    size_t offset, size; /* the field in struct options */
    size_t count_offset; /* a list's count */
    /* Has to be given as well; OPTION_READ, which no option needs, for none. */
    enum option_id needs;
    /* The value into the field; false after saying what is wrong and what to write. */
    bool (*set)(const struct setting *setting, const char *value);
    const char *const *words; /* of a choice, ending with NULL */
    uint64_t min, max, unit;  /* of a number; a unit of 0 is 1 */
    const char *zero;         /* the word for a number of 0 */
};

extern const struct option_row option_table[OPTION_COUNT];

/* The row of a long name, or NULL. */
const struct option_row *option_find(const char *name);
/* The name most like `name`, or NULL when none is. */
const char *option_near(const char *name);

#endif
