/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secrets of TLS sessions, for all workers: from key logs (--keylog), and from blocks of secrets in the captures. Those are
 * looked for when the first session asks for a secret: a capture in clear is not read twice.
 */
#ifndef APP_KEYS_KEY_STORE_H
#define APP_KEYS_KEY_STORE_H

#include "capture/savefile.h"
#include "smtpscope/tls.h"

struct key_store;

/* Lists are kept by reference. */
struct key_store_config {
    const char *const *logs; /* key logs */
    size_t log_count;
    const char *const *captures; /* as savefile_open() takes them */
    size_t capture_count;
    uint64_t hash_seed;
    bool follow; /* the logs grow, and key_store_follow() is called now and then */
};

/* Reads the key logs. NULL: told on standard error. */
struct key_store *key_store_new(const struct key_store_config *config);
/* Wipes them. NULL is fine. */
void key_store_free(struct key_store *store);
/* Takes what was written to the logs since; from any thread. */
void key_store_follow(struct key_store *store);
struct smtpscope_keys *key_store_keys(struct key_store *store);
/* For captures that can be read but once: takes their secrets as they come. */
struct secrets_taker key_store_taker(struct key_store *store);

#endif
