/* SPDX-License-Identifier: BSD-2-Clause */
#include "keyless.h"

#include "base/memory.h"
#include "record.h"

/* Of one connection: a handshake, and the first commands of a client that does not wait for them. */
#define CONNECTION_MAX 65536
/* Of all of a worker. */
#define WAITING_MAX ((size_t)16 << 20)

struct chunk {
    struct chunk *next;
    struct place place;
    uint64_t gap; /* octets lost behind it */
    size_t begin, len;
    uint8_t side; /* enum smtpscope_side */
    uint8_t octets[];
};

struct keyless {
    struct keyless *next, **at;
    struct smtpscope_tls_connection *connection;
    struct chunk *first, **end;
    size_t octets; /* with the chunks themselves */
    smtpscope_time since;
};

static struct keyless *keyless_need(struct smtpscope_tls_connection *connection, smtpscope_time now)
{
    struct smtpscope_tls *tls = connection->tls;
    struct busy *busy = busy_need(connection);
    struct keyless *keyless = busy_of(connection)->keyless;

    if (keyless || !busy)
        return keyless;
    keyless = memory_new(tls->config.allocator, sizeof *keyless);
    if (!keyless)
        return NULL;
    keyless->connection = connection;
    keyless->end = &keyless->first;
    keyless->since = now;
    keyless->at = tls->keyless_end;
    *tls->keyless_end = keyless;
    tls->keyless_end = &keyless->next;
    return busy->keyless = keyless;
}

bool keyless_add(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets, uint64_t gap)
{
    struct smtpscope_tls *tls = connection->tls;
    size_t max = tls->config.max_waiting ? tls->config.max_waiting : WAITING_MAX, size = sizeof(struct chunk) + octets->len;
    struct keyless *keyless = keyless_need(connection, octets->time);
    struct chunk *chunk;

    if (!keyless || keyless->octets + size > CONNECTION_MAX || tls->keyless_octets + size > max)
        return false;
    chunk = memory_resize(tls->config.allocator, NULL, size);
    if (!chunk)
        return false;
    *chunk = (struct chunk){.place = {octets->offset, octets->acked, octets->packet, octets->time},
                            .gap = gap,
                            .len = octets->len,
                            .side = (uint8_t)octets->side};
    if (octets->len)
        memcpy(chunk->octets, octets->data, octets->len);
    *keyless->end = chunk;
    keyless->end = &chunk->next;
    keyless->octets += size;
    tls->keyless_octets += size;
    return true;
}

static void chunk_free(struct smtpscope_tls *tls, struct keyless *keyless)
{
    struct chunk *chunk = keyless->first;
    size_t size = sizeof *chunk + chunk->begin + chunk->len;

    keyless->first = chunk->next;
    if (!keyless->first)
        keyless->end = &keyless->first;
    keyless->octets -= size;
    tls->keyless_octets -= size;
    memory_free(tls->config.allocator, chunk);
}

void keyless_free(struct smtpscope_tls_connection *connection)
{
    struct smtpscope_tls *tls = connection->tls;
    struct keyless *keyless = busy_of(connection)->keyless;

    if (!keyless)
        return;
    while (keyless->first)
        chunk_free(tls, keyless);
    *keyless->at = keyless->next;
    if (keyless->next)
        keyless->next->at = keyless->at;
    else
        tls->keyless_end = keyless->at;
    memory_free(tls->config.allocator, keyless);
    connection->busy->keyless = NULL;
}

/* False: a key is missing still, and is waited for. */
static bool chunk_replay(struct smtpscope_tls_connection *connection, struct chunk *chunk)
{
    enum smtpscope_side side = (enum smtpscope_side)chunk->side;
    size_t used = records_take(connection, side, chunk->octets + chunk->begin, chunk->len, &chunk->place);

    chunk->begin += used;
    chunk->len -= used;
    chunk->place.offset += used;
    if (chunk->len)
        return false;
    if (chunk->gap)
        records_gap(connection, side, chunk->gap, &chunk->place);
    return true;
}

void keyless_replay(struct smtpscope_tls_connection *connection)
{
    struct keyless *keyless = connection->busy->keyless;

    while (keyless->first) {
        if (!chunk_replay(connection, keyless->first))
            return;
        chunk_free(connection->tls, keyless);
    }
    keyless_free(connection);
}

void keyless_clock_stepped(struct smtpscope_tls_connection *connection, smtpscope_time delta)
{
    if (busy_of(connection)->keyless)
        busy_of(connection)->keyless->since += delta;
}

void smtpscope_tls_expire(struct smtpscope_tls *tls, smtpscope_time now)
{
    uint64_t generation;
    struct keyless *next;

    if (!tls->keyless)
        return;
    generation = smtpscope_keys_generation(tls->config.keys);
    for (struct keyless *keyless = tls->keyless; keyless; keyless = next) {
        next = keyless->next;
        if (now - keyless->since >= tls->config.patience)
            keyless->connection->impatient = true;
        if (keyless->connection->impatient || generation != tls->generation)
            keyless_replay(keyless->connection);
    }
    tls->generation = generation;
}
