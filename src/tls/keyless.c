/* SPDX-License-Identifier: BSD-2-Clause */
#include "keyless.h"

#include "base/memory.h"

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
    struct keyless *waiting = connection->waiting;

    if (waiting)
        return waiting;
    waiting = memory_new(tls->config.allocator, sizeof *waiting);
    if (!waiting)
        return NULL;
    waiting->connection = connection;
    waiting->end = &waiting->first;
    waiting->since = now;
    waiting->at = tls->waiting_end;
    *tls->waiting_end = waiting;
    tls->waiting_end = &waiting->next;
    return connection->waiting = waiting;
}

bool keyless_add(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets, uint64_t gap)
{
    struct smtpscope_tls *tls = connection->tls;
    size_t max = tls->config.max_waiting ? tls->config.max_waiting : WAITING_MAX, size = sizeof(struct chunk) + octets->len;
    struct keyless *waiting = keyless_need(connection, octets->time);
    struct chunk *chunk;

    if (!waiting || waiting->octets + size > CONNECTION_MAX || tls->waiting_octets + size > max)
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
    *waiting->end = chunk;
    waiting->end = &chunk->next;
    waiting->octets += size;
    tls->waiting_octets += size;
    return true;
}

static void chunk_free(struct smtpscope_tls *tls, struct keyless *waiting)
{
    struct chunk *chunk = waiting->first;
    size_t size = sizeof *chunk + chunk->begin + chunk->len;

    waiting->first = chunk->next;
    if (!waiting->first)
        waiting->end = &waiting->first;
    waiting->octets -= size;
    tls->waiting_octets -= size;
    memory_free(tls->config.allocator, chunk);
}

void keyless_free(struct smtpscope_tls_connection *connection)
{
    struct smtpscope_tls *tls = connection->tls;
    struct keyless *waiting = connection->waiting;

    if (!waiting)
        return;
    while (waiting->first)
        chunk_free(tls, waiting);
    *waiting->at = waiting->next;
    if (waiting->next)
        waiting->next->at = waiting->at;
    else
        tls->waiting_end = waiting->at;
    memory_free(tls->config.allocator, waiting);
    connection->waiting = NULL;
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
    struct keyless *waiting = connection->waiting;

    while (waiting->first) {
        if (!chunk_replay(connection, waiting->first))
            return;
        chunk_free(connection->tls, waiting);
    }
    keyless_free(connection);
}

void smtpscope_tls_expire(struct smtpscope_tls *tls, smtpscope_time now)
{
    uint64_t generation;
    struct keyless *next;

    if (!tls->waiting)
        return;
    generation = smtpscope_keys_generation(tls->config.keys);
    for (struct keyless *waiting = tls->waiting; waiting; waiting = next) {
        next = waiting->next;
        if (now - waiting->since >= tls->config.patience)
            waiting->connection->impatient = true;
        if (waiting->connection->impatient || generation != tls->generation)
            keyless_replay(waiting->connection);
    }
    tls->generation = generation;
}
