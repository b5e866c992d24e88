/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpscope/tls.h"

#include "base/memory.h"
#include "handshake.h"
#include "inference.h"
#include "keyless.h"
#include "outcome.h"
#include "realign.h"
#include "record.h"

struct smtpscope_tls *smtpscope_tls_new(const struct smtpscope_tls_config *config)
{
    struct smtpscope_tls *tls = memory_new(config->allocator, sizeof *tls);

    if (!tls)
        return NULL;
    tls->config = *config;
    tls->protections.allocator = config->allocator;
    tls->keyless_end = &tls->keyless;
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

/* Clients log in there before they send mail: RFC 6409 4.3, RFC 8314 3.3. */
static bool is_submission(uint16_t port)
{
    return port == 465 || port == 587;
}

struct smtpscope_tls_connection *smtpscope_tls_open(struct smtpscope_tls *tls, uint16_t port, void *user)
{
    struct smtpscope_tls_connection *connection;

    if (!tls->protections.crypto && !(tls->protections.crypto = crypto_new(tls->config.allocator)))
        return NULL;
    connection = memory_new(tls->config.allocator, sizeof *connection);
    if (!connection)
        return NULL;
    connection->tls = tls;
    connection->user = user;
    connection->submission = is_submission(port);
    return connection;
}

void smtpscope_tls_connection_free(struct smtpscope_tls_connection *connection)
{
    if (!connection)
        return;
    keyless_free(connection);
    handshake_free(connection);
    for (enum smtpscope_side side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++) {
        realign_free(connection, side);
        protection_free(&connection->tls->protections, connection->key[side]);
    }
    if (connection->busy) {
        gathered_free(connection->tls, &connection->busy->partial[0]);
        gathered_free(connection->tls, &connection->busy->partial[1]);
    }
    if (connection->open)
        memory_free(connection->tls->config.allocator, connection->clear);
    else
        inference_free(connection);
    memory_free(connection->tls->config.allocator, connection->busy);
    memory_free(connection->tls->config.allocator, connection);
}

/* They wait; or, where there is no room, no more is waited for. */
static void connection_wait(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets, uint64_t gap)
{
    if (keyless_add(connection, octets, gap))
        return;
    connection->impatient = true;
    if (busy_of(connection)->keyless)
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

    if (!busy_of(connection)->keyless) {
        struct place place = {octets->offset, octets->acked, octets->packet, octets->time};

        used = records_take(connection, octets->side, octets->data, octets->len, &place);
        outcome_heard(connection, octets);
    }
    if (used == octets->len && !busy_of(connection)->keyless)
        return;
    rest.data += used;
    rest.len -= used;
    rest.offset += used;
    connection_wait(connection, &rest, 0);
}

void smtpscope_tls_gap(struct smtpscope_tls_connection *connection, const struct smtpscope_gap *gap)
{
    struct place place = {gap->offset, 0, gap->packet, gap->time};

    connection->gapped = true;
    if (busy_of(connection)->keyless)
        connection_wait(
            connection,
            &(struct smtpscope_octets){.side = gap->side, .offset = gap->offset, .time = gap->time, .packet = gap->packet},
            gap->len);
    else
        records_gap(connection, gap->side, gap->len, &place);
}

void smtpscope_tls_clock_stepped(struct smtpscope_tls_connection *connection, smtpscope_time delta)
{
    struct handshake *handshake = handshake_of(connection);

    keyless_clock_stepped(connection, delta);
    if (!handshake)
        return;
    handshake->told.time += delta;
    handshake->told.end += delta;
    handshake->alert_time += delta;
    handshake->last_time += delta;
}

bool smtpscope_tls_waits(const struct smtpscope_tls_connection *connection)
{
    return busy_of(connection)->keyless;
}

void smtpscope_tls_close(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending)
{
    connection->impatient = true;
    if (busy_of(connection)->keyless)
        keyless_replay(connection);
    outcome_close(connection, ending);
}
