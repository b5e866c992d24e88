/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A key log of any octets, in pieces: the first octet is the length of each, 0 for all at once. A secret that is found stands in
 * the log, in digits of either case; and pieces change nothing.
 */
#include "smtpscope/tls.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct smtpscope_keys *log_read(const uint8_t *data, size_t size, size_t piece)
{
    struct smtpscope_keys *keys = smtpscope_keys_new(&(struct smtpscope_keys_config){.max = 16});
    struct smtpscope_keylog *log = smtpscope_keylog_new(keys);

    for (size_t at = 0, len; at < size; at += len) {
        len = size - at < piece ? size - at : piece;
        smtpscope_keylog_read(log, data + at, len);
    }
    smtpscope_keylog_end(log);
    smtpscope_keylog_free(log);
    return keys;
}

static int digit(uint8_t octet)
{
    if (octet >= '0' && octet <= '9')
        return octet - '0';
    octet |= 0x20;
    return octet >= 'a' && octet <= 'f' ? octet - 'a' + 10 : -1;
}

static bool stands_in(const uint8_t *data, size_t size, const struct smtpscope_secret *secret)
{
    for (size_t at = 0; at + 2u * secret->len <= size; at++) {
        size_t same = 0;

        while (same < secret->len && digit(data[at + 2 * same]) == secret->octets[same] >> 4 &&
               digit(data[at + 2 * same + 1]) == (secret->octets[same] & 15))
            same++;
        if (same == secret->len)
            return true;
    }
    return false;
}

/* The random that stands at `at`, in digits; false: none does. */
static bool random_at(const uint8_t *data, size_t size, size_t at, uint8_t random[SMTPSCOPE_RANDOM_LEN])
{
    if (size - at < (size_t)2 * SMTPSCOPE_RANDOM_LEN)
        return false;
    for (size_t i = 0; i < SMTPSCOPE_RANDOM_LEN; i++) {
        int high = digit(data[at + 2 * i]), low = digit(data[at + 2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        random[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void randoms_check(const struct smtpscope_keys *whole, const struct smtpscope_keys *pieces, const uint8_t *data,
                          size_t size, size_t at)
{
    uint8_t random[SMTPSCOPE_RANDOM_LEN];
    struct smtpscope_secret one, other;

    if (!random_at(data, size, at, random))
        return;
    for (int kind = 0; kind < SMTPSCOPE_SECRET_KINDS; kind++) {
        bool found = smtpscope_keys_find(whole, (enum smtpscope_secret_kind)kind, random, &one);

        assert(found == smtpscope_keys_find(pieces, (enum smtpscope_secret_kind)kind, random, &other));
        assert(!found ||
               (one.len == other.len && one.len <= SMTPSCOPE_SECRET_MAX && !memcmp(one.octets, other.octets, one.len)));
        assert(!found || stands_in(data, size, &one));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct smtpscope_keys *whole, *pieces;
    struct smtpscope_keys_stats one, other;

    if (!size)
        return 0;
    whole = log_read(data + 1, size - 1, size);
    pieces = log_read(data + 1, size - 1, data[0] ? data[0] : 1);
    smtpscope_keys_stats(whole, &one);
    smtpscope_keys_stats(pieces, &other);
    assert(one.secrets == other.secrets && one.ignored == other.ignored && one.evicted == other.evicted);
    for (size_t at = 1; at < size; at++)
        randoms_check(whole, pieces, data, size, at);
    smtpscope_keys_free(whole);
    smtpscope_keys_free(pieces);
    return 0;
}
