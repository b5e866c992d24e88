/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several workers over the same files. The first worker that needs the next batch reads it for all of them; a flow belongs to one
 * worker by its hash; nothing else is shared. What goes out is reports, merged by the caller's thread into an order that does not
 * depend on the number of workers: so the same files give the same output on every machine.
 */
#ifndef APP_FILES_FILE_WORKERS_H
#define APP_FILES_FILE_WORKERS_H

#include "app/files/file_reader.h"
#include "app/sessions/sessions.h"

struct file_workers_config {
    struct file_reader *reader;
    struct sessions_config sessions;  /* `taker`, `totals` and `workers` are filled in for each */
    unsigned workers;                 /* 1 to WORKERS_MAX */
    const struct report_taker *taker; /* takes all that is said, in order, on the caller's thread */
    void (*published)(void *ctx);     /* some of it has; on the caller's thread */
    bool at_once;                     /* what is read comes slowly: each batch's reports are handed on when it ends */
    bool (*stopped)(void *ctx);       /* nobody takes more: what is under way is dropped; on the caller's thread */
    void *ctx;
    struct totals *totals; /* what all workers have counted is added */
};

/* Works through all of the files. false: no memory or no threads, told on standard error. */
bool file_workers_run(const struct file_workers_config *config);

#endif
