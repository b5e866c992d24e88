/* SPDX-License-Identifier: BSD-2-Clause */
/* The stage over a wire of tls_peers.h, and what it told. */
#ifndef SMTPSCOPE_TESTS_TLS_HEARD_H
#define SMTPSCOPE_TESTS_TLS_HEARD_H

#include "tls_peers.h"

/* What one side said. */
struct one_side {
    char *text;
    size_t len;
};

struct heard {
    const char *label;
    struct smtpscope_keys *keys;
    struct smtpscope_tls *tls;
    struct smtpscope_tls_connection *connection;
    char *text; /* as struct wire's `said` */
    size_t len, size;
    int last;
    uint64_t raw[2], next[2], lost[2];
    unsigned handshakes, ends, decrypted;
    struct smtpscope_handshake handshake;
    struct smtpscope_certificate certificate;
    char subject[256], sni[256], alpn[256];
    struct smtpscope_tls_end end;
    uint64_t packet;
    struct one_side want[2]; /* where said is what each side said: nothing else may be heard, in order */
    size_t found[2];
};

static inline void heard_decrypted(void *ctx, void *user, uint64_t next[2])
{
    struct heard *heard = ctx;

    assert_ptr_equal(user, heard);
    assert_int_equal(heard->decrypted++, 0);
    next[0] = heard->next[0] = 1000;
    next[1] = heard->next[1] = 2000;
}

static inline void heard_find(struct heard *heard, const struct smtpscope_octets *octets)
{
    const struct one_side *want = &heard->want[octets->side];
    size_t *found = &heard->found[octets->side];

    if (!want->text)
        return;
    while (*found + octets->len <= want->len && memcmp(want->text + *found, octets->data, octets->len))
        ++*found;
    if (*found + octets->len > want->len)
        fail_msg("%s: heard, and not said: '%.*s'", heard->label, (int)octets->len, (const char *)octets->data);
    *found += octets->len;
}

/* From now on only what was said may be heard. */
static inline void heard_expect(struct heard *heard, const struct wire *wire, const char *label)
{
    struct one_side *side = NULL;

    heard->label = label;
    for (int i = 0; i < 2; i++)
        heard->want[i].text = malloc(wire->said_len);
    for (size_t i = 0; i < wire->said_len; i++) {
        bool marked =
            (wire->said[i] == 'C' || wire->said[i] == 'S') && wire->said[i + 1] == ':' && (i == 0 || wire->said[i - 1] == '\n');

        if (marked)
            side = &heard->want[wire->said[i++] == 'S'];
        else
            side->text[side->len++] = wire->said[i];
    }
}

/* Offsets count on, and nobody has acknowledged what was not said yet. */
static inline void heard_octets(void *ctx, void *user, const struct smtpscope_octets *octets)
{
    struct heard *heard = ctx;

    (void)user;
    assert_int_equal(heard->decrypted, 1);
    assert_true(octets->len > 0);
    assert_int_equal(octets->offset, heard->next[octets->side]);
    heard->next[octets->side] = octets->offset + octets->len;
    assert_true(octets->acked <= heard->next[!octets->side]);
    heard_find(heard, octets);
    text_add(&heard->text, &heard->len, &heard->size, &heard->last, octets->side, octets->data, octets->len);
}

static inline void heard_gap(void *ctx, void *user, const struct smtpscope_gap *gap)
{
    struct heard *heard = ctx;

    (void)user;
    assert_true(gap->len > 0);
    assert_int_equal(heard->decrypted, 1);
    assert_int_equal(gap->offset, heard->next[gap->side]);
    heard->next[gap->side] = gap->offset + gap->len;
    heard->lost[gap->side] += gap->len;
}

static inline void heard_fact(void *ctx, void *user, const struct smtpscope_fact *fact)
{
    struct heard *heard = ctx;

    (void)user;
    if (fact->type == SMTPSCOPE_FACT_TLS_END) {
        heard->ends++;
        heard->end = *fact->tls_end;
        return;
    }
    if (fact->type == SMTPSCOPE_FACT_INFERRED)
        return;
    assert_int_equal(fact->type, SMTPSCOPE_FACT_HANDSHAKE);
    heard->handshakes++;
    heard->handshake = *fact->handshake;
    snprintf(heard->sni, sizeof heard->sni, "%.*s", (int)fact->handshake->sni.len, fact->handshake->sni.at);
    snprintf(heard->alpn, sizeof heard->alpn, "%.*s", (int)fact->handshake->alpn.len, fact->handshake->alpn.at);
    if (!fact->handshake->certificate)
        return;
    heard->certificate = *fact->handshake->certificate;
    snprintf(heard->subject, sizeof heard->subject, "%.*s", (int)heard->certificate.subject.len, heard->certificate.subject.at);
}

static const struct smtpscope_tls_events heard_events = {
    .decrypted = heard_decrypted, .octets = heard_octets, .gap = heard_gap, .fact = heard_fact};

static inline void heard_keys(struct heard *heard, const char *log, size_t len)
{
    struct smtpscope_keylog *keylog = smtpscope_keylog_new(heard->keys);

    assert_non_null(keylog);
    smtpscope_keylog_read(keylog, (const uint8_t *)log, len);
    smtpscope_keylog_end(keylog);
    smtpscope_keylog_free(keylog);
}

/* `log` NULL: no keys at all. */
static inline struct heard *heard_new(const char *log, smtpscope_time patience)
{
    struct heard *heard = calloc(1, sizeof *heard);
    struct smtpscope_tls_config config = {.events = &heard_events, .ctx = heard, .patience = patience};

    heard->last = -1;
    if (log) {
        heard->keys = smtpscope_keys_new(&(struct smtpscope_keys_config){.hash_seed = 7});
        heard_keys(heard, log, strlen(log));
    }
    config.keys = heard->keys;
    heard->tls = smtpscope_tls_new(&config);
    heard->connection = smtpscope_tls_open(heard->tls, 25, heard);
    return heard;
}

static inline void heard_free(struct heard *heard)
{
    smtpscope_tls_connection_free(heard->connection);
    smtpscope_tls_free(heard->tls);
    smtpscope_keys_free(heard->keys);
    free(heard->want[0].text);
    free(heard->want[1].text);
    free(heard->text);
    free(heard);
}

/* Another connection, of the same keys. */
static inline void heard_again(struct heard *heard)
{
    smtpscope_tls_connection_free(heard->connection);
    heard->connection = smtpscope_tls_open(heard->tls, 25, heard);
    heard->len = heard->handshakes = heard->ends = heard->decrypted = 0;
    heard->last = -1;
    for (int i = 0; i < 2; i++) {
        heard->raw[i] = heard->next[i] = 0;
    }
}

/* A time a packet of a millisecond. */
static inline smtpscope_time heard_time(const struct heard *heard)
{
    return (smtpscope_time)heard->packet * 1000000;
}

/* Shorter ones are many, and guarding them takes most of the time. */
#define GUARDED_LEN 64
static inline void heard_feed(struct heard *heard, enum smtpscope_side side, const uint8_t *data, size_t len)
{
    struct unit_guarded guarded = len >= GUARDED_LEN ? unit_guarded_init(data, len) : (struct unit_guarded){0};
    struct smtpscope_octets octets = {.side = side,
                                      .data = len >= GUARDED_LEN ? guarded.data : data,
                                      .len = len,
                                      .offset = heard->raw[side],
                                      .acked = heard->raw[!side],
                                      .packet = ++heard->packet};

    octets.time = heard_time(heard);
    smtpscope_tls_octets(heard->connection, &octets);
    heard->raw[side] += len;
    if (len >= GUARDED_LEN)
        unit_guarded_fini(&guarded);
}

/* `cut` 0: in the pieces as they were sent. */
static inline void heard_piece(struct heard *heard, const struct piece *piece, size_t cut)
{
    for (size_t at = 0, len; at < piece->len; at += len) {
        len = cut && piece->len - at > cut ? cut : piece->len - at;
        heard_feed(heard, piece->side, piece->data + at, len);
    }
}

static inline void heard_lose(struct heard *heard, const struct piece *piece)
{
    smtpscope_tls_gap(heard->connection, &(struct smtpscope_gap){.side = piece->side,
                                                                 .offset = heard->raw[piece->side],
                                                                 .len = piece->len,
                                                                 .time = heard_time(heard),
                                                                 .packet = ++heard->packet});
    heard->raw[piece->side] += piece->len;
}

static inline void heard_close(struct heard *heard, enum smtpscope_close why, enum smtpscope_side by)
{
    smtpscope_tls_close(heard->connection, &(struct smtpscope_ending){.why = why,
                                                                      .by = by,
                                                                      .fin = {true, true},
                                                                      .seen = {true, true},
                                                                      .fin_time = heard_time(heard),
                                                                      .time = heard_time(heard),
                                                                      .packet = heard->packet});
    assert_int_equal(heard->ends, 1);
}

static inline struct heard *heard_all(const struct wire *wire, const char *log, size_t cut)
{
    struct heard *heard = heard_new(log, 0);

    for (size_t i = 0; i < wire->count; i++)
        heard_piece(heard, &wire->pieces[i], cut);
    heard_close(heard, SMTPSCOPE_CLOSE_FIN, SMTPSCOPE_CLIENT);
    return heard;
}

static inline void heard_check(const struct heard *heard, const char *label, const struct wire *wire)
{
    size_t at = 0;

    while (at < heard->len && at < wire->said_len && heard->text[at] == wire->said[at])
        at++;
    if (heard->len != wire->said_len || at < heard->len)
        fail_msg("%s: %zu octets, want %zu; they differ from %zu on: '%.40s', want '%.40s'", label, heard->len, wire->said_len,
                 at, heard->text ? heard->text + at : "", wire->said + at);
}

/* Fails the n-th request; `rest`: and all behind it. Counts blocks, and their octets by what stands before each. */
struct starving {
    size_t n, requests, blocks, octets;
    bool rest;
};

static inline void *starving_resize(void *ctx, void *memory, size_t size)
{
    struct starving *starving = ctx;
    size_t *block = memory ? (size_t *)memory - 2 : NULL;
    size_t before = block ? *block : 0;

    if (!size) {
        starving->blocks -= memory != NULL;
        starving->octets -= before;
        free(block);
        return NULL;
    }
    starving->requests++;
    if (starving->requests == starving->n || (starving->rest && starving->requests > starving->n))
        return NULL;
    block = realloc(block, size + 2 * sizeof *block);
    starving->octets += size - before;
    starving->blocks += !memory;
    *block = size;
    return block + 2;
}

static inline void heard_starved(const struct wire *wire, const char *label, size_t cut, struct starving *starving)
{
    struct smtpscope_allocator allocator = {starving_resize, starving};
    struct heard *heard = calloc(1, sizeof *heard);
    struct smtpscope_tls_config config = {.allocator = &allocator, .events = &heard_events, .ctx = heard};

    heard->last = -1;
    heard_expect(heard, wire, label);
    heard->keys = smtpscope_keys_new(&(struct smtpscope_keys_config){.allocator = &allocator});
    if (heard->keys) {
        struct smtpscope_keylog *keylog = smtpscope_keylog_new(heard->keys);

        if (keylog)
            smtpscope_keylog_read(keylog, (const uint8_t *)wire->keys, wire->keys_len);
        smtpscope_keylog_free(keylog);
    }
    config.keys = heard->keys;
    config.patience = cut ? SMTPSCOPE_SECOND : 0;
    heard->tls = smtpscope_tls_new(&config);
    heard->connection = heard->tls ? smtpscope_tls_open(heard->tls, 25, heard) : NULL;
    for (size_t i = 0; heard->connection && i < wire->count; i++)
        heard_piece(heard, &wire->pieces[i], cut);
    if (heard->connection)
        heard_close(heard, SMTPSCOPE_CLOSE_FIN, SMTPSCOPE_CLIENT);
    heard_free(heard);
}

#endif
