/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Behind a gap nobody knows where a record begins, nor what number it has. A place that can be a record's head is tried: where
 * there is a key, the record is the one if it opens with one of the numbers that may come next, which a wrong one does once in
 * 2^64 at best. Without a key, heads in a row have to do: enough to count records by, and no octet is read by it.
 */
#include "connection.h"

#include "base/memory.h"

/* Two of the longest records: TCP brings more than one at a time. */
#define BUFFER_MAX ((size_t)2 * (RECORD_HEAD + RECORD_MAX))
/* What may be needed of the octets before a record: a block and a MAC, see protection_chain(). */
#define CHAIN_MAX ((size_t)64)
/* What may be spent on a gap, in octets that are tried to open: some hundredths of a second. */
#define TRIED_MAX ((uint64_t)32 << 20)

void resync_free(struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    struct side *side = &connection->side[index];

    if (!side->resync)
        return;
    gathered_free(connection->tls, &side->resync->octets);
    memory_free(connection->tls->config.allocator, side->resync);
    side->resync = NULL;
}

/* At least what is known to be of a record that had begun is lost. What else is, the next record's number tells. */
static uint64_t lost_at_least(const struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    const struct side *side = &connection->side[index];

    return side->head_len == RECORD_HEAD ? clear_len(connection, index, head_fragment(side->head)) : 1;
}

void resync_begin(struct smtpscope_tls_connection *connection, enum smtpscope_side index, uint64_t broken, uint64_t lost,
                  const struct place *place)
{
    struct side *side = &connection->side[index];
    uint64_t told = side->resync ? side->resync->told : lost_at_least(connection, index);

    if (side->resync) {
        lost += side->resync->lost;
        broken = side->resync->broken;
        gathered_free(connection->tls, &side->resync->octets);
    } else {
        side->resync = memory_new(connection->tls->config.allocator, sizeof *side->resync);
        side->head_len = 0;
        side->plan = PLAN_NONE;
        side->broken = false;
        handshake_gap(connection, index);
        told = clear_gap(connection, index, told, place);
    }
    if (side->resync)
        *side->resync = (struct resync){.broken = broken, .lost = lost, .told = told, .offset = place->offset};
    else
        side->blind = true;
}

/* Without a key: the head is one, and so is the one behind the record, or the octets that are there end with it. */
static bool heads_are_in_row(const uint8_t *at, size_t len)
{
    size_t next = RECORD_HEAD + head_fragment(at);

    return len == next || (len >= next + RECORD_HEAD && head_is_right(at + next));
}

enum attempt { ATTEMPT_FAILED, ATTEMPT_UNDECIDED, ATTEMPT_FOUND };

/* Is there a record `skip` octets into what is kept? */
static enum attempt attempt(struct smtpscope_tls_connection *connection, enum smtpscope_side index, size_t skip,
                            uint64_t *clear)
{
    struct side *side = &connection->side[index];
    struct resync *resync = side->resync;
    const uint8_t *at = resync->octets->octets + skip;
    size_t len = resync->octets->len - skip, fragment;
    uint64_t gap = resync->offset + skip - resync->broken;

    if (len < RECORD_HEAD)
        return ATTEMPT_UNDECIDED;
    if (!head_is_right(at))
        return ATTEMPT_FAILED;
    fragment = head_fragment(at);
    if (len < RECORD_HEAD + fragment)
        return ATTEMPT_UNDECIDED;
    if (side->protection)
        protection_chain(side->protection, resync->octets->octets, skip);
    if (!side->blind && connection->tls->config.keys && resync->tried < TRIED_MAX &&
        record_find(connection, index, &(struct tls_record){at, at + RECORD_HEAD, fragment}, gap, clear, &resync->tried))
        return ATTEMPT_FOUND;
    if (side->epoch != EPOCH_CLEAR && !side->blind)
        return ATTEMPT_FAILED;
    *clear = clear_len(connection, index, gap);
    return heads_are_in_row(at, len) ? ATTEMPT_FOUND : ATTEMPT_FAILED;
}

/* Records are in step: what was kept from the one at `at` on is read as such. */
static void resync_end(struct smtpscope_tls_connection *connection, enum smtpscope_side index, size_t at, uint64_t clear,
                       const struct place *place)
{
    struct side *side = &connection->side[index];
    struct resync resync = *side->resync;
    bool impatient = connection->impatient;
    struct place here = *place;

    side->resync->octets = NULL;
    resync_free(connection, index);
    here.offset = resync.offset + at;
    if (clear > resync.told)
        clear_gap(connection, index, clear - resync.told, &here);
    connection->impatient = true; /* these octets stand nowhere where they could wait */
    records_take(connection, index, resync.octets->octets + at, resync.octets->len - at, &here);
    connection->impatient = impatient;
    gathered_free(connection->tls, &resync.octets);
}

/* No more is looked for: nothing of this side can be read any more. */
static void resync_give_up(struct smtpscope_tls_connection *connection, enum smtpscope_side index)
{
    struct side *side = &connection->side[index];

    side->blind = true;
    connection->lost = true;
    protection_free(&connection->tls->protections, side->protection);
    side->protection = NULL;
}

void resync_octets(struct smtpscope_tls_connection *connection, enum smtpscope_side index, const uint8_t *data, size_t len,
                   const struct place *place)
{
    struct side *side = &connection->side[index];
    struct resync *resync = side->resync;
    size_t at = resync->passed, keep;

    if (!gathered_append(connection->tls, &resync->octets, data, len, BUFFER_MAX)) {
        resync->offset = place->offset + len; /* longer than any record, and none was found */
        resync->passed = 0;
        return;
    }
    for (; at < resync->octets->len; at++) {
        uint64_t clear = 0;

        switch (attempt(connection, index, at, &clear)) {
        case ATTEMPT_FOUND: resync_end(connection, index, at, clear, place); return;
        case ATTEMPT_FAILED: continue;
        case ATTEMPT_UNDECIDED: break;
        }
        break;
    }
    if (resync->tried >= TRIED_MAX && !side->blind)
        resync_give_up(connection, index);
    keep = at < CHAIN_MAX ? at : CHAIN_MAX;
    at -= keep;
    memmove(resync->octets->octets, resync->octets->octets + at, resync->octets->len - at);
    resync->octets->len -= (uint32_t)at;
    resync->offset += at;
    resync->passed = (uint32_t)keep;
}
