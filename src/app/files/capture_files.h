/* SPDX-License-Identifier: BSD-2-Clause */
/* The capture files of a run, in the order of their first packets. */
#ifndef APP_FILES_CAPTURE_FILES_H
#define APP_FILES_CAPTURE_FILES_H

#include "capture/savefile.h"

struct capture_file {
    const char *path;      /* as it was given */
    const char *name;      /* for people: "standard input" */
    struct savefile *file; /* NULL while it is not open */
    smtpscope_time first_time;
    bool has_first_time; /* false: no packet */
    uint64_t octets;     /* of the file; 0 unknown */
};

/* Zeroed before capture_files_open(). */
struct capture_files {
    struct capture_file *items;
    size_t count;
};

/* Opens each, and sorts them. false: one of them cannot be read, and the reason was printed. */
bool capture_files_open(struct capture_files *files, const char *const *paths, size_t count);
/* Makes sure that the source is open when its turn has come. false as above. */
bool capture_file_reopen(struct capture_file *capture);
void capture_file_close(struct capture_file *capture);
void capture_files_fini(struct capture_files *files);

#endif
