/* SPDX-License-Identifier: BSD-2-Clause */
/* A key is made when the first record needs it: key logs are written while the handshake goes on. */
#include "key.h"

#include "base/memory.h"

/* Numbers ahead that are tried behind a gap, and one more for so many octets lost. */
#define AHEAD 64
#define AHEAD_OCTETS 256
#define AHEAD_MAX 1024

static const enum smtpscope_secret_kind secret_kinds[][2] = {
    [EPOCH_EARLY] = {SMTPSCOPE_SECRET_CLIENT_EARLY, SMTPSCOPE_SECRET_CLIENT_EARLY},
    [EPOCH_HANDSHAKE] = {SMTPSCOPE_SECRET_CLIENT_HANDSHAKE, SMTPSCOPE_SECRET_SERVER_HANDSHAKE},
    [EPOCH_TRAFFIC] = {SMTPSCOPE_SECRET_CLIENT_TRAFFIC, SMTPSCOPE_SECRET_SERVER_TRAFFIC},
};

static bool random_recall(const struct smtpscope_tls_connection *connection, uint8_t random[SMTPSCOPE_RANDOM_LEN])
{
    const struct smtpscope_keys *keys = connection->tls->config.keys;
    const struct handshake *handshake = handshake_of(connection);
    uint8_t name[SMTPSCOPE_RANDOM_LEN];

    if (handshake->has_ticket && keys_recall(keys, RESUMPTION_TICKET, handshake->ticket, random))
        return true;
    keys_name(keys, handshake->session_id, handshake->session_id_len, name);
    return handshake->resumed_by_id && keys_recall(keys, RESUMPTION_ID, name, random);
}

bool resumed_random(const struct smtpscope_tls_connection *connection, uint8_t random[SMTPSCOPE_RANDOM_LEN])
{
    const struct smtpscope_tls_config *config = &connection->tls->config;

    if (handshake_of(connection)->full)
        return false;
    if (random_recall(connection, random))
        return true;
    if (!config->events->earlier)
        return false;
    config->events->earlier(config->ctx);
    return random_recall(connection, random);
}

static bool secret_find(const struct smtpscope_tls_connection *connection, enum smtpscope_secret_kind kind,
                        struct smtpscope_secret *secret)
{
    return smtpscope_keys_find(connection->tls->config.keys, kind, handshake_of(connection)->random[SMTPSCOPE_CLIENT], secret);
}

static bool master_find(const struct smtpscope_tls_connection *connection, struct smtpscope_secret *secret)
{
    uint8_t random[SMTPSCOPE_RANDOM_LEN];

    return secret_find(connection, SMTPSCOPE_SECRET_MASTER, secret) ||
           (resumed_random(connection, random) &&
            smtpscope_keys_find(connection->tls->config.keys, SMTPSCOPE_SECRET_MASTER, random, secret));
}

static struct protection *master_key(struct smtpscope_tls_connection *connection, enum smtpscope_side side,
                                     const struct suite *suite, const struct smtpscope_secret *secret)
{
    const struct handshake *handshake = handshake_of(connection);

    return protection_of_master(
        &connection->tls->protections, suite, connection->version, handshake->encrypt_then_mac, secret,
        &(struct connection_randoms){{handshake->random[SMTPSCOPE_CLIENT], handshake->random[SMTPSCOPE_SERVER]}}, side);
}

/* NEVER: there are no keys at all, or what was agreed on is not known, or cannot be opened. */
static enum found key_may_be(const struct smtpscope_tls_connection *connection, const struct suite *suite)
{
    const struct handshake *handshake = handshake_of(connection);

    if (!connection->tls->config.keys || !handshake || connection->version < TLS_1_0 || !suite)
        return NEVER;
    return handshake->hello[SMTPSCOPE_CLIENT] && (is_13(connection) || handshake->hello[SMTPSCOPE_SERVER]) ? FOUND : MISSING;
}

struct protection *key_make(struct smtpscope_tls_connection *connection, enum smtpscope_side side, enum epoch epoch,
                            enum found *found)
{
    const struct suite *suite = suite_find(connection->suite);
    struct protection *key;
    struct smtpscope_secret secret;

    *found = key_may_be(connection, suite);
    if (*found != FOUND)
        return NULL;
    *found = MISSING;
    if (is_13(connection) ? !secret_find(connection, secret_kinds[epoch][side], &secret) : !master_find(connection, &secret))
        return NULL;
    key = is_13(connection) ? protection_of_secret(&connection->tls->protections, suite, &secret)
                            : master_key(connection, side, suite, &secret);
    memory_wipe(&secret, sizeof secret);
    *found = key ? FOUND : NEVER;
    return key;
}

void key_set(struct smtpscope_tls_connection *connection, enum smtpscope_side index, struct protection *key, enum epoch epoch)
{
    struct side *side = &connection->side[index];

    protection_free(&connection->tls->protections, connection->key[index]);
    connection->key[index] = key;
    side->epoch = epoch & 3u;
    side->proved = side->trial = false;
    side->failed = 0;
    if (handshake_of(connection) && epoch == EPOCH_TRAFFIC)
        handshake_of(connection)->changed[index] = true;
}

/* --- behind a gap */

/* The number under which the record opens, of `count` from `first` on; UINT64_MAX: none of them. */
static uint64_t number_find(struct smtpscope_tls_connection *connection, const struct protection *key, uint64_t first,
                            uint64_t count, const struct tls_record *record, uint64_t *tried)
{
    struct content content;

    for (uint64_t number = first; number < first + count; number++) {
        *tried += record->len;
        if (protection_open(&connection->tls->protections, key, number, record, &content))
            return number;
    }
    return UINT64_MAX;
}

/*
 * The key of a later epoch opens the record: then it is the side's. What was lost of the traffic is not known exactly; before
 * its first record there was none.
 */
static bool later_find(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t count,
                       const struct tls_record *record, uint64_t *clear, uint64_t *tried)
{
    struct side *side = &connection->side[index];
    enum epoch first = side->epoch == EPOCH_CLEAR && is_13(connection) ? EPOCH_HANDSHAKE : EPOCH_TRAFFIC;

    for (enum epoch epoch = first; epoch <= EPOCH_TRAFFIC; epoch++) {
        bool next = epoch == (enum epoch)side->epoch && connection->key[index];
        enum found found;
        struct protection *key = !next               ? key_make(connection, index, epoch, &found)
                                 : is_13(connection) ? protection_next(&connection->tls->protections, connection->key[index])
                                                     : NULL;
        uint64_t number = key ? number_find(connection, key, 0, count, record, tried) : UINT64_MAX;

        if (number != UINT64_MAX) {
            if (!next && !number)
                *clear = 0;
            key_set(connection, index, key, epoch);
            key->sequence = number & SEQUENCE_MAX;
            return true;
        }
        protection_free(&connection->tls->protections, key);
    }
    return false;
}

/* The record is one of those that may follow under the side's key. */
static bool same_find(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t count,
                      const struct tls_record *record, uint64_t len, uint64_t *clear, uint64_t *tried)
{
    struct protection *key = connection->key[index];
    uint64_t before = key->sequence, number = number_find(connection, key, before, count, record, tried), around;

    if (number == UINT64_MAX)
        return false;
    around = (number - before) * (RECORD_HEAD + protection_overhead(key));
    *clear = len > around ? len - around : 0;
    key->sequence = number & SEQUENCE_MAX;
    return true;
}

bool record_find(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct tls_record *record,
                 uint64_t len, uint64_t *clear, uint64_t *tried)
{
    uint64_t count = AHEAD + len / AHEAD_OCTETS;

    count = count < AHEAD_MAX ? count : AHEAD_MAX;
    *clear = len;
    if (is_13(connection) && record->head[0] != CONTENT_APPLICATION_DATA)
        return false;
    return (connection->key[index] && same_find(connection, index, count, record, len, clear, tried)) ||
           later_find(connection, index, count, record, clear, tried);
}
