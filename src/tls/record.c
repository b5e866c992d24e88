/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record layer, RFC 8446 5.1:   type (1) | legacy version (2) | length (2) | fragment
 *
 * A record that came whole is read in place. One that nobody can open is passed by its length: its octets are not looked at.
 */
#include "record.h"

#include "epoch.h"
#include "inference.h"
#include "realign.h"

/* The record has ended. `place`: that of its last octets, its offset the one behind the record. */
static void record_end(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *at,
                       struct gathered *partial, const struct place *place)
{
    struct side *side = &connection->side[index];
    uint8_t head[RECORD_HEAD];
    bool read = side->plan == PLAN_READ, broken = side->broken;

    memcpy(head, side->head, sizeof head);
    side->head_len = 0;
    side->plan = PLAN_NONE;
    side->broken = false;
    if (!read)
        record_passed(connection, index, head, place);
    else if (broken)
        record_lost(connection, index, head, place);
    else
        record_read(connection, index, &(struct tls_record){head, at, head_fragment(head)}, place);
    gathered_free(connection->tls, &partial);
    busy_settle(connection);
}

/* The head, as far as it is there; false: it is none. `used`: the octets of it. */
static bool head_take(struct side *side, const uint8_t *data, size_t len, size_t *used)
{
    size_t take = RECORD_HEAD - (size_t)side->head_len;

    take = take < len ? take : len;
    memcpy(side->head + side->head_len, data, take);
    side->head_len = (side->head_len + take) & 7u;
    *used = take;
    if (side->head_len < RECORD_HEAD)
        return true;
    side->left = (uint16_t)head_fragment(side->head);
    return head_is_right(side->head);
}

/* What there is so far of a record that did not come whole. False: it cannot be kept. */
static bool partial_add(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len)
{
    return busy_need(connection) && gathered_append(connection->tls, &connection->busy->partial[side], data, len,
                                                    head_fragment(connection->side[side].head));
}

/* What is there of the fragment. Returns the octets used. */
static size_t fragment_take(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *data,
                            size_t len, const struct place *place)
{
    struct side *side = &connection->side[index];
    size_t take = side->left < len ? side->left : len;
    bool whole = take == side->left && !busy_of(connection)->partial[index];
    struct gathered *partial;

    if (side->plan == PLAN_READ && !whole && !side->broken)
        side->broken = !partial_add(connection, index, data, take);
    side->left -= (uint16_t)take;
    if (side->left)
        return take;
    partial = busy_of(connection)->partial[index];
    if (partial)
        connection->busy->partial[index] = NULL;
    record_end(connection, index, partial ? partial->octets : data, partial,
               &(struct place){place->offset + take, place->acked, place->packet, place->time});
    return take;
}

static bool plan_make(struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    struct side *side = &connection->side[index];

    if (side->plan != PLAN_NONE)
        return true;
    switch (record_readiness(connection, index, side->head[0])) {
    case READY_READ: side->plan = PLAN_READ; return true;
    case READY_PASS: side->plan = PLAN_PASS; return true;
    case READY_WAIT: break;
    }
    return false;
}

/* Behind a gap, or what is no record: at most so much at a time. Returns the octets used. */
static size_t astray_take(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data,
                          size_t len, const struct place *place)
{
    size_t take = len < RECORD_MAX ? len : RECORD_MAX, skip;
    struct place here = *place;
    struct gathered *found = realign_take(connection, side, data, take, place, &skip, &here.offset);
    bool impatient = connection->impatient;

    if (!found)
        return take;
    connection->impatient = true; /* these octets stand nowhere where they could wait */
    records_take(connection, side, found->octets + skip, found->len - skip, &here);
    connection->impatient = impatient;
    gathered_free(connection->tls, &found);
    return take;
}

/* Not TLS, or what an injector wrote: the next record is looked for, from the next octet on. */
static void head_is_wrong(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t end,
                          const struct place *place)
{
    struct place second = {end - RECORD_HEAD + 1, place->acked, place->packet, place->time};
    uint8_t head[RECORD_HEAD];

    memcpy(head, connection->side[index].head, sizeof head);
    connection->side[index].head_len = 0;
    inference_gap(connection, index);
    realign_begin(connection, index, end - RECORD_HEAD, &second);
    if (busy_of(connection)->realign[index])
        astray_take(connection, index, head + 1, sizeof head - 1, &second);
}

size_t records_take(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *data, size_t len,
                    const struct place *place)
{
    struct side *side = &connection->side[index];
    struct place here = *place;
    size_t used = 0, head;

    for (;;) {
        here.offset = place->offset + used;
        if (busy_of(connection)->realign[index]) {
            if (used == len)
                return len;
            used += astray_take(connection, index, data + used, len - used, &here);
        } else if (side->head_len < RECORD_HEAD) {
            if (used == len)
                return len;
            if (!head_take(side, data + used, len - used, &head))
                head_is_wrong(connection, index, here.offset + head, &here);
            used += head;
        } else if (!plan_make(connection, index)) {
            return used;
        } else if (used == len && side->left) {
            return len;
        } else {
            used += fragment_take(connection, index, data + used, len - used, &here);
        }
    }
}

static void partial_free(struct smtpscope_tls_connection *connection, enum smtpscope_side side)
{
    if (connection->busy)
        gathered_free(connection->tls, &connection->busy->partial[side]);
}

/* A gap that ends within the record: where the next one begins is known. */
static void gap_in_record(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t len,
                          const struct place *behind)
{
    struct side *side = &connection->side[index];

    side->left -= (uint16_t)len;
    side->broken = true;
    partial_free(connection, index);
    if (!side->left)
        record_end(connection, index, NULL, NULL, behind);
}

void records_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t len,
                 const struct place *place)
{
    struct side *side = &connection->side[index];
    struct place behind = {place->offset + len, place->acked, place->packet, place->time};
    uint64_t broken = place->offset - side->head_len;

    inference_gap(connection, index);
    if (side->head_len == RECORD_HEAD && len <= side->left && !busy_of(connection)->realign[index]) {
        gap_in_record(connection, index, len, &behind);
        return;
    }
    if (side->head_len == RECORD_HEAD)
        broken -= head_fragment(side->head) - side->left;
    partial_free(connection, index);
    realign_begin(connection, index, broken, &behind);
}
