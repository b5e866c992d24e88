/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Octets of both sides in any cut, with gaps, through the follower and the judge. The input is a row of operations, each one
 * octet of what and, where it takes one, a length: both directions of a session, cut as the input says.
 *
 *   bit 7    the side            bits 4-6   0-4 octets, 5 a gap, 6 a conflict (or, with a length of 14, decryption begins), 7 time goes on
 *   bits 0-3 the length, 15: the next two octets are the length
 */
#include "follow.h"

#include <stdlib.h>

static struct follow follow;

struct reader {
    const uint8_t *at;
    size_t len;
};

static uint8_t octet_take(struct reader *reader)
{
    if (!reader->len)
        return 0;
    reader->len--;
    return *reader->at++;
}

static size_t length_take(struct reader *reader, uint8_t operation)
{
    size_t len = operation & 15u;

    if (len < 15)
        return len + 1;
    len = (size_t)octet_take(reader) << 8;
    return len + octet_take(reader) + 1;
}

/* A copy of exactly this size, gone afterwards: whoever kept a pointer into it is found out. */
static void feed(enum smtpscope_side side, struct reader *reader, size_t len, uint64_t unread)
{
    uint8_t *copy;

    if (len > reader->len)
        len = reader->len;
    if (!len || !(copy = malloc(len)))
        return;
    memcpy(copy, reader->at, len);
    reader->at += len;
    reader->len -= len;
    follow_feed(&follow, side, copy, len, unread);
    free(copy);
}

static void operate(struct reader *reader)
{
    uint8_t operation = octet_take(reader);
    enum smtpscope_side side = operation & 0x80 ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
    size_t len = length_take(reader, operation);

    switch (operation >> 4 & 7) {
    case 5: follow_gap(&follow, side, len); break;
    case 6:
        if ((operation & 15) == 14)
            smtpscope_session_decrypted(follow.session);
        else
            smtpscope_session_conflict(
                follow.session, &(struct smtpscope_gap){
                                    .side = side, .offset = follow.sent[side], .time = follow.time, .packet = ++follow.packet});
        break;
    case 7: follow.time += (smtpscope_time)len * SMTPSCOPE_SECOND; break;
    case 4: feed(side, reader, len, len); break; /* the other side's last octets were not read yet */
    default: feed(side, reader, len, 0); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = {data, size};
    uint8_t head = octet_take(&reader);
    struct smtpscope_ending ending = {.why = (enum smtpscope_close)((head >> 1 & 7) % (SMTPSCOPE_CLOSE_EVICTED + 1)),
                                      .by = (enum smtpscope_side)(head >> 4 & 1),
                                      .seen = {true, true}};

    follow.tells = head & 0x20;
    follow_init(&follow, NULL, head & 1);
    while (reader.len)
        operate(&reader);
    ending.time = follow.time;
    ending.packet = follow.packet;
    follow_close(&follow, &ending);
    return 0;
}
