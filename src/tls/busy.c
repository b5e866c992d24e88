/* SPDX-License-Identifier: BSD-2-Clause */
/* What a connection keeps only while something is going on; and the only copies that the stage makes. */
#include "connection.h"

#include "base/memory.h"
#include "handshake.h"

/* All connections of a worker together: whoever begins thousands of records and sends no more of them. */
#define GATHERED_MAX ((size_t)64 << 20)
#define GATHERED_FIRST 256

const struct busy busy_none;

struct busy *busy_need(struct smtpscope_tls_connection *connection)
{
    if (!connection->busy)
        connection->busy = memory_new(connection->tls->config.allocator, sizeof *connection->busy);
    return connection->busy;
}

struct handshake *handshake_need(struct smtpscope_tls_connection *connection)
{
    struct busy *busy = busy_need(connection);

    if (!busy)
        return NULL;
    if (!busy->handshake) {
        busy->handshake = memory_new(connection->tls->config.allocator, sizeof *busy->handshake);
        if (busy->handshake)
            busy->handshake->early_end = &busy->handshake->early_first;
    }
    return busy->handshake;
}

void busy_settle(struct smtpscope_tls_connection *connection)
{
    const struct busy *busy = connection->busy;

    if (!busy || busy->handshake || busy->keyless || busy->partial[0] || busy->partial[1] || busy->realign[0] ||
        busy->realign[1] || busy->wrong)
        return;
    memory_free(connection->tls->config.allocator, connection->busy);
    connection->busy = NULL;
}

static bool gathered_grow(struct smtpscope_tls *tls, struct gathered **gathered, size_t len, size_t max)
{
    size_t before = *gathered ? (*gathered)->capacity : 0, capacity = before ? before : GATHERED_FIRST;
    struct gathered *grown;

    while (capacity < len)
        capacity *= 2;
    capacity = capacity < max ? capacity : max;
    if (tls->gathered_octets - before + capacity > GATHERED_MAX)
        return false;
    grown = memory_resize(tls->config.allocator, *gathered, sizeof *grown + capacity);
    if (!grown)
        return false;
    if (!*gathered)
        grown->len = 0;
    grown->capacity = (uint32_t)capacity;
    tls->gathered_octets += capacity - before;
    *gathered = grown;
    return true;
}

bool gathered_append(struct smtpscope_tls *tls, struct gathered **gathered, const uint8_t *data, size_t len, size_t max)
{
    size_t before = *gathered ? (*gathered)->len : 0;

    if (before + len > max ||
        ((!*gathered || before + len > (*gathered)->capacity) && !gathered_grow(tls, gathered, before + len, max))) {
        gathered_free(tls, gathered);
        return false;
    }
    memcpy((*gathered)->octets + before, data, len);
    (*gathered)->len += (uint32_t)len;
    return true;
}

/* A message may have been sent encrypted. */
void gathered_free(struct smtpscope_tls *tls, struct gathered **gathered)
{
    if (!*gathered)
        return;
    tls->gathered_octets -= (*gathered)->capacity;
    memory_wipe((*gathered)->octets, (*gathered)->len);
    memory_free(tls->config.allocator, *gathered);
    *gathered = NULL;
}
