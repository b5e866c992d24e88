/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which key a record has, and what its content does.
 *
 *   TLS 1.3 (RFC 8446 7.1, appendix A):    clear -> [early] -> handshake -> traffic -> traffic behind each KeyUpdate
 *   up to TLS 1.2 (RFC 5246 7.1):          clear -> traffic behind each ChangeCipherSpec
 *
 * A key is looked for when the first record needs it: key logs are written while the handshake goes on.
 */
#include "connection.h"

#include "base/memory.h"

/* Records in a row that do not open although the key is right, before the side is given up: a capture may be damaged. */
#define FAILED_MAX 16
/* Records of the handshake that are passed by while the key of the traffic is tried on them. */
#define TRIALS_MAX 64
/* Numbers ahead that are tried behind a gap, and one more for so many octets lost. */
#define AHEAD 64
#define AHEAD_OCTETS 256
#define AHEAD_MAX 1024

static const enum smtpscope_secret_kind secret_kinds[][2] = {
    [EPOCH_EARLY] = {SMTPSCOPE_SECRET_CLIENT_EARLY, SMTPSCOPE_SECRET_CLIENT_EARLY},
    [EPOCH_HANDSHAKE] = {SMTPSCOPE_SECRET_CLIENT_HANDSHAKE, SMTPSCOPE_SECRET_SERVER_HANDSHAKE},
    [EPOCH_TRAFFIC] = {SMTPSCOPE_SECRET_CLIENT_TRAFFIC, SMTPSCOPE_SECRET_SERVER_TRAFFIC},
};

/* --- what is told of clear octets */

static void mark_add(struct side *side, uint64_t raw)
{
    struct mark mark = {(uint32_t)raw, (uint32_t)side->clear};

    if (side->mark_count == MARKS)
        memmove(side->marks, side->marks + 1, sizeof side->marks - sizeof *side->marks);
    else
        side->mark_count++;
    side->marks[side->mark_count - 1] = mark;
}

/* The clear octets of a side among those that the other had acknowledged. Of what is long past, too many. */
static uint64_t clear_acked(const struct side *side, uint64_t acked)
{
    uint32_t clear = (uint32_t)side->clear;

    for (size_t i = side->mark_count; i > 0; i--) {
        clear = side->marks[i - 1].clear;
        if ((int32_t)((uint32_t)acked - side->marks[i - 1].raw) >= 0)
            break;
    }
    return side->clear - ((uint32_t)side->clear - clear);
}

uint64_t clear_len(const struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t fragment)
{
    const struct protection *protection = connection->side[index].protection;
    size_t overhead = protection ? suite_overhead(protection->suite, protection->version)
                                 : suite_overhead(connection->suite, connection->version);

    return fragment > overhead ? fragment - overhead : 0;
}

static void gap_tell(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t len,
                     const struct place *place)
{
    struct side *side = &connection->side[index];
    const struct smtpscope_tls_config *config = &connection->tls->config;

    config->events->gap(config->ctx, connection->user,
                        &(struct smtpscope_gap){
                            .side = index, .offset = side->clear, .len = len, .time = place->time, .packet = place->packet});
    side->clear += len;
    mark_add(side, place->offset);
}

uint64_t clear_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t len,
                   const struct place *place)
{
    struct side *side = &connection->side[index];

    if (!len || side->epoch == EPOCH_CLEAR || side->epoch == EPOCH_HANDSHAKE)
        return 0;
    connection->lost = true;
    if (connection->decrypted)
        gap_tell(connection, index, len, place);
    else
        side->unseen += len < UINT32_MAX - side->unseen ? (uint32_t)len : 0;
    return len;
}

/* The first octets that open: what was passed by before them is lost to the session. */
static void decrypted_tell(struct smtpscope_tls_connection *connection, const struct place *place)
{
    const struct smtpscope_tls_config *config = &connection->tls->config;

    if (connection->decrypted)
        return;
    connection->decrypted = true;
    config->events->decrypted(config->ctx, connection->user);
    for (enum smtpscope_side index = SMTPSCOPE_CLIENT; index <= SMTPSCOPE_SERVER; index++)
        if (connection->side[index].unseen)
            gap_tell(connection, index, connection->side[index].unseen, place);
}

static void record_count(struct side *side)
{
    if (side->records < UINT8_MAX)
        side->records++;
}

static void application_tell(struct smtpscope_tls_connection *connection, enum smtpscope_side index,
                             const struct content *content, const struct place *place)
{
    const struct smtpscope_tls_config *config = &connection->tls->config;
    struct side *side = &connection->side[index];
    struct smtpscope_octets octets = {.side = index, .data = content->at, .len = content->len, .offset = side->clear};

    record_count(side);
    if (!content->len)
        return;
    decrypted_tell(connection, place);
    octets.offset = side->clear;
    octets.acked = clear_acked(&connection->side[!index], place->acked);
    octets.time = place->time;
    octets.packet = place->packet;
    side->clear += content->len;
    mark_add(side, place->offset);
    config->events->octets(config->ctx, connection->user, &octets);
}

/* --- keys */

enum found { FOUND, MISSING, NEVER };

static bool secret_find(const struct smtpscope_tls_connection *connection, enum smtpscope_secret_kind kind,
                        struct smtpscope_secret *secret)
{
    return smtpscope_keys_find(connection->tls->config.keys, kind, connection->handshake->random[SMTPSCOPE_CLIENT], secret);
}

bool resumed_random(const struct smtpscope_tls_connection *connection, uint8_t random[SMTPSCOPE_RANDOM_LEN])
{
    const struct smtpscope_keys *keys = connection->tls->config.keys;
    const struct handshake *handshake = connection->handshake;
    uint8_t name[SMTPSCOPE_RANDOM_LEN];

    if (handshake->full)
        return false;
    if (handshake->has_ticket && keys_recall(keys, RESUMPTION_TICKET, handshake->ticket, random))
        return true;
    keys_name(keys, handshake->session_id, handshake->session_id_len, name);
    return handshake->resumed_by_id && keys_recall(keys, RESUMPTION_ID, name, random);
}

static bool master_find(const struct smtpscope_tls_connection *connection, struct smtpscope_secret *secret)
{
    uint8_t random[SMTPSCOPE_RANDOM_LEN];

    return secret_find(connection, SMTPSCOPE_SECRET_MASTER, secret) ||
           (resumed_random(connection, random) &&
            smtpscope_keys_find(connection->tls->config.keys, SMTPSCOPE_SECRET_MASTER, random, secret));
}

static struct protection *master_protection(struct smtpscope_tls_connection *connection, enum smtpscope_side index,
                                            const struct smtpscope_secret *secret)
{
    const struct handshake *handshake = connection->handshake;

    return protection_of_master(
        &connection->tls->protections, connection->suite, connection->version, handshake->encrypt_then_mac, secret,
        &(struct connection_randoms){{handshake->random[SMTPSCOPE_CLIENT], handshake->random[SMTPSCOPE_SERVER]}}, index);
}

/* The key of that epoch. NULL: `found` says why. */
static struct protection *key_make(struct smtpscope_tls_connection *connection, enum smtpscope_side index, enum epoch epoch,
                                   enum found *found)
{
    const struct handshake *handshake = connection->handshake;
    bool master = connection->version < TLS_1_3;
    struct protection *protection = NULL;
    struct smtpscope_secret secret;

    *found = NEVER;
    if (!connection->tls->config.keys || !connection->suite || !handshake || connection->version < TLS_1_0)
        return NULL;
    *found = MISSING;
    if (!handshake->hello[SMTPSCOPE_CLIENT] || (master && !handshake->hello[SMTPSCOPE_SERVER]))
        return NULL;
    if (master ? !master_find(connection, &secret) : !secret_find(connection, secret_kinds[epoch][index], &secret))
        return NULL;
    protection = master ? master_protection(connection, index, &secret)
                        : protection_of_secret(&connection->tls->protections, connection->suite, &secret);
    memory_wipe(&secret, sizeof secret);
    *found = protection ? FOUND : NEVER;
    return protection;
}

static void key_set(struct smtpscope_tls_connection *connection, enum smtpscope_side index, struct protection *protection,
                    enum epoch epoch)
{
    struct side *side = &connection->side[index];

    protection_free(&connection->tls->protections, side->protection);
    side->protection = protection;
    side->epoch = (unsigned)epoch & 3u;
    side->proved = side->trial = false;
    side->failed = 0;
    if (connection->handshake && epoch == EPOCH_TRAFFIC)
        connection->handshake->changed[index] = true;
}

/* Nobody has the key, and nobody waits for it. */
static enum readiness key_missing(struct smtpscope_tls_connection *connection, enum smtpscope_side index, enum found found)
{
    if (found == MISSING && !connection->impatient && connection->named && connection->tls->config.patience)
        return READY_WAIT;
    connection->side[index].blind = true;
    connection->no_keys |= found == MISSING;
    if (index == SMTPSCOPE_SERVER)
        early_decide(connection, EARLY_MAYBE);
    return READY_PASS;
}

/* The side's key, where it has none yet. */
static enum readiness key_find(struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    struct side *side = &connection->side[index];
    enum found found;
    struct protection *protection = key_make(connection, index, (enum epoch)side->epoch, &found), *next;

    if (protection) {
        key_set(connection, index, protection, (enum epoch)side->epoch);
        return READY_CLEAR;
    }
    if (found == MISSING && side->epoch == EPOCH_HANDSHAKE && (next = key_make(connection, index, EPOCH_TRAFFIC, &found))) {
        key_set(connection, index, next, EPOCH_HANDSHAKE);
        side->trial = true;
        if (index == SMTPSCOPE_SERVER)
            early_decide(connection, EARLY_MAYBE);
        return READY_CLEAR;
    }
    return key_missing(connection, index, found);
}

static bool is_13(const struct smtpscope_tls_connection *connection)
{
    return connection->version >= TLS_1_3;
}

/* Must a record of this type be opened? Those of TLS 1.3 say so by their type, and so do alerts that are sent too early. */
static bool is_sealed(const struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint8_t type)
{
    return connection->side[index].epoch != EPOCH_CLEAR && (!is_13(connection) || type == CONTENT_APPLICATION_DATA);
}

/* A record of the client that the server may take for early data, and has not said so. */
static bool is_early(const struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint8_t type)
{
    return index == SMTPSCOPE_CLIENT && type == CONTENT_APPLICATION_DATA && connection->handshake &&
           connection->handshake->early == EARLY_UNDECIDED;
}

enum readiness record_readiness(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint8_t type)
{
    struct side *side = &connection->side[index];

    if (is_early(connection, index, type))
        return READY_CLEAR;
    if (side->epoch == EPOCH_CLEAR && type == CONTENT_APPLICATION_DATA) {
        side->epoch = is_13(connection) ? EPOCH_HANDSHAKE : EPOCH_TRAFFIC;
        side->blind = !is_13(connection); /* the ChangeCipherSpec was lost, or the hellos */
        connection->no_keys |= side->blind && connection->tls->config.keys;
    }
    if (!is_sealed(connection, index, type))
        return type == CONTENT_CHANGE_CIPHER_SPEC && is_13(connection) ? READY_PASS : READY_CLEAR;
    if (side->blind)
        return READY_PASS;
    return side->protection ? READY_CLEAR : key_find(connection, index);
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
        next = protection_next(&connection->tls->protections, side->protection);
        key_set(connection, index, next, EPOCH_TRAFFIC);
        side->blind = !next;
        break;
    }
}

/* ChangeCipherSpec, up to TLS 1.2: what follows has the key of the hellos seen last. */
static void cipher_changed(struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    const struct handshake *handshake = connection->handshake;

    if (is_13(connection) || (!connection->version && handshake && handshake->early != EARLY_NONE))
        return;
    if (handshake && handshake->hello[SMTPSCOPE_SERVER]) {
        connection->suite = handshake->suite;
        connection->version = handshake->version;
    }
    key_set(connection, index, NULL, EPOCH_TRAFFIC);
}

static void content_read(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct content *content,
                         bool sealed, const struct place *place)
{
    struct side *side = &connection->side[index];

    switch (content->type) {
    case CONTENT_CHANGE_CIPHER_SPEC: cipher_changed(connection, index); break;
    case CONTENT_ALERT: outcome_alert(connection, index, content->at, content->len, sealed, place); break;
    case CONTENT_HANDSHAKE: handshake_octets(connection, index, content->at, content->len, place); break;
    case CONTENT_APPLICATION_DATA:
        if (sealed && (side->epoch == EPOCH_TRAFFIC || side->epoch == EPOCH_EARLY))
            application_tell(connection, index, content, place);
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

static bool open_as(struct smtpscope_tls_connection *connection, const struct protection *protection, uint64_t sequence,
                    const struct tls_record *record, uint64_t *tried)
{
    struct content content;

    *tried += record->len;
    return protection_open(&connection->tls->protections, protection, sequence, record, &content);
}

/* The number under which the record opens, of `count` from `first` on; UINT64_MAX: none of them. */
static uint64_t number_find(struct smtpscope_tls_connection *connection, const struct protection *protection, uint64_t first,
                            uint64_t count, const struct tls_record *record, uint64_t *tried)
{
    for (uint64_t number = first; number < first + count; number++)
        if (open_as(connection, protection, number, record, tried))
            return number;
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
        bool next = epoch == (enum epoch)side->epoch && side->protection;
        enum found found;
        struct protection *protection = !next               ? key_make(connection, index, epoch, &found)
                                        : is_13(connection) ? protection_next(&connection->tls->protections, side->protection)
                                                            : NULL;
        uint64_t number = protection ? number_find(connection, protection, 0, count, record, tried) : UINT64_MAX;

        if (number != UINT64_MAX) {
            if (!next && !number)
                *clear = 0;
            key_set(connection, index, protection, epoch);
            side->protection->sequence = number;
            return true;
        }
        protection_free(&connection->tls->protections, protection);
    }
    return false;
}

bool record_find(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct tls_record *record,
                 uint64_t len, uint64_t *clear, uint64_t *tried)
{
    struct side *side = &connection->side[index];
    uint64_t count = AHEAD + len / AHEAD_OCTETS, number, before;

    count = count < AHEAD_MAX ? count : AHEAD_MAX;
    *clear = clear_len(connection, index, len);
    if (is_13(connection) && record->head[0] != CONTENT_APPLICATION_DATA)
        return false;
    if (side->protection) {
        before = side->protection->sequence;
        number = number_find(connection, side->protection, before, count, record, tried);
        if (number != UINT64_MAX) {
            uint64_t around = (number - before) * (RECORD_HEAD + suite_overhead(side->protection->suite, connection->version));

            *clear = len > around ? len - around : 0;
            side->protection->sequence = number;
            return true;
        }
    }
    return later_find(connection, index, count, record, clear, tried);
}

void record_lost(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t head[RECORD_HEAD],
                 const struct place *place)
{
    struct side *side = &connection->side[index];

    handshake_gap(connection, index);
    if (!side->protection)
        return;
    side->protection->sequence++;
    protection_chain(side->protection, NULL, 0);
    clear_gap(connection, index, clear_len(connection, index, head_fragment(head)), place);
}

static void wrong_key(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct place *place)
{
    struct side *side = &connection->side[index];

    key_set(connection, index, NULL, (enum epoch)side->epoch);
    side->blind = true;
    if (!connection->wrong_keys) {
        connection->wrong_packet = place->packet;
        connection->wrong_time = place->time;
    }
    connection->wrong_keys = true;
    if (index == SMTPSCOPE_SERVER)
        early_decide(connection, EARLY_MAYBE);
}

/* True: it has opened all the same, with a later number or key. */
static bool record_failed(struct smtpscope_tls_connection *connection, enum smtpscope_side index,
                          const struct tls_record *record, const struct place *place)
{
    struct side *side = &connection->side[index];
    bool early = index == SMTPSCOPE_CLIENT && connection->handshake && connection->handshake->early >= EARLY_MAYBE;
    uint64_t clear, tried = 0;

    side->failed++;
    if (side->epoch == EPOCH_EARLY && !side->proved) { /* it was not accepted, or there was none */
        key_set(connection, index, NULL, EPOCH_HANDSHAKE);
        if (key_find(connection, index) != READY_CLEAR)
            return false;
        return open_as(connection, side->protection, 0, record, &tried);
    }
    if (side->trial || (early && side->epoch == EPOCH_HANDSHAKE && !side->proved)) { /* of the handshake; RFC 8446 4.2.10 */
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

/* False: it stays shut. */
static bool record_open(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct tls_record *record,
                        const struct place *place, struct content *content)
{
    struct protections *protections = &connection->tls->protections;
    struct side *side = &connection->side[index];
    bool right = protection_open(protections, side->protection, side->protection->sequence, record, content);

    if (!right && record_failed(connection, index, record, place))
        right = protection_open(protections, side->protection, side->protection->sequence, record, content);
    if (side->protection)
        protection_chain(side->protection, record->at, record->len);
    if (!right)
        return false;
    side->protection->sequence++;
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
    struct handshake *handshake = connection->handshake;
    size_t len = RECORD_HEAD + record->len;
    struct early_record *early = handshake->early_octets + len > EARLY_OCTETS_MAX
                                     ? NULL
                                     : memory_resize(connection->tls->config.allocator, NULL, sizeof *early + len);

    if (!early) {
        early_decide(connection, EARLY_REJECTED);
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

void early_decide(struct smtpscope_tls_connection *connection, enum early early)
{
    struct handshake *handshake = connection->handshake;
    struct early_record *record, *next;
    struct protection *protection = NULL;
    enum found found;

    if (!handshake || handshake->early != EARLY_UNDECIDED)
        return;
    handshake->early = (uint8_t)early;
    if (early != EARLY_REJECTED)
        protection = key_make(connection, SMTPSCOPE_CLIENT, EPOCH_EARLY, &found);
    if (protection)
        key_set(connection, SMTPSCOPE_CLIENT, protection, EPOCH_EARLY);
    record = handshake->early_first;
    handshake->early_first = NULL;
    for (; record; record = next) {
        next = record->next;
        if (protection)
            record_read(connection, SMTPSCOPE_CLIENT,
                        &(struct tls_record){record->octets, record->octets + RECORD_HEAD, record->len - RECORD_HEAD},
                        &record->place);
        memory_free(connection->tls->config.allocator, record);
    }
}

void record_read(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct tls_record *record,
                 const struct place *place)
{
    struct content content = {record->head[0], record->at, record->len};
    bool sealed = is_sealed(connection, index, record->head[0]);

    if (is_early(connection, index, record->head[0]))
        early_keep(connection, record, place);
    else if (!sealed || (connection->side[index].protection && record_open(connection, index, record, place, &content)))
        content_read(connection, index, &content, sealed, place);
    else if (connection->side[index].blind)
        record_passed(connection, index, record->head, place);
    else
        outcome_passed(connection, index, record->head[0], record->len, place);
}

void record_passed(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t head[RECORD_HEAD],
                   const struct place *place)
{
    struct side *side = &connection->side[index];

    if (is_13(connection) && head[0] == CONTENT_CHANGE_CIPHER_SPEC)
        return;
    if (side->epoch == EPOCH_TRAFFIC && head[0] == CONTENT_APPLICATION_DATA) {
        record_count(side);
        clear_gap(connection, index, clear_len(connection, index, head_fragment(head)), place);
    }
    outcome_passed(connection, index, head[0], head_fragment(head), place);
    handshake_settle(connection);
}
