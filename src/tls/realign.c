/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Behind a gap nobody knows where a record begins, nor what number it has. A place that can be a record's head is tried: where
 * there is a key, the record is the one if it opens with one of the numbers that may come next, which a wrong one does once in
 * 2^64 at best. Without a key, heads in a row have to do: enough to count records by, and no octet is read by it.
 */
#include "realign.h"

#include "base/memory.h"
#include "clear.h"
#include "handshake.h"
#include "key.h"

/* Two of the longest records: TCP brings more than one at a time. */
#define BUFFER_MAX ((size_t)2 * (RECORD_HEAD + RECORD_MAX))
/* What may be needed of the octets before a record: a block and a MAC, see protection_chain(). */
#define CHAIN_MAX ((size_t)64)
/* What may be spent on a gap, in octets that are tried to open: some hundredths of a second. */
#define TRIED_MAX ((uint64_t)32 << 20)

struct realign {
    uint64_t broken; /* where the first record began that cannot be read */
    uint64_t told;   /* clear octets that were told as lost so far */
    uint64_t offset; /* of the first octet in `octets` */
    uint64_t tried;  /* octets that were tried to open */
    uint32_t passed; /* octets in `octets` in which no record begins */
    struct gathered *octets;
};

bool head_is_right(const uint8_t head[RECORD_HEAD])
{
    return head[0] >= CONTENT_CHANGE_CIPHER_SPEC && head[0] <= CONTENT_HEARTBEAT && head[1] == 3 && head[2] <= 4 &&
           head_fragment(head) <= RECORD_MAX;
}

static struct realign *realign_of(const struct smtpscope_tls_connection *connection, enum smtpscope_side side)
{
    return busy_of(connection)->realign[side];
}

void realign_free(struct smtpscope_tls_connection *connection, enum smtpscope_side side)
{
    struct realign *realign = realign_of(connection, side);

    if (!realign)
        return;
    gathered_free(connection->tls, &realign->octets);
    memory_free(connection->tls->config.allocator, realign);
    connection->busy->realign[side] = NULL;
}

/* At least what is known to be of a record that had begun is lost. What else is, the next record's number tells. */
static uint64_t lost_at_least(const struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    const struct side *side = &connection->side[index];

    return side->head_len == RECORD_HEAD ? clear_len(connection, index, head_fragment(side->head)) : 1;
}

/* Nothing of this side can be read any more. */
static void side_give_up(struct smtpscope_tls_connection *connection, enum smtpscope_side side)
{
    key_set(connection, side, NULL, (enum epoch)connection->side[side].epoch);
    connection->side[side].blind = true;
    connection->lost = true;
}

void realign_begin(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t broken,
                   const struct place *place)
{
    struct side *side = &connection->side[index];
    struct realign *realign = realign_of(connection, index);

    if (realign) { /* another gap, before a record was found */
        gathered_free(connection->tls, &realign->octets);
        realign->offset = place->offset;
        realign->passed = 0;
        return;
    }
    realign = busy_need(connection) ? memory_new(connection->tls->config.allocator, sizeof *realign) : NULL;
    handshake_gap(connection, index);
    if (realign)
        *realign = (struct realign){.broken = broken,
                                    .told = clear_gap(connection, index, lost_at_least(connection, index), place),
                                    .offset = place->offset};
    else
        side_give_up(connection, index);
    if (connection->busy)
        connection->busy->realign[index] = realign;
    side->head_len = 0;
    side->plan = PLAN_NONE;
    side->broken = false;
}

/* Without a key: the head is one, and so is the one behind the record, or the octets that are there end with it. */
static bool heads_are_in_row(const uint8_t *at, size_t len)
{
    size_t next = RECORD_HEAD + head_fragment(at);

    return len == next || (len >= next + RECORD_HEAD && head_is_right(at + next));
}

enum attempt { ATTEMPT_FAILED, ATTEMPT_UNDECIDED, ATTEMPT_FOUND };

/* Encrypted records have one version (RFC 8446 5.1), and those of TLS 1.3 one type; an alert is shorter than 256 octets. */
static bool head_fits(const struct smtpscope_tls_connection *connection, enum smtpscope_side side,
                      const uint8_t head[RECORD_HEAD])
{
    uint16_t version = connection->version < TLS_1_2 ? connection->version : TLS_1_2;

    if (!connection->version || connection->side[side].epoch == EPOCH_CLEAR)
        return true;
    return (head[1] << 8 | head[2]) == version &&
           (head[0] == CONTENT_APPLICATION_DATA || (head[0] == CONTENT_ALERT && head_fragment(head) < 256) ||
            (head[0] != CONTENT_ALERT && !is_13(connection)));
}

/* Is there a record `skip` octets into what is kept? */
static enum attempt attempt(struct smtpscope_tls_connection *connection, enum smtpscope_side index, size_t skip,
                            uint64_t *clear)
{
    struct side *side = &connection->side[index];
    struct realign *realign = realign_of(connection, index);
    const uint8_t *at = realign->octets->octets + skip;
    size_t len = realign->octets->len - skip, fragment;
    uint64_t gap = realign->offset + skip - realign->broken;

    if (len < RECORD_HEAD)
        return ATTEMPT_UNDECIDED;
    if (!head_is_right(at) || !head_fits(connection, index, at))
        return ATTEMPT_FAILED;
    fragment = head_fragment(at);
    if (len < RECORD_HEAD + fragment)
        return ATTEMPT_UNDECIDED;
    if (connection->key[index])
        protection_chain(connection->key[index], realign->octets->octets, skip);
    if (!side->blind && connection->tls->config.keys && realign->tried < TRIED_MAX &&
        record_find(connection, index, &(struct tls_record){at, at + RECORD_HEAD, fragment}, gap, clear, &realign->tried))
        return ATTEMPT_FOUND;
    if (side->epoch != EPOCH_CLEAR && !side->blind)
        return ATTEMPT_FAILED;
    *clear = clear_len(connection, index, gap);
    return heads_are_in_row(at, len) ? ATTEMPT_FOUND : ATTEMPT_FAILED;
}

/*
 * How many octets can be passed by: what begins behind them is a record, or may be one. What looks like the head of a long one
 * may be none, and one behind it be whole: nobody waits for the end of the first.
 */
static size_t pass(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t *clear, bool *found)
{
    struct realign *realign = realign_of(connection, side);
    size_t first = realign->octets->len;

    *found = false;
    for (size_t at = realign->passed; at < realign->octets->len; at++)
        switch (attempt(connection, side, at, clear)) {
        case ATTEMPT_FOUND: *found = true; return at;
        case ATTEMPT_UNDECIDED: first = at < first ? at : first; break;
        case ATTEMPT_FAILED: break;
        }
    return first;
}

/* No record yet: what is behind it is kept, and a little before, see protection_chain(). */
static void keep(struct realign *realign, size_t at)
{
    size_t before = at < CHAIN_MAX ? at : CHAIN_MAX;

    at -= before;
    memmove(realign->octets->octets, realign->octets->octets + at, realign->octets->len - at);
    realign->octets->len -= (uint32_t)at;
    realign->offset += at;
    realign->passed = (uint32_t)before;
}

struct gathered *realign_take(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data,
                              size_t len, const struct place *place, size_t *skip, uint64_t *offset)
{
    struct realign *realign = realign_of(connection, side);
    struct gathered *octets;
    uint64_t clear = 0;
    bool found;

    if (!gathered_append(connection->tls, &realign->octets, data, len, BUFFER_MAX)) {
        realign->offset = place->offset + len; /* longer than any record, and none was found */
        realign->passed = 0;
        return NULL;
    }
    *skip = pass(connection, side, &clear, &found);
    if (!found) {
        if (realign->tried >= TRIED_MAX && !connection->side[side].blind)
            side_give_up(connection, side);
        keep(realign, *skip);
        return NULL;
    }
    *offset = realign->offset + *skip;
    if (clear > realign->told)
        clear_gap(connection, side, clear - realign->told, place);
    octets = realign->octets;
    realign->octets = NULL;
    realign_free(connection, side);
    return octets;
}
