/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records and handshakes of any kind, with a key log, through the stage of TLS.
 *
 *   two octets   the length of the key log, which follows; its highest bit: keys may still come
 *   then, again and again, an operation:
 *     bit 7      the side; bit 6 a gap, and no octets follow; bit 5 time goes on
 *     bits 0-4   with the next octet: the length
 *
 * The sessions of the corpus say nothing but text. Whatever is changed in them, what is told as clear octets was authenticated,
 * and so is text still.
 */
#include "smtpscope/tls.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct told {
    uint64_t next[2];
    bool decrypted, handshake, ended;
};

static void told_decrypted(void *ctx, void *user, uint64_t next[2])
{
    struct told *told = ctx;

    (void)user;
    assert(!told->decrypted);
    told->decrypted = true;
    next[0] = next[1] = 0;
}

static void told_octets(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    struct told *told = ctx;

    (void)user;
    assert(told->decrypted && octets->len && octets->offset == told->next[octets->side]);
    assert(octets->acked <= told->next[!octets->side]);
    told->next[octets->side] += octets->len;
    for (size_t i = 0; i < octets->len; i++)
        assert((octets->data[i] >= ' ' && octets->data[i] <= '~') || octets->data[i] == '\r' || octets->data[i] == '\n');
}

static void told_gap(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    struct told *told = ctx;

    (void)user;
    assert(told->decrypted && gap->len && gap->offset == told->next[gap->side]);
    told->next[gap->side] += gap->len;
}

static void told_fact(void *ctx, void *user, const struct smtpscope_fact *fact)
{
    struct told *told = ctx;

    (void)user;
    assert(!told->ended);
    switch ((int)fact->type) {
    case SMTPSCOPE_FACT_HANDSHAKE:
        assert(!told->handshake);
        told->handshake = true;
        break;
    case SMTPSCOPE_FACT_INFERRED: assert(!told->decrypted && fact->inferred->percent < 100); break;
    case SMTPSCOPE_FACT_TLS_END: told->ended = true; break;
    default: assert(false);
    }
}

static const struct smtpscope_tls_events told_events = {
    .decrypted = told_decrypted, .octets = told_octets, .gap = told_gap, .fact = told_fact};

struct input {
    const uint8_t *at;
    size_t len;
};

static uint8_t octet_take(struct input *input)
{
    if (!input->len)
        return 0;
    input->len--;
    return *input->at++;
}

static size_t octets_take(struct input *input, size_t len)
{
    len = len < input->len ? len : input->len;
    input->at += len;
    input->len -= len;
    return len;
}

static struct smtpscope_keys *keys_take(struct input *input, bool *late)
{
    struct smtpscope_keys *keys = smtpscope_keys_new(&(struct smtpscope_keys_config){.max = 64});
    struct smtpscope_keylog *log = smtpscope_keylog_new(keys);
    size_t len = (size_t)octet_take(input) << 8;
    const uint8_t *at;

    len |= octet_take(input);
    *late = len & 0x8000u;
    at = input->at;
    smtpscope_keylog_read(log, at, octets_take(input, len & 0x7fffu));
    smtpscope_keylog_end(log);
    smtpscope_keylog_free(log);
    return keys;
}

/* As they come: the octets have their own block, so that whoever reads beyond them, or keeps them, is found out. */
static void operate(struct smtpscope_tls_connection *connection, struct input *input, struct smtpscope_octets *octets,
                    uint64_t offsets[2])
{
    uint8_t operation = octet_take(input), *copy;
    size_t len = ((size_t)(operation & 31) << 8) + octet_take(input) + 1;

    octets->side = operation & 0x80 ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
    octets->offset = offsets[octets->side];
    octets->acked = offsets[!octets->side];
    octets->packet++;
    octets->time += operation & 0x20 ? SMTPSCOPE_SECOND : 1000;
    if (operation & 0x40) {
        smtpscope_tls_gap(
            connection,
            &(struct smtpscope_gap){
                .side = octets->side, .offset = octets->offset, .len = len, .time = octets->time, .packet = octets->packet});
        offsets[octets->side] += len;
        return;
    }
    octets->data = input->at;
    octets->len = octets_take(input, len);
    copy = malloc(octets->len);
    if (!octets->len || !copy) {
        free(copy);
        return;
    }
    memcpy(copy, octets->data, octets->len);
    octets->data = copy;
    smtpscope_tls_octets(connection, octets);
    offsets[octets->side] += octets->len;
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct told told = {0};
    bool late;
    struct smtpscope_keys *keys = keys_take(&input, &late);
    struct smtpscope_tls *tls = smtpscope_tls_new(&(struct smtpscope_tls_config){
        .keys = keys, .events = &told_events, .ctx = &told, .patience = late ? SMTPSCOPE_SECOND : 0});
    struct smtpscope_tls_connection *connection = smtpscope_tls_open(tls, 25, NULL);
    struct smtpscope_octets octets = {.time = SMTPSCOPE_SECOND};
    uint64_t offsets[2] = {0};

    while (input.len) {
        operate(connection, &input, &octets, offsets);
        smtpscope_tls_expire(tls, octets.time);
    }
    smtpscope_tls_close(connection,
                        &(struct smtpscope_ending){.why = SMTPSCOPE_CLOSE_FIN, .seen = {true, true}, .time = octets.time});
    assert(told.ended);
    smtpscope_tls_connection_free(connection);
    smtpscope_tls_free(tls);
    smtpscope_keys_free(keys);
    return 0;
}
