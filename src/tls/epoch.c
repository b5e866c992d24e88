/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which key a record has, and what its content does.
 *
 *   TLS 1.3 (RFC 8446 7.1, appendix A):    clear -> [early] -> handshake -> traffic -> traffic behind each KeyUpdate
 *   up to TLS 1.2 (RFC 5246 7.1):          clear -> traffic behind each ChangeCipherSpec
 */
#include "epoch.h"

#include "base/memory.h"
#include "clear.h"
#include "inference.h"
#include "key.h"
#include "outcome.h"

/* Records in a row that do not open although the key is right, before the side is given up: a capture may be damaged. */
#define FAILED_MAX 16
/* Records of the handshake that are passed by while the key of the traffic is tried on them. */
#define TRIALS_MAX 64

static void early_release(struct smtpscope_tls_connection *connection);

/* --- which key */

/* The server's handshake cannot be read: whether it takes early data, the client's records show. */
static void answer_unseen(struct smtpscope_tls_connection *connection, enum smtpscope_side side)
{
    if (side != SMTPSCOPE_SERVER)
        return;
    early_decide(handshake_of(connection), EARLY_MAYBE);
    early_release(connection);
}

/* Nobody has the key, and nobody waits for it. */
static enum readiness key_missing(struct smtpscope_tls_connection *connection, enum smtpscope_side index, enum found found)
{
    if (found == MISSING && !connection->impatient && connection->named && connection->tls->config.patience)
        return READY_WAIT;
    connection->side[index].blind = true;
    connection->no_keys |= found == MISSING;
    answer_unseen(connection, index);
    return READY_PASS;
}

/* The side's key, where it has none yet. */
static enum readiness key_find(struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    struct side *side = &connection->side[index];
    enum found found;
    struct protection *key = key_make(connection, index, (enum epoch)side->epoch, &found);

    if (key) {
        key_set(connection, index, key, (enum epoch)side->epoch);
        return READY_READ;
    }
    if (found == MISSING && side->epoch == EPOCH_HANDSHAKE)
        key = key_make(connection, index, EPOCH_TRAFFIC, &found);
    if (!key)
        return key_missing(connection, index, found);
    key_set(connection, index, key, EPOCH_HANDSHAKE);
    side->trial = true;
    answer_unseen(connection, index);
    return READY_READ;
}

/* Must a record of this type be opened? Those of TLS 1.3 say so by their type, and so do alerts that are sent too early. */
static bool is_sealed(const struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type)
{
    return connection->side[side].epoch != EPOCH_CLEAR && (!is_13(connection) || type == CONTENT_APPLICATION_DATA);
}

/* A record of the client that the server may take for early data, and has not said so. */
static bool is_early(const struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type)
{
    const struct handshake *handshake = handshake_of(connection);

    return side == SMTPSCOPE_CLIENT && type == CONTENT_APPLICATION_DATA && handshake && handshake->early == EARLY_UNDECIDED;
}

enum readiness record_readiness(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint8_t type)
{
    struct side *side = &connection->side[index];

    if (is_early(connection, index, type))
        return READY_READ;
    if (side->epoch == EPOCH_CLEAR && type == CONTENT_APPLICATION_DATA) {
        side->epoch = is_13(connection) ? EPOCH_HANDSHAKE : EPOCH_TRAFFIC;
        side->blind = !is_13(connection); /* the ChangeCipherSpec was lost, or the hellos */
        connection->no_keys |= side->blind && connection->tls->config.keys;
    }
    if (!is_sealed(connection, index, type))
        return type == CONTENT_CHANGE_CIPHER_SPEC && is_13(connection) ? READY_PASS : READY_READ;
    if (side->blind)
        return READY_PASS;
    return connection->key[index] ? READY_READ : key_find(connection, index);
}

/* --- what a content does */

/* The key that was used up to this record is no longer the side's. */
static void side_renew(struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    struct side *side = &connection->side[index];
    struct protection *next;

    side->renewed = false;
    switch ((enum epoch)side->epoch) {
    case EPOCH_CLEAR: break;
    case EPOCH_EARLY: key_set(connection, index, NULL, EPOCH_HANDSHAKE); break;
    case EPOCH_HANDSHAKE: key_set(connection, index, NULL, EPOCH_TRAFFIC); break;
    case EPOCH_TRAFFIC:
        next = connection->key[index] ? protection_next(&connection->tls->protections, connection->key[index]) : NULL;
        key_set(connection, index, next, EPOCH_TRAFFIC);
        side->blind = !next;
        break;
    }
}

/* ChangeCipherSpec, up to TLS 1.2: what follows has the key of the hellos seen last. */
static void cipher_changed(struct smtpscope_tls_connection *connection, enum smtpscope_side side)
{
    const struct handshake *handshake = handshake_of(connection);

    if (is_13(connection) || (!connection->version && handshake && handshake->early != EARLY_NONE))
        return;
    if (handshake && handshake->hello[SMTPSCOPE_SERVER]) {
        connection->suite = handshake->suite;
        connection->version = handshake->version;
    }
    key_set(connection, side, NULL, EPOCH_TRAFFIC);
}

static void record_count(struct side *side)
{
    if (side->records < UINT8_MAX)
        side->records++;
}

static void content_read(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct content *content,
                         bool sealed, const struct place *place)
{
    struct side *side = &connection->side[index];

    switch (content->type) {
    case CONTENT_CHANGE_CIPHER_SPEC: cipher_changed(connection, index); break;
    case CONTENT_ALERT: outcome_alert(connection, index, content->at, content->len, sealed, place); break;
    case CONTENT_HANDSHAKE:
        handshake_octets(connection, index, content->at, content->len, place);
        early_release(connection);
        break;
    case CONTENT_APPLICATION_DATA:
        if (!sealed || side->epoch == EPOCH_HANDSHAKE)
            break;
        record_count(side);
        clear_tell(connection, index, content, place);
        break;
    default: break;
    }
    if (content->type != CONTENT_ALERT && sealed)
        outcome_content(connection, index, place);
    if (side->renewed)
        side_renew(connection, index);
    handshake_settle(connection);
}

/* --- records that do not open */

void record_lost(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t head[RECORD_HEAD],
                 const struct place *place)
{
    handshake_gap(connection, side);
    if (!connection->key[side])
        return;
    connection->key[side]->sequence++;
    protection_chain(connection->key[side], NULL, 0);
    clear_gap(connection, side, clear_len(connection, side, head_fragment(head)), place);
}

static void wrong_key(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct place *place)
{
    struct side *side = &connection->side[index];

    key_set(connection, index, NULL, (enum epoch)side->epoch);
    side->blind = true;
    if (!connection->wrong_keys && busy_need(connection)) {
        connection->busy->wrong = true;
        connection->busy->wrong_packet = place->packet;
        connection->busy->wrong_time = place->time;
    }
    connection->wrong_keys = true;
    answer_unseen(connection, index);
}

/* Early data that was not accepted, or is none: what follows has the handshake's key. False: it does not open either. */
static bool early_failed(struct smtpscope_tls_connection *connection, const struct tls_record *record)
{
    struct content content;

    key_set(connection, SMTPSCOPE_CLIENT, NULL, EPOCH_HANDSHAKE);
    return key_find(connection, SMTPSCOPE_CLIENT) == READY_READ && connection->key[SMTPSCOPE_CLIENT] &&
           protection_open(&connection->tls->protections, connection->key[SMTPSCOPE_CLIENT], 0, record, &content);
}

/* Records that are not the side's key's: of the handshake, while that of the traffic is tried; early data that was refused. */
static bool may_fail(const struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    const struct side *side = &connection->side[index];
    const struct handshake *handshake = handshake_of(connection);
    bool early = index == SMTPSCOPE_CLIENT && handshake && handshake->early >= EARLY_MAYBE;

    return side->trial || (early && side->epoch == EPOCH_HANDSHAKE && !side->proved);
}

/* True: it opens all the same, with a later number or key. */
static bool record_failed(struct smtpscope_tls_connection *connection, enum smtpscope_side index,
                          const struct tls_record *record, const struct place *place)
{
    struct side *side = &connection->side[index];
    uint64_t clear, tried = 0;

    if (side->epoch == EPOCH_EARLY && !side->proved)
        return early_failed(connection, record);
    side->failed++;
    if (may_fail(connection, index)) {
        if (side->failed > TRIALS_MAX)
            wrong_key(connection, index, place);
        return false;
    }
    if (!side->proved || side->failed > FAILED_MAX) {
        wrong_key(connection, index, place);
        return false;
    }
    if (record_find(connection, index, record, 0, &clear, &tried)) {
        clear_gap(connection, index, 1, place);
        return true;
    }
    record_lost(connection, index, record->head, place);
    return false;
}

static bool side_open(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct tls_record *record,
                      struct content *content)
{
    const struct protection *key = connection->key[side];

    return key && protection_open(&connection->tls->protections, key, key->sequence, record, content);
}

/* False: it stays shut. */
static bool record_open(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct tls_record *record,
                        const struct place *place, struct content *content)
{
    struct side *side = &connection->side[index];
    bool right = side_open(connection, index, record, content) ||
                 (record_failed(connection, index, record, place) && side_open(connection, index, record, content));

    if (connection->key[index])
        protection_chain(connection->key[index], record->at, record->len);
    if (!right)
        return false;
    connection->key[index]->sequence++;
    side->proved = true;
    side->failed = 0;
    if (side->trial) {
        side->trial = false;
        side->epoch = EPOCH_TRAFFIC;
        outcome_finished(connection, index, place);
    }
    return true;
}

/* --- early data, RFC 8446 4.2.10 */

static void early_keep(struct smtpscope_tls_connection *connection, const struct tls_record *record, const struct place *place)
{
    struct handshake *handshake = handshake_of(connection);
    size_t len = RECORD_HEAD + record->len;
    struct early_record *early = handshake->early_octets + len > EARLY_OCTETS_MAX
                                     ? NULL
                                     : memory_resize(connection->tls->config.allocator, NULL, sizeof *early + len);

    if (!early) {
        early_decide(handshake, EARLY_REJECTED);
        early_release(connection);
        return;
    }
    early->next = NULL;
    early->place = *place;
    early->len = len;
    memcpy(early->octets, record->head, RECORD_HEAD);
    memcpy(early->octets + RECORD_HEAD, record->at, record->len);
    handshake->early_octets += len;
    *handshake->early_end = early;
    handshake->early_end = &early->next;
}

/* What became of early data is known: the records that waited for it are read, or dropped. */
static void early_release(struct smtpscope_tls_connection *connection)
{
    struct handshake *handshake = handshake_of(connection);
    struct early_record *record = handshake && handshake->early != EARLY_UNDECIDED ? handshake->early_first : NULL, *next;
    struct protection *key = NULL;
    enum found found;

    if (!record)
        return;
    handshake->early_first = NULL;
    if (handshake->early != EARLY_REJECTED)
        key = key_make(connection, SMTPSCOPE_CLIENT, EPOCH_EARLY, &found);
    if (key)
        key_set(connection, SMTPSCOPE_CLIENT, key, EPOCH_EARLY);
    for (; record; record = next) {
        next = record->next;
        if (key)
            record_read(connection, SMTPSCOPE_CLIENT,
                        &(struct tls_record){record->octets, record->octets + RECORD_HEAD, record->len - RECORD_HEAD},
                        &record->place);
        memory_free(connection->tls->config.allocator, record);
    }
}

/* --- records */

void record_read(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct tls_record *record,
                 const struct place *place)
{
    struct content content = {record->head[0], record->at, record->len};
    bool sealed = is_sealed(connection, side, record->head[0]);

    if (is_early(connection, side, record->head[0]))
        early_keep(connection, record, place);
    else if (!sealed || record_open(connection, side, record, place, &content))
        content_read(connection, side, &content, sealed, place);
    else if (connection->side[side].blind)
        record_passed(connection, side, record->head, place);
    else
        outcome_passed(connection, side, record->head[0], record->len, place);
}

void record_passed(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t head[RECORD_HEAD],
                   const struct place *place)
{
    struct side *side = &connection->side[index];

    if (is_13(connection) && head[0] == CONTENT_CHANGE_CIPHER_SPEC)
        return;
    if (side->epoch == EPOCH_TRAFFIC && head[0] == CONTENT_APPLICATION_DATA) {
        record_count(side);
        inference_record(connection, index, clear_len(connection, index, head_fragment(head)), place);
        clear_gap(connection, index, clear_len(connection, index, head_fragment(head)), place);
    }
    outcome_passed(connection, index, head[0], head_fragment(head), place);
    handshake_settle(connection);
}
