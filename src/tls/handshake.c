/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages of the handshake, RFC 8446 4:   type (1) | length (3) | body
 *
 * They are a stream of their own across records. Only the bodies that something follows from are kept, and read in hello.c.
 */
#include "handshake.h"

#include "base/memory.h"

#include "hello.h"

/* A certificate with its chain: more than any mail server shows, less than an attacker would like. */
#define BODY_MAX ((size_t)128 * 1024)

void handshake_free(struct smtpscope_tls_connection *connection)
{
    struct handshake *handshake = handshake_of(connection);
    const struct smtpscope_allocator *allocator = connection->tls->config.allocator;

    if (!handshake)
        return;
    gathered_free(connection->tls, &handshake->message[0].body);
    gathered_free(connection->tls, &handshake->message[1].body);
    for (struct early_record *record = handshake->early_first, *next; record; record = next) {
        next = record->next;
        memory_free(allocator, record);
    }
    memory_free(allocator, handshake);
    connection->busy->handshake = NULL;
    busy_settle(connection);
}

static bool side_is_settled(const struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    const struct side *side = &connection->side[index];

    return side->epoch == EPOCH_TRAFFIC && (connection->key[index] || side->blind) &&
           !handshake_of(connection)->message[index].head_len;
}

void handshake_settle(struct smtpscope_tls_connection *connection)
{
    const struct handshake *handshake = handshake_of(connection);

    if (!handshake || !connection->told || handshake->early_first)
        return;
    /* A renegotiation, RFC 5246 7.4.1: keys are in force, and those of these hellos are not yet. */
    if (handshake->hello[SMTPSCOPE_CLIENT] && !is_13(connection) && connection->open &&
        !(handshake->changed[SMTPSCOPE_CLIENT] && handshake->changed[SMTPSCOPE_SERVER]))
        return;
    if (side_is_settled(connection, SMTPSCOPE_CLIENT) && side_is_settled(connection, SMTPSCOPE_SERVER))
        handshake_free(connection);
}

void handshake_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side)
{
    struct message *message = handshake_of(connection) ? &handshake_of(connection)->message[side] : NULL;

    if (!message)
        return;
    gathered_free(connection->tls, &message->body);
    *message = (struct message){0};
}

static bool is_wanted(uint8_t type, size_t len)
{
    switch ((enum message_type)type) {
    case MESSAGE_CLIENT_HELLO:
    case MESSAGE_SERVER_HELLO:
    case MESSAGE_NEW_SESSION_TICKET:
    case MESSAGE_ENCRYPTED_EXTENSIONS:
    case MESSAGE_CERTIFICATE:
    case MESSAGE_KEY_UPDATE: return len <= BODY_MAX;
    case MESSAGE_HELLO_REQUEST:
    case MESSAGE_END_OF_EARLY_DATA:
    case MESSAGE_SERVER_KEY_EXCHANGE:
    case MESSAGE_CERTIFICATE_REQUEST:
    case MESSAGE_SERVER_HELLO_DONE:
    case MESSAGE_FINISHED: break;
    }
    return false;
}

static void message_end(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *body, size_t len,
                        const struct place *place)
{
    struct message *message = &handshake_of(connection)->message[index];
    struct gathered *gathered = message->body;
    uint8_t type = message->head[0];
    bool whole = message->wanted;

    *message = (struct message){0};
    message_read(connection, index, type, whole ? body : NULL, whole ? len : 0, place);
    gathered_free(connection->tls, &gathered);
}

static size_t message_head(struct message *message, const uint8_t *data, size_t len)
{
    size_t take = sizeof message->head - message->head_len;

    take = take < len ? take : len;
    memcpy(message->head + message->head_len, data, take);
    message->head_len += (uint8_t)take;
    if (message->head_len == sizeof message->head) {
        message->left = (uint32_t)(message->head[1] << 16 | message->head[2] << 8 | message->head[3]);
        message->wanted = is_wanted(message->head[0], message->left);
    }
    return take;
}

static size_t message_body(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *data,
                           size_t len, const struct place *place)
{
    struct message *message = &handshake_of(connection)->message[index];
    size_t take = message->left < len ? message->left : len;

    if (message->wanted && (message->body || take < message->left) &&
        !gathered_append(connection->tls, &message->body, data, take, BODY_MAX))
        message->wanted = false;
    message->left -= (uint32_t)take;
    if (!message->left && message->body)
        message_end(connection, index, message->body->octets, message->body->len, place);
    else if (!message->left)
        message_end(connection, index, data, take, place);
    return take;
}

void handshake_octets(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *data, size_t len,
                      const struct place *place)
{
    while (len && handshake_need(connection)) {
        struct message *message = &handshake_of(connection)->message[index];
        size_t used = message->head_len < sizeof message->head ? message_head(message, data, len) : 0;

        data += used;
        len -= used;
        if (message->head_len < sizeof message->head)
            return;
        used = message_body(connection, index, data, len, place);
        data += used;
        len -= used;
    }
}
