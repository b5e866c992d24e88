/* SPDX-License-Identifier: BSD-2-Clause */
/* The capture files of a run, in the order of their first packets. */
#ifndef APP_FILES_CAPTURE_FILES_H
#define APP_FILES_CAPTURE_FILES_H

#include "capture/savefile.h"

#include <sys/stat.h>

struct source {
    const char *path;      /* as it was given */
    const char *name;      /* for people: "standard input" */
    struct savefile *file; /* NULL while it is not open */
    smtpscope_time first_time;
    bool has_first_time; /* false: no packet */
    uint64_t octets;     /* of the file; 0 unknown */
};

/* Zeroed before sources_open(). */
struct sources {
    struct source *items;
    size_t count;
};

/* Opens each, and sorts them. false: one of them cannot be read, and the reason was printed. */
bool sources_open(struct sources *sources, const char *const *paths, size_t count);
/* Makes sure that the source is open when its turn has come. false as above. */
bool sources_reopen(struct source *source);
void sources_close(struct source *source);
/* As stat(2), of a path as it was given: "-" is standard input. */
int sources_stat(const char *path, struct stat *status);
void sources_fini(struct sources *sources);

#endif
