/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/keys/key_store.h"

#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct key_store {
    struct key_store_config config;
    pthread_mutex_t lock; /* of the keys */
    struct smtpscope_keys *keys;
    pthread_mutex_t look; /* one thread looks captures through, the others wait for what it finds */
    bool looked;
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

static void store_missing(void *ctx)
{
    struct key_store *store = ctx;
    struct smtpscope_keylog *keylog;

    pthread_mutex_lock(&store->look);
    keylog = store->looked ? NULL : smtpscope_keylog_new(store->keys);
    for (size_t i = 0; keylog && i < store->config.capture_count; i++)
        if (can_look(store->config.captures[i])) /* what cannot be read is told when its packets are */
            savefile_find_secrets(store->config.captures[i], &(struct secrets_taker){secrets_read, keylog});
    smtpscope_keylog_free(keylog);
    store->looked = true;
    pthread_mutex_unlock(&store->look);
}

/* Whoever reads the log reads the mail. */
static void log_warn(const char *path, int fd, const struct smtpscope_keys_stats *before, struct smtpscope_keys *keys)
{
    struct smtpscope_keys_stats stats;
    struct stat status;

    if (!fstat(fd, &status) && status.st_mode & S_IROTH)
        warn_user(_("%s: everybody on this machine can read these keys; chmod o-r helps"), path);
    smtpscope_keys_stats(keys, &stats);
    if (stats.secrets == before->secrets)
        warn_user(_("%s: no secret that opens a session, in the format of SSLKEYLOGFILE"), path);
}

static bool log_read(struct key_store *store, const char *path)
{
    struct smtpscope_keylog *keylog = smtpscope_keylog_new(store->keys);
    struct smtpscope_keys_stats before;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t octets[16384];
    ssize_t got = fd < 0 ? -1 : 0;

    smtpscope_keys_stats(store->keys, &before);
    while (keylog && fd >= 0 && (got = read(fd, octets, sizeof octets)) > 0)
        smtpscope_keylog_read(keylog, octets, (size_t)got);
    if (got < 0 || !keylog)
        warn_user("%s: %s", path, keylog ? strerror(errno) : _("out of memory"));
    if (keylog)
        smtpscope_keylog_end(keylog);
    if (got == 0)
        log_warn(path, fd, &before, store->keys);
    explicit_bzero(octets, sizeof octets);
    if (fd >= 0)
        close(fd);
    smtpscope_keylog_free(keylog);
    return keylog && got == 0;
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
    if (!store->stream) {
        warn_user(_("out of memory"));
        right = false;
    }
    for (size_t i = 0; right && i < config->log_count; i++)
        right = log_read(store, config->logs[i]);
    if (right)
        return store;
    key_store_free(store);
    return NULL;
}

void key_store_free(struct key_store *store)
{
    if (!store)
        return;
    smtpscope_keylog_free(store->stream);
    smtpscope_keys_free(store->keys);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->look);
    free(store);
}

struct smtpscope_keys *key_store_keys(struct key_store *store)
{
    return store->keys;
}

struct secrets_taker key_store_taker(struct key_store *store)
{
    return (struct secrets_taker){secrets_read, store->stream};
}
