/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record layer, RFC 8446 5.1:   type (1) | legacy version (2) | length (2) | fragment
 *
 * A record that came whole is read in place. One that nobody can open is passed by its length: its octets are not looked at.
 */
#include "connection.h"

bool head_is_right(const uint8_t head[RECORD_HEAD])
{
    return head[0] >= CONTENT_CHANGE_CIPHER_SPEC && head[0] <= CONTENT_HEARTBEAT && head[1] == 3 && head[2] <= 4 &&
           head_fragment(head) <= RECORD_MAX;
}

/* The record has ended. `place`: that of its last octets, its offset the one behind the record. */
static void record_end(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *at,
                       const struct place *place)
{
    struct side *side = &connection->side[index];
    uint8_t head[RECORD_HEAD];
    struct gathered *partial = side->partial;
    bool read = side->plan == PLAN_READ, broken = side->broken;

    memcpy(head, side->head, sizeof head);
    side->head_len = 0;
    side->plan = PLAN_NONE;
    side->broken = false;
    side->partial = NULL;
    if (!read)
        record_passed(connection, index, head, place);
    else if (broken)
        record_lost(connection, index, head, place);
    else
        record_read(connection, index, &(struct tls_record){head, at, head_fragment(head)}, place);
    gathered_free(connection->tls, &partial);
}

/* The head, as far as it is there. Returns the octets used. */
static size_t head_take(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *data, size_t len,
                        const struct place *place)
{
    struct side *side = &connection->side[index];
    size_t take = RECORD_HEAD - (size_t)side->head_len;
    struct place broken = *place;
    uint8_t head[RECORD_HEAD];

    take = take < len ? take : len;
    memcpy(side->head + side->head_len, data, take);
    side->head_len += (uint8_t)take;
    if (side->head_len < RECORD_HEAD)
        return take;
    if (head_is_right(side->head)) {
        side->left = (uint32_t)head_fragment(side->head);
        return take;
    }
    /* Not TLS, or what an injector wrote: the next record is looked for, from the next octet on. */
    side->head_len = 0;
    memcpy(head, side->head, sizeof head);
    broken.offset = place->offset + take - RECORD_HEAD;
    resync_begin(connection, index, broken.offset++, 0, &broken);
    resync_octets(connection, index, head + 1, sizeof head - 1, &broken);
    return take;
}

/* What is there of the fragment. Returns the octets used. */
static size_t fragment_take(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *data,
                            size_t len, const struct place *place)
{
    struct side *side = &connection->side[index];
    size_t take = side->left < len ? side->left : len;
    bool whole = take == side->left && !side->partial;
    struct place end = {place->offset + take, place->acked, place->packet, place->time};

    if (side->plan == PLAN_READ && !whole && !side->broken &&
        !gathered_append(connection->tls, &side->partial, data, take, head_fragment(side->head)))
        side->broken = true;
    side->left -= (uint32_t)take;
    if (!side->left)
        record_end(connection, index, side->partial ? side->partial->octets : data, &end);
    return take;
}

static bool plan_make(struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    struct side *side = &connection->side[index];

    if (side->plan != PLAN_NONE)
        return true;
    switch (record_readiness(connection, index, side->head[0])) {
    case READY_CLEAR: side->plan = PLAN_READ; return true;
    case READY_PASS: side->plan = PLAN_PASS; return true;
    case READY_WAIT: break;
    }
    return false;
}

size_t records_take(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *data, size_t len,
                    const struct place *place)
{
    struct side *side = &connection->side[index];
    struct place here = *place;
    size_t used = 0;

    for (;;) {
        here.offset = place->offset + used;
        if (side->resync) {
            size_t take = len - used < RECORD_MAX ? len - used : RECORD_MAX;

            if (!take)
                return len;
            resync_octets(connection, index, data + used, take, &here);
            used += take;
            continue;
        }
        if (side->head_len < RECORD_HEAD) {
            if (used == len)
                return len;
            used += head_take(connection, index, data + used, len - used, &here);
        } else if (!plan_make(connection, index)) {
            return used;
        } else if (used == len && side->left) {
            return len;
        } else {
            used += fragment_take(connection, index, data + used, len - used, &here);
        }
    }
}

/* A gap that ends within the record: where the next one begins is known. */
static void gap_in_record(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t len,
                          const struct place *behind)
{
    struct side *side = &connection->side[index];

    side->left -= (uint32_t)len;
    side->broken = true;
    gathered_free(connection->tls, &side->partial);
    if (!side->left)
        record_end(connection, index, NULL, behind);
}

void records_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t len,
                 const struct place *place)
{
    struct side *side = &connection->side[index];
    struct place behind = {place->offset + len, place->acked, place->packet, place->time};
    uint64_t broken = place->offset - side->head_len;

    if (side->head_len == RECORD_HEAD && len <= side->left && !side->resync) {
        gap_in_record(connection, index, len, &behind);
        return;
    }
    if (side->head_len == RECORD_HEAD)
        broken -= head_fragment(side->head) - side->left;
    gathered_free(connection->tls, &side->partial);
    resync_begin(connection, index, broken, len, &behind);
}
