/* SPDX-License-Identifier: BSD-2-Clause */
#include "hello.h"

#include "base/reader.h"
#include "key.h"
#include "outcome.h"

#include <string.h>

/* RFC 8446 4.2, RFC 7366, RFC 5077 */
enum extension {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    EXTENSION_ENCRYPT_THEN_MAC = 22,
    EXTENSION_SESSION_TICKET = 35,
    EXTENSION_PRE_SHARED_KEY = 41,
    EXTENSION_EARLY_DATA = 42,
    EXTENSION_SUPPORTED_VERSIONS = 43
};

/* RFC 8446 4.1.3: a ServerHello with this random asks for another ClientHello. */
static const uint8_t retry_random[SMTPSCOPE_RANDOM_LEN] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                                           0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                                           0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

/* A vector whose length stands before it in one or two octets. */
static bool vector_u8(struct reader *reader, struct reader *vector)
{
    size_t len = reader_u8(reader, 0);

    return reader_skip(reader, 1) && reader_part(reader, len, vector);
}

static bool vector_u16(struct reader *reader, struct reader *vector)
{
    size_t len = reader_be16(reader, 0);

    return reader_skip(reader, 2) && reader_part(reader, len, vector);
}

static bool extension_next(struct reader *extensions, uint16_t *type, struct reader *extension)
{
    *type = reader_be16(extensions, 0);
    return reader_skip(extensions, 2) && vector_u16(extensions, extension);
}

static struct smtpscope_text text_keep(char room[CRYPTO_NAME_MAX], const struct reader *octets)
{
    size_t len = reader_left(octets) < CRYPTO_NAME_MAX ? reader_left(octets) : CRYPTO_NAME_MAX;

    if (len)
        memcpy(room, octets->at, len);
    return (struct smtpscope_text){room, len};
}

/* RFC 6066 3 */
static void server_name_read(struct handshake *handshake, struct reader extension)
{
    struct reader list, name;

    if (!vector_u16(&extension, &list) || reader_u8(&list, 0) != 0 || !reader_skip(&list, 1) || !vector_u16(&list, &name))
        return;
    handshake->told.sni = text_keep(handshake->sni, &name);
}

/* RFC 7301 3.1: of the server, which names one. */
static void protocol_read(struct handshake *handshake, struct reader extension)
{
    struct reader list, name;

    if (vector_u16(&extension, &list) && vector_u8(&list, &name))
        handshake->told.alpn = text_keep(handshake->alpn, &name);
}

/* The highest version of a list, without those that only keep servers from being picky (RFC 8701). */
static uint16_t versions_highest(struct reader extension)
{
    struct reader list;
    uint16_t highest = 0;

    if (!vector_u8(&extension, &list))
        return 0;
    for (; reader_left(&list) >= 2; reader_skip(&list, 2)) {
        uint16_t version = reader_be16(&list, 0);

        if (version >= SSL_3 && version <= TLS_1_3 && version > highest)
            highest = version;
    }
    return highest;
}

static void client_extension(struct smtpscope_tls_connection *connection, uint16_t type, struct reader extension)
{
    struct handshake *handshake = handshake_of(connection);
    uint16_t highest;

    switch ((enum extension)type) {
    case EXTENSION_SERVER_NAME: server_name_read(handshake, extension); break;
    case EXTENSION_SESSION_TICKET:
        handshake->has_ticket = reader_left(&extension);
        if (connection->tls->config.keys)
            keys_name(connection->tls->config.keys, extension.at, reader_left(&extension), handshake->ticket);
        break;
    case EXTENSION_EARLY_DATA:
        if (handshake->early == EARLY_NONE)
            handshake->early = EARLY_UNDECIDED;
        break;
    case EXTENSION_SUPPORTED_VERSIONS:
        highest = versions_highest(extension);
        handshake->told.offered = highest ? highest : handshake->told.offered;
        break;
    case EXTENSION_ALPN:
    case EXTENSION_ENCRYPT_THEN_MAC:
    case EXTENSION_PRE_SHARED_KEY: break;
    }
}

/* RFC 8446 4.1.2 */
static void client_hello(struct smtpscope_tls_connection *connection, struct reader body, const struct place *place)
{
    struct handshake *handshake = handshake_of(connection);
    uint16_t type, version = reader_be16(&body, 0);
    struct reader random, id, suites, compressions, extensions = {0}, extension;

    if (!reader_skip(&body, 2) || !reader_part(&body, SMTPSCOPE_RANDOM_LEN, &random) || !vector_u8(&body, &id) ||
        reader_left(&id) > sizeof handshake->session_id || !vector_u16(&body, &suites) || !vector_u8(&body, &compressions))
        return;
    memcpy(handshake->random[SMTPSCOPE_CLIENT], random.at, SMTPSCOPE_RANDOM_LEN);
    handshake->session_id_len = (uint8_t)reader_left(&id);
    if (handshake->session_id_len)
        memcpy(handshake->session_id, id.at, handshake->session_id_len);
    handshake->told.offered = version;
    if (!handshake->told.begun) { /* else: again, as the server has asked (RFC 8446 4.1.4) */
        handshake->told.begun = true;
        handshake->told.time = place->time;
        handshake->told.packet = place->packet;
    }
    handshake->hello[SMTPSCOPE_CLIENT] = connection->named = true;
    if (vector_u16(&body, &extensions))
        while (extension_next(&extensions, &type, &extension))
            client_extension(connection, type, extension);
}

static void server_extension(struct handshake *handshake, uint16_t type, struct reader extension)
{
    switch ((enum extension)type) {
    case EXTENSION_ALPN: protocol_read(handshake, extension); break;
    case EXTENSION_ENCRYPT_THEN_MAC: handshake->encrypt_then_mac = true; break;
    case EXTENSION_PRE_SHARED_KEY: handshake->told.resumed = true; break;
    case EXTENSION_SUPPORTED_VERSIONS: handshake->version = reader_be16(&extension, 0); break;
    case EXTENSION_SERVER_NAME:
    case EXTENSION_SESSION_TICKET:
    case EXTENSION_EARLY_DATA: break;
    }
}

/* What was agreed on. In a renegotiation it comes into force with the ChangeCipherSpec. */
static void agreement_read(struct smtpscope_tls_connection *connection, const struct reader *id)
{
    struct handshake *handshake = handshake_of(connection);
    bool same_id = reader_left(id) && reader_left(id) == handshake->session_id_len &&
                   !memcmp(id->at, handshake->session_id, reader_left(id));
    struct smtpscope_keys *keys = connection->tls->config.keys;
    uint8_t name[SMTPSCOPE_RANDOM_LEN];

    if (handshake->version < TLS_1_3) {
        early_decide(handshake_of(connection), EARLY_REJECTED);
        handshake->resumed_by_id = same_id;
        handshake->told.resumed = same_id;
        if (!same_id && keys && handshake->hello[SMTPSCOPE_CLIENT] && reader_left(id)) {
            keys_name(keys, id->at, reader_left(id), name);
            keys_remember(keys, RESUMPTION_ID, name, handshake->random[SMTPSCOPE_CLIENT]);
        }
    }
    handshake->told.hidden = handshake->version >= TLS_1_3;
    handshake->told.version = handshake->version;
}

/* RFC 8446 4.1.3 */
static void server_hello(struct smtpscope_tls_connection *connection, struct reader body)
{
    struct handshake *handshake = handshake_of(connection);
    struct reader random, id, extensions, extension;
    uint16_t type, suite, version = reader_be16(&body, 0);

    if (!reader_skip(&body, 2) || !reader_part(&body, SMTPSCOPE_RANDOM_LEN, &random) || !vector_u8(&body, &id))
        return;
    suite = reader_be16(&body, 0);
    if (!reader_skip(&body, 2 + 1))
        return;
    handshake->version = version;
    handshake->encrypt_then_mac = false;
    handshake->suite = suite;
    handshake->told.cipher = suite;
    if (vector_u16(&body, &extensions))
        while (extension_next(&extensions, &type, &extension))
            server_extension(handshake, type, extension);
    if (connection->side[SMTPSCOPE_SERVER].epoch == EPOCH_CLEAR) {
        connection->version = handshake->version;
        connection->suite = handshake->suite;
    }
    if (!memcmp(random.at, retry_random, sizeof retry_random)) {
        early_decide(handshake_of(connection), EARLY_REJECTED);
        return;
    }
    memcpy(handshake->random[SMTPSCOPE_SERVER], random.at, SMTPSCOPE_RANDOM_LEN);
    handshake->hello[SMTPSCOPE_SERVER] = true;
    agreement_read(connection, &id);
}

/* RFC 8446 4.3.1 */
static void encrypted_extensions(struct smtpscope_tls_connection *connection, struct reader body)
{
    enum early early = EARLY_REJECTED;
    struct reader extensions, extension;
    uint16_t type;

    if (vector_u16(&body, &extensions))
        while (extension_next(&extensions, &type, &extension)) {
            if (type == EXTENSION_ALPN)
                protocol_read(handshake_of(connection), extension);
            else if (type == EXTENSION_EARLY_DATA)
                early = EARLY_ACCEPTED;
        }
    early_decide(handshake_of(connection), early);
}

/* The first of a list is the server's own: RFC 5246 7.4.2; in RFC 8446 4.4.2 a context stands before the list. */
static void certificate(struct smtpscope_tls_connection *connection, struct reader body)
{
    struct handshake *handshake = handshake_of(connection);
    struct reader context;
    size_t len;

    if (is_13(connection) && !vector_u8(&body, &context))
        return;
    reader_skip(&body, 3);
    len = (size_t)reader_u8(&body, 0) << 16 | reader_be16(&body, 1);
    reader_skip(&body, 3);
    if (len && len <= reader_left(&body) &&
        crypto_certificate(body.at, len, &handshake->told.sni, &handshake->names, &handshake->certificate)) {
        handshake->told.certificate = &handshake->certificate;
        handshake->told.hidden = false;
    }
}

/* RFC 5077 3.3: the next session may be resumed by it. In TLS 1.3 a ticket leads to no secret that a key log has. */
static void new_session_ticket(struct smtpscope_tls_connection *connection, struct reader body)
{
    struct handshake *handshake = handshake_of(connection);
    struct smtpscope_keys *keys = connection->tls->config.keys;
    struct reader ticket;
    uint8_t random[SMTPSCOPE_RANDOM_LEN], name[SMTPSCOPE_RANDOM_LEN];

    if (is_13(connection) || !keys || !handshake->hello[SMTPSCOPE_CLIENT] || !reader_skip(&body, 4) ||
        !vector_u16(&body, &ticket) || !reader_left(&ticket))
        return;
    if (!resumed_random(connection, random))
        memcpy(random, handshake->random[SMTPSCOPE_CLIENT], sizeof random);
    keys_name(keys, ticket.at, reader_left(&ticket), name);
    keys_remember(keys, RESUMPTION_TICKET, name, random);
}

static void finished(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct place *place)
{
    if (is_13(connection))
        connection->side[side].renewed = connection->side[side].epoch == EPOCH_HANDSHAKE;
    else
        handshake_of(connection)->told.resumed |= !handshake_of(connection)->full;
    outcome_finished(connection, side, place);
}

void message_read(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type, const uint8_t *body,
                  size_t len, const struct place *place)
{
    struct reader reader = reader_over(body, len);
    bool server = side == SMTPSCOPE_SERVER;

    switch ((enum message_type)type) {
    case MESSAGE_CLIENT_HELLO:
        if (!server)
            client_hello(connection, reader, place);
        break;
    case MESSAGE_SERVER_HELLO:
        if (server)
            server_hello(connection, reader);
        break;
    case MESSAGE_ENCRYPTED_EXTENSIONS:
        if (server)
            encrypted_extensions(connection, reader);
        break;
    case MESSAGE_SERVER_KEY_EXCHANGE:
    case MESSAGE_SERVER_HELLO_DONE: handshake_of(connection)->full = true; break;
    case MESSAGE_CERTIFICATE:
        handshake_of(connection)->full = true;
        if (server)
            certificate(connection, reader);
        break;
    case MESSAGE_NEW_SESSION_TICKET:
        if (server)
            new_session_ticket(connection, reader);
        break;
    case MESSAGE_CERTIFICATE_REQUEST: handshake_of(connection)->told.certificate_asked = true; break;
    case MESSAGE_END_OF_EARLY_DATA: connection->side[side].renewed = connection->side[side].epoch == EPOCH_EARLY; break;
    case MESSAGE_FINISHED: finished(connection, side, place); break;
    case MESSAGE_KEY_UPDATE:
        connection->side[side].renewed =
            is_13(connection) && connection->side[side].epoch == EPOCH_TRAFFIC && connection->key[side];
        break;
    case MESSAGE_HELLO_REQUEST: break;
    }
}
