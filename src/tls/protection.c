/* SPDX-License-Identifier: BSD-2-Clause */
#include "protection.h"

#include "base/memory.h"

/* What stands before the content in what a MAC or a tag covers up to TLS 1.2: sequence number, type, version, length. */
#define PSEUDO_HEAD 13

static const struct suite *suite_of(const struct protection *protection)
{
    return suite_at(protection->suite);
}

static uint16_t version_of(const struct protection *protection)
{
    return (uint16_t)(SSL_3 | protection->minor);
}

static bool is_chained(const struct protection *protection)
{
    return version_of(protection) <= TLS_1_0 && suite_shape(suite_of(protection))->kind == KIND_CBC;
}

static struct protection *protection_new(struct protections *all, const struct suite *suite, uint16_t version, size_t len)
{
    struct protection *protection = memory_new(all->allocator, sizeof *protection + len);

    if (!protection)
        return NULL;
    protection->suite = suite_place(suite);
    protection->minor = version & 7u;
    protection->len = len & 0x7fu;
    return protection;
}

void protection_free(struct protections *all, struct protection *protection)
{
    if (!protection)
        return;
    crypto_forget(all->crypto, protection);
    memory_wipe(protection->secret, protection->len);
    memory_free(all->allocator, protection);
}

struct protection *protection_of_secret(struct protections *all, const struct suite *suite,
                                        const struct smtpscope_secret *secret)
{
    struct protection *protection;

    if (!suite || suite_shape(suite)->kind == KIND_NONE || suite_shape(suite)->kind == KIND_CBC ||
        secret->len != digest_len((enum digest)suite->digest))
        return NULL;
    protection = protection_new(all, suite, TLS_1_3, secret->len);
    if (protection)
        memcpy(protection->secret, secret->octets, secret->len);
    return protection;
}

static size_t mac_len(const struct suite *suite)
{
    return suite_shape(suite)->kind == KIND_CBC ? digest_len((enum digest)suite->digest) : 0;
}

/* RFC 5246 6.3: MAC keys, keys, IVs, in each pair the client's first. */
static void block_take(struct protection *protection, const uint8_t *block, enum smtpscope_side side)
{
    const struct cipher_shape *shape = suite_shape(suite_of(protection));
    const size_t lens[] = {mac_len(suite_of(protection)), shape->key, shape->iv};
    uint8_t *to = protection->secret;

    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        memcpy(to, block + side * lens[i], lens[i]);
        to += lens[i];
        block += 2 * lens[i];
    }
}

struct protection *protection_of_master(struct protections *all, const struct suite *suite, uint16_t version,
                                        bool encrypt_then_mac, const struct smtpscope_secret *master,
                                        const struct connection_randoms *randoms, enum smtpscope_side side)
{
    const struct cipher_shape *shape = suite ? suite_shape(suite) : NULL;
    struct protection *protection;
    uint8_t block[2 * (DIGEST_MAX + 32 + 16)];
    struct crypto_part seed[] = {{"key expansion", 13},
                                 {randoms->side[SMTPSCOPE_SERVER], SMTPSCOPE_RANDOM_LEN},
                                 {randoms->side[SMTPSCOPE_CLIENT], SMTPSCOPE_RANDOM_LEN}};
    size_t len;

    if (!shape || shape->kind == KIND_NONE)
        return NULL;
    len = mac_len(suite) + shape->key + shape->iv;
    protection = protection_new(all, suite, version, len);
    if (!protection)
        return NULL;
    protection->encrypt_then_mac = encrypt_then_mac && shape->kind == KIND_CBC;
    if (crypto_prf(all->crypto, version, suite_derivation(suite), master, seed, 3, block, 2 * len)) {
        block_take(protection, block, side);
    } else {
        protection_free(all, protection);
        protection = NULL;
    }
    memory_wipe(block, sizeof block);
    return protection;
}

struct protection *protection_next(struct protections *all, const struct protection *protection)
{
    struct protection *next = protection_new(all, suite_of(protection), version_of(protection), protection->len);

    if (next && !crypto_expand_label(all->crypto, (enum digest)suite_of(protection)->digest, protection->secret, "traffic upd",
                                     next->secret, next->len)) {
        protection_free(all, next);
        next = NULL;
    }
    return next;
}

/* --- contexts */

static struct crypto_context *context_of_secret(struct protections *all, const struct protection *protection)
{
    enum digest digest = (enum digest)suite_of(protection)->digest;
    uint8_t key[32], iv[CRYPTO_NONCE];
    struct crypto_context *context = NULL;

    if (crypto_expand_label(all->crypto, digest, protection->secret, "key", key, suite_shape(suite_of(protection))->key) &&
        crypto_expand_label(all->crypto, digest, protection->secret, "iv", iv, sizeof iv))
        context = crypto_set(all->crypto, protection, suite_of(protection),
                             &(struct crypto_key){.key = key, .iv = iv, .iv_len = sizeof iv});
    memory_wipe(key, sizeof key);
    memory_wipe(iv, sizeof iv);
    return context;
}

static struct crypto_context *context_of(struct protections *all, const struct protection *protection)
{
    struct crypto_context *context = crypto_find(all->crypto, protection);
    const struct cipher_shape *shape = suite_shape(suite_of(protection));
    size_t mac = mac_len(suite_of(protection));

    if (context)
        return context;
    if (version_of(protection) >= TLS_1_3)
        return context_of_secret(all, protection);
    return crypto_set(all->crypto, protection, suite_of(protection),
                      &(struct crypto_key){.mac = mac ? protection->secret : NULL,
                                           .key = protection->secret + mac,
                                           .iv = protection->secret + mac + shape->key,
                                           .iv_len = shape->kind == KIND_CBC ? 0 : shape->iv});
}

/* --- opening */

static void put_be64(uint8_t *at, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)value;
}

/* RFC 8446 5.3; RFC 7905 2 for ChaCha20 in 1.2: the sequence number on the right of the IV. */
static void nonce_of_sequence(struct crypto_context *context, uint64_t sequence, uint8_t nonce[CRYPTO_NONCE])
{
    uint8_t number[8];

    memcpy(nonce, crypto_iv(context), CRYPTO_NONCE);
    put_be64(number, sequence);
    for (size_t i = 0; i < sizeof number; i++)
        nonce[CRYPTO_NONCE - sizeof number + i] ^= number[i];
}

static void pseudo_head(uint8_t head[PSEUDO_HEAD], uint64_t sequence, const struct tls_record *record, size_t len)
{
    put_be64(head, sequence);
    memcpy(head + 8, record->head, 3);
    head[11] = (uint8_t)(len >> 8);
    head[12] = (uint8_t)len;
}

/* TLSInnerPlaintext, RFC 8446 5.2: content, type, zeros. */
static bool inner_read(struct content *content)
{
    while (content->len && !content->at[content->len - 1])
        content->len--;
    if (!content->len)
        return false;
    content->type = content->at[--content->len];
    return true;
}

static bool open_13(struct protections *all, struct crypto_context *context, size_t tag, uint64_t sequence,
                    const struct tls_record *record, struct content *content)
{
    uint8_t nonce[CRYPTO_NONCE];

    if (record->len < tag + 1)
        return false;
    nonce_of_sequence(context, sequence, nonce);
    if (!crypto_open(context, nonce, record->head, RECORD_HEAD, record->at, record->len - tag, all->scratch))
        return false;
    *content = (struct content){0, all->scratch, record->len - tag};
    return inner_read(content);
}

static bool open_aead(struct protections *all, struct crypto_context *context, const struct cipher_shape *shape,
                      uint64_t sequence, const struct tls_record *record, struct content *content)
{
    uint8_t nonce[CRYPTO_NONCE], head[PSEUDO_HEAD];
    size_t before = shape->explicit_iv, len;

    if (record->len < before + shape->tag)
        return false;
    len = record->len - before - shape->tag;
    if (before) {
        memcpy(nonce, crypto_iv(context), shape->iv);
        memcpy(nonce + shape->iv, record->at, before);
    } else {
        nonce_of_sequence(context, sequence, nonce);
    }
    pseudo_head(head, sequence, record, len);
    *content = (struct content){record->head[0], all->scratch, len};
    return crypto_open(context, nonce, head, sizeof head, record->at + before, len, all->scratch);
}

/* RFC 5246 6.2.3.2: each octet of the padding is its length. 0: it is not; else the octets of padding and length. */
static size_t padding_len(const uint8_t *at, size_t len)
{
    size_t padding = len ? at[len - 1] + (size_t)1 : 0;

    if (padding > len)
        return 0;
    for (size_t i = 1; i <= padding; i++)
        if (at[len - i] != padding - 1)
            return 0;
    return padding;
}

/* What a MAC covers: the pseudo head with the octets' length, and the octets. */
static bool mac_is_right(struct crypto_context *context, uint64_t sequence, const struct tls_record *record, const uint8_t *at,
                         size_t len, const uint8_t *mac)
{
    uint8_t head[PSEUDO_HEAD];

    pseudo_head(head, sequence, record, len);
    return crypto_verify(context, (const struct crypto_part[]){{head, sizeof head}, {at, len}}, 2, mac);
}

static bool open_cbc(struct protections *all, struct crypto_context *context, const struct protection *protection,
                     uint64_t sequence, const struct tls_record *record, struct content *content)
{
    const struct cipher_shape *shape = suite_shape(suite_of(protection));
    size_t block = shape->explicit_iv, mac = mac_len(suite_of(protection)), padding;
    bool chained = is_chained(protection), mac_outside = protection->encrypt_then_mac;
    const uint8_t *iv = chained ? protection->secret + mac + shape->key : record->at;
    size_t before = chained ? 0 : block, behind = mac_outside ? mac : 0, len;

    if (record->len < before + block + behind || (record->len - before - behind) % block)
        return false;
    len = record->len - before - behind;
    if (mac_outside && !mac_is_right(context, sequence, record, record->at, before + len, record->at + before + len))
        return false;
    if (!crypto_decrypt(context, iv, record->at + before, len, all->scratch))
        return false;
    padding = padding_len(all->scratch, len);
    mac -= behind;
    if (!padding || len < padding + mac)
        return false;
    len -= padding + mac;
    *content = (struct content){record->head[0], all->scratch, len};
    return mac_outside || mac_is_right(context, sequence, record, all->scratch, len, all->scratch + len);
}

bool protection_open(struct protections *all, const struct protection *protection, uint64_t sequence,
                     const struct tls_record *record, struct content *content)
{
    const struct cipher_shape *shape = suite_shape(suite_of(protection));
    struct crypto_context *context = record->len <= RECORD_MAX && !protection->unchained ? context_of(all, protection) : NULL;

    if (!context)
        return false;
    if (version_of(protection) >= TLS_1_3)
        return open_13(all, context, shape->tag, sequence, record, content);
    if (shape->kind == KIND_CBC)
        return open_cbc(all, context, protection, sequence, record, content);
    return open_aead(all, context, shape, sequence, record, content);
}

void protection_chain(struct protection *protection, const uint8_t *before, size_t len)
{
    const struct cipher_shape *shape = suite_shape(suite_of(protection));
    size_t behind = protection->encrypt_then_mac ? mac_len(suite_of(protection)) : 0, block = shape->explicit_iv;

    if (!is_chained(protection))
        return;
    protection->unchained = len < block + behind;
    if (!protection->unchained)
        memcpy(protection->secret + mac_len(suite_of(protection)) + shape->key, before + len - behind - block, block);
}

size_t protection_overhead(const struct protection *protection)
{
    return suite_overhead(suite_of(protection), version_of(protection));
}
