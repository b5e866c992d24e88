/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A key log on its way into the store: read once, or followed while it grows, is cut off, or is replaced. It is opened, with its
 * folder, while there are privileges; later a new file of that name is opened in the folder that was open by then.
 */
#ifndef APP_KEYS_KEY_LOG_H
#define APP_KEYS_KEY_LOG_H

#include "smtpscope/tls.h"

#include <sys/stat.h>

/* A file that is open. */
struct key_file {
    int fd; /* -1: none */
    dev_t device;
    ino_t inode;
    off_t at; /* read so far */
    struct smtpscope_keylog *lines;
};

struct key_log {
    const char *path, *name; /* name: in the folder */
    int folder;              /* -1: it is not followed */
    struct smtpscope_keys *keys;
    struct key_file file;
    struct key_file before; /* the one that was replaced: whoever has it open may still write it */
    bool told;              /* that it cannot be opened */
};

/* Reads what there is. false: told on standard error. */
bool key_log_read(const char *path, struct smtpscope_keys *keys);
/* The same, and key_log_follow() goes on from there; the file may not be there yet. `path` is kept. */
bool key_log_open(struct key_log *log, const char *path, struct smtpscope_keys *keys);
/* What was written since. */
void key_log_follow(struct key_log *log);
void key_log_close(struct key_log *log);

#endif
