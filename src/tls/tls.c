/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpscope/tls.h"

#include "base/memory.h"
#include "keyless.h"

struct smtpscope_tls *smtpscope_tls_new(const struct smtpscope_tls_config *config)
{
    struct smtpscope_tls *tls = memory_new(config->allocator, sizeof *tls);

    if (!tls)
        return NULL;
    tls->config = *config;
    tls->protections.allocator = config->allocator;
    tls->waiting_end = &tls->waiting;
    return tls;
}

void smtpscope_tls_free(struct smtpscope_tls *tls)
{
    if (!tls)
        return;
    crypto_free(tls->protections.crypto);
    memory_wipe(tls->protections.scratch, sizeof tls->protections.scratch);
    memory_free(tls->config.allocator, tls);
}

struct smtpscope_tls_connection *smtpscope_tls_open(struct smtpscope_tls *tls, void *user)
{
    struct smtpscope_tls_connection *connection;

    if (!tls->protections.crypto && !(tls->protections.crypto = crypto_new(tls->config.allocator)))
        return NULL;
    connection = memory_new(tls->config.allocator, sizeof *connection);
    if (!connection)
        return NULL;
    connection->tls = tls;
    connection->user = user;
    return connection;
}

void smtpscope_tls_connection_free(struct smtpscope_tls_connection *connection)
{
    if (!connection)
        return;
    keyless_free(connection);
    handshake_free(connection);
    for (enum smtpscope_side side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++) {
        resync_free(connection, side);
        gathered_free(connection->tls, &connection->side[side].partial);
        protection_free(&connection->tls->protections, connection->side[side].protection);
    }
    memory_free(connection->tls->config.allocator, connection);
}

/* Clear octets count on from where the record layer begins. */
static void side_begin(struct side *side, uint64_t offset)
{
    if (side->begun)
        return;
    side->begun = true;
    side->clear = offset;
    side->marks[side->mark_count++] = (struct mark){(uint32_t)offset, (uint32_t)offset};
}

/* They wait; or, where there is no room, no more is waited for. */
static void connection_wait(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets, uint64_t gap)
{
    if (keyless_add(connection, octets, gap))
        return;
    connection->impatient = true;
    if (connection->waiting)
        keyless_replay(connection);
    if (octets->len)
        smtpscope_tls_octets(connection, octets);
    if (gap)
        smtpscope_tls_gap(connection, &(struct smtpscope_gap){.side = octets->side,
                                                              .offset = octets->offset + octets->len,
                                                              .len = gap,
                                                              .time = octets->time,
                                                              .packet = octets->packet});
}

void smtpscope_tls_octets(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets)
{
    struct smtpscope_octets rest = *octets;
    size_t used = 0;

    side_begin(&connection->side[octets->side], octets->offset);
    if (!connection->waiting) {
        struct place place = {octets->offset, octets->acked, octets->packet, octets->time};

        used = records_take(connection, octets->side, octets->data, octets->len, &place);
        outcome_heard(connection, octets->side, octets->time);
    }
    if (used == octets->len && !connection->waiting)
        return;
    rest.data += used;
    rest.len -= used;
    rest.offset += used;
    connection_wait(connection, &rest, 0);
}

void smtpscope_tls_gap(struct smtpscope_tls_connection *connection, const struct smtpscope_gap *gap)
{
    struct place place = {gap->offset, connection->side[!gap->side].clear, gap->packet, gap->time};

    side_begin(&connection->side[gap->side], gap->offset);
    if (connection->waiting)
        connection_wait(
            connection,
            &(struct smtpscope_octets){.side = gap->side, .offset = gap->offset, .time = gap->time, .packet = gap->packet},
            gap->len);
    else
        records_gap(connection, gap->side, gap->len, &place);
}

void smtpscope_tls_close(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending)
{
    connection->impatient = true;
    if (connection->waiting)
        keyless_replay(connection);
    outcome_close(connection, ending);
}
