/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/keys/key_store.h"

#include "app/keys/key_log.h"
#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct key_store {
    struct key_store_config config;
    pthread_mutex_t lock; /* of the keys */
    struct smtpscope_keys *keys;
    pthread_mutex_t look; /* one thread looks captures and logs through, the others wait for what it finds */
    bool looked;
    struct key_log *logs; /* those that are followed, `log_count` of them */
    size_t log_count;
    struct smtpscope_keylog *stream; /* the block of secrets that is being read with the packets */
};

static void store_lock(void *ctx)
{
    pthread_mutex_lock(&((struct key_store *)ctx)->lock);
}

static void store_unlock(void *ctx)
{
    pthread_mutex_unlock(&((struct key_store *)ctx)->lock);
}

/* `ctx`: the struct smtpscope_keylog. */
static void secrets_read(void *ctx, const uint8_t *octets, size_t len)
{
    if (len)
        smtpscope_keylog_read(ctx, octets, len);
    else
        smtpscope_keylog_end(ctx);
}

/* A pipe gives its octets once: its secrets come with its packets. */
static bool can_look(const char *path)
{
    struct stat status;

    return strcmp(path, "-") && !savefile_stat(path, &status) && S_ISREG(status.st_mode);
}

/* By the time a session ends its keys are in the log, whenever that was looked at last. */
static void store_missing(void *ctx)
{
    struct key_store *store = ctx;
    struct smtpscope_keylog *keylog;

    key_store_follow(store);
    pthread_mutex_lock(&store->look);
    keylog = store->looked ? NULL : smtpscope_keylog_new(store->keys);
    for (size_t i = 0; keylog && i < store->config.capture_count; i++)
        if (can_look(store->config.captures[i])) /* what cannot be read is told when its packets are */
            savefile_find_secrets(store->config.captures[i], &(struct secrets_taker){secrets_read, keylog});
    smtpscope_keylog_free(keylog);
    store->looked = true;
    pthread_mutex_unlock(&store->look);
}

static bool store_read(struct key_store *store, const char *path)
{
    if (!store->config.follow)
        return key_log_read(path, store->keys);
    if (!key_log_open(&store->logs[store->log_count], path, store->keys))
        return false;
    store->log_count++;
    return true;
}

struct key_store *key_store_new(const struct key_store_config *config)
{
    struct key_store *store = calloc(1, sizeof *store);
    bool right = true;

    if (!store) {
        warn_user(_("out of memory"));
        return NULL;
    }
    store->config = *config;
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->look, NULL);
    store->keys = smtpscope_keys_new(&(struct smtpscope_keys_config){
        .hash_seed = config->hash_seed, .lock = store_lock, .unlock = store_unlock, .missing = store_missing, .ctx = store});
    store->stream = store->keys ? smtpscope_keylog_new(store->keys) : NULL;
    store->logs = config->follow ? calloc(config->log_count, sizeof *store->logs) : NULL;
    if (!store->stream || (config->follow && !store->logs)) {
        warn_user(_("out of memory"));
        right = false;
    }
    for (size_t i = 0; right && i < config->log_count; i++)
        right = store_read(store, config->logs[i]);
    if (right)
        return store;
    key_store_free(store);
    return NULL;
}

void key_store_free(struct key_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->log_count; i++)
        key_log_close(&store->logs[i]);
    free(store->logs);
    smtpscope_keylog_free(store->stream);
    smtpscope_keys_free(store->keys);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->look);
    free(store);
}

void key_store_follow(struct key_store *store)
{
    pthread_mutex_lock(&store->look);
    for (size_t i = 0; i < store->log_count; i++)
        key_log_follow(&store->logs[i]);
    pthread_mutex_unlock(&store->look);
}

struct smtpscope_keys *key_store_keys(struct key_store *store)
{
    return store->keys;
}

struct secrets_taker key_store_taker(struct key_store *store)
{
    return (struct secrets_taker){secrets_read, store->stream};
}
