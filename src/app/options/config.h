/* SPDX-License-Identifier: BSD-2-Clause */
/* The form of a configuration file: "name = value" a line. What the names mean is the reader's business. */
#ifndef APP_OPTIONS_CONFIG_H
#define APP_OPTIONS_CONFIG_H

#include <stdbool.h>

/* The caller's functions, which take the lines. */
struct config_reader {
    /* Called for each line; the texts are valid during the call. false: it was wrong, and that was told. */
    bool (*entry)(void *ctx, unsigned line, const char *name, const char *value);
    void *ctx;
};

/*
 * Reads the whole file, also behind lines that are wrong. true: all was right. false: what was wrong has been told, each as
 * "path:line: what; what to write", a file that is no text in one line.
 */
bool config_read(const char *path, const struct config_reader *reader);

#endif
