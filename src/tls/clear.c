/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clear octets, counted on from where TLS began. What TCP acknowledges are octets of records; whoever reads the clear ones wants
 * to know how many of those the other side had. It is kept where a side's last record ended: what acknowledges that has all of
 * them, what does not has all but the last record's. That is too many for a client that is several records behind: better than
 * to take it for one that did not read what it had.
 */
#include "clear.h"

#include "base/memory.h"
#include "inference.h"

uint64_t clear_len(const struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t fragment)
{
    const struct protection *key = connection->key[index];
    size_t overhead = key ? protection_overhead(key) : suite_overhead(suite_find(connection->suite), connection->version);

    return fragment > overhead ? fragment - overhead : 0;
}

static uint64_t clear_acked(const struct clear_side *side, uint64_t acked)
{
    return (int32_t)((uint32_t)acked - side->raw) >= 0 ? side->next : side->next - side->last;
}

static void clear_advance(struct clear_side *side, uint64_t len, uint64_t raw)
{
    side->next += len;
    side->raw = (uint32_t)raw;
    side->last = len < UINT16_MAX ? (uint16_t)len : UINT16_MAX;
}

static void gap_tell(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t len,
                     const struct place *place)
{
    const struct smtpscope_tls_config *config = &connection->tls->config;

    config->events->gap(
        config->ctx, connection->user,
        &(struct smtpscope_gap){
            .side = index, .offset = connection->clear[index].next, .len = len, .time = place->time, .packet = place->packet});
    clear_advance(&connection->clear[index], len, place->offset);
}

uint64_t clear_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t len,
                   const struct place *place)
{
    struct side *side = &connection->side[index];

    if (!len || side->epoch == EPOCH_CLEAR || side->epoch == EPOCH_HANDSHAKE)
        return 0;
    connection->lost = true;
    if (connection->open)
        gap_tell(connection, index, len, place);
    else if (len < UINT32_MAX - side->unseen)
        side->unseen += (uint32_t)len;
    return len;
}

/* The first octets that open: what was passed by before them is lost to the session. False: out of memory. */
static bool clear_begin(struct smtpscope_tls_connection *connection, const struct place *place)
{
    const struct smtpscope_tls_config *config = &connection->tls->config;
    uint64_t next[2] = {0};

    if (connection->open)
        return true;
    inference_free(connection);
    connection->clear = memory_new(config->allocator, 2 * sizeof *connection->clear);
    if (!connection->clear)
        return false;
    connection->open = true;
    config->events->decrypted(config->ctx, connection->user, next);
    for (enum smtpscope_side index = SMTPSCOPE_CLIENT; index <= SMTPSCOPE_SERVER; index++) {
        connection->clear[index].next = next[index];
        if (connection->side[index].unseen)
            gap_tell(connection, index, connection->side[index].unseen, place);
    }
    return true;
}

void clear_tell(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const struct content *content,
                const struct place *place)
{
    const struct smtpscope_tls_config *config = &connection->tls->config;
    struct smtpscope_octets octets = {
        .side = index, .data = content->at, .len = content->len, .time = place->time, .packet = place->packet};

    if (!content->len)
        return;
    if (!clear_begin(connection, place)) {
        clear_gap(connection, index, content->len, place);
        return;
    }
    octets.offset = connection->clear[index].next;
    octets.acked = clear_acked(&connection->clear[!index], place->acked);
    clear_advance(&connection->clear[index], content->len, place->offset);
    config->events->octets(config->ctx, connection->user, &octets);
}
