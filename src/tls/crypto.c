/* SPDX-License-Identifier: BSD-2-Clause */
#include "crypto.h"

#include "base/hash.h"
#include "base/memory.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/x509v3.h>

/* Both directions of some dozens of connections: to set a key again costs about as much as to open a short record. */
#define CONTEXTS 64

struct crypto_context {
    const void *owner; /* NULL: nobody's */
    const struct cipher_shape *shape;
    size_t mac_len;
    uint8_t iv[CRYPTO_NONCE];
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
};

struct crypto {
    const struct smtpscope_allocator *allocator;
    EVP_KDF *hkdf, *prf;
    EVP_MAC *hmac;
    EVP_CIPHER *ciphers[CIPHERS];
    struct crypto_context contexts[CONTEXTS];
};

static const char *const digest_names[] = {
    [DIGEST_MD5] = "MD5", [DIGEST_SHA1] = "SHA1", [DIGEST_SHA256] = "SHA256", [DIGEST_SHA384] = "SHA384"};

struct crypto *crypto_new(const struct smtpscope_allocator *allocator)
{
    struct crypto *crypto = memory_new(allocator, sizeof *crypto);

    if (!crypto)
        return NULL;
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    crypto->allocator = allocator;
    crypto->hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    crypto->prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    crypto->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (crypto->hkdf && crypto->prf && crypto->hmac)
        return crypto;
    crypto_free(crypto);
    return NULL;
}

void crypto_free(struct crypto *crypto)
{
    if (!crypto)
        return;
    for (size_t i = 0; i < CONTEXTS; i++) {
        EVP_CIPHER_CTX_free(crypto->contexts[i].cipher);
        EVP_MAC_CTX_free(crypto->contexts[i].mac);
        OPENSSL_cleanse(crypto->contexts[i].iv, sizeof crypto->contexts[i].iv);
    }
    for (size_t i = 0; i < CIPHERS; i++)
        EVP_CIPHER_free(crypto->ciphers[i]);
    EVP_KDF_free(crypto->hkdf);
    EVP_KDF_free(crypto->prf);
    EVP_MAC_free(crypto->hmac);
    memory_free(crypto->allocator, crypto);
}

void crypto_wipe(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}

/* The library takes what it only reads as if it wrote to it. */
static OSSL_PARAM octets_param(const char *name, const void *at, size_t len)
{
    union {
        const void *in;
        void *out;
    } octets = {at};

    return OSSL_PARAM_construct_octet_string(name, octets.out, len);
}

static OSSL_PARAM text_param(const char *name, const char *text)
{
    union {
        const char *in;
        char *out;
    } octets = {text};

    return OSSL_PARAM_construct_utf8_string(name, octets.out, 0);
}

static bool derive(EVP_KDF *kdf, const OSSL_PARAM *params, uint8_t *out, size_t len)
{
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    bool right = context && EVP_KDF_derive(context, out, len, params) > 0;

    EVP_KDF_CTX_free(context);
    return right;
}

bool crypto_expand_label(struct crypto *crypto, enum digest digest, const uint8_t *secret, const char *label, uint8_t *out,
                         size_t len)
{
    static const char prefix[] = "tls13 ";
    size_t label_len = sizeof prefix - 1 + strlen(label), used = 0;
    uint8_t info[2 + 1 + 64 + 1];
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;

    assert(label_len <= 64);
    info[used++] = (uint8_t)(len >> 8);
    info[used++] = (uint8_t)len;
    info[used++] = (uint8_t)label_len;
    memcpy(info + used, prefix, sizeof prefix - 1);
    memcpy(info + used + sizeof prefix - 1, label, strlen(label));
    used += label_len;
    info[used++] = 0;
    return derive(crypto->hkdf,
                  (OSSL_PARAM[]){OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                                 text_param(OSSL_KDF_PARAM_DIGEST, digest_names[digest]),
                                 octets_param(OSSL_KDF_PARAM_KEY, secret, digest_len(digest)),
                                 octets_param(OSSL_KDF_PARAM_INFO, info, used), OSSL_PARAM_construct_end()},
                  out, len);
}

bool crypto_prf(struct crypto *crypto, uint16_t version, enum digest digest, const struct smtpscope_secret *master,
                const struct crypto_part *seed, size_t parts, uint8_t *out, size_t len)
{
    OSSL_PARAM params[8];
    size_t count = 0;

    assert(parts + 3 <= sizeof params / sizeof *params);
    params[count++] = text_param(OSSL_KDF_PARAM_DIGEST, version < TLS_1_2 ? "MD5-SHA1" : digest_names[digest]);
    params[count++] = octets_param(OSSL_KDF_PARAM_SECRET, master->octets, master->len);
    for (size_t i = 0; i < parts; i++)
        params[count++] = octets_param(OSSL_KDF_PARAM_SEED, seed[i].at, seed[i].len);
    params[count] = OSSL_PARAM_construct_end();
    return derive(crypto->prf, params, out, len);
}

static struct crypto_context *context_of(struct crypto *crypto, const void *owner)
{
    return &crypto->contexts[hash_mix((uintptr_t)owner, 0) % CONTEXTS];
}

struct crypto_context *crypto_find(struct crypto *crypto, const void *owner)
{
    struct crypto_context *context = context_of(crypto, owner);

    return context->owner == owner ? context : NULL;
}

/* Both wipe what they had. */
void crypto_forget(struct crypto *crypto, const void *owner)
{
    struct crypto_context *context = crypto_find(crypto, owner);

    if (!context)
        return;
    context->owner = NULL;
    if (context->cipher)
        EVP_CIPHER_CTX_reset(context->cipher);
    EVP_MAC_CTX_free(context->mac);
    context->mac = NULL;
    OPENSSL_cleanse(context->iv, sizeof context->iv);
}

static bool cipher_set(struct crypto *crypto, struct crypto_context *context, const struct suite *suite, const uint8_t *key)
{
    const struct cipher_shape *shape = suite_shape(suite);
    EVP_CIPHER **cipher = &crypto->ciphers[suite->cipher];
    int tag = shape->tag;

    if (!*cipher)
        *cipher = EVP_CIPHER_fetch(NULL, shape->name, NULL);
    if (!*cipher)
        return false;
    if (!context->cipher && !(context->cipher = EVP_CIPHER_CTX_new()))
        return false;
    EVP_CIPHER_CTX_reset(context->cipher);
    if (EVP_DecryptInit_ex2(context->cipher, *cipher, NULL, NULL, NULL) <= 0)
        return false;
    if (shape->kind == KIND_CCM && (EVP_CIPHER_CTX_ctrl(context->cipher, EVP_CTRL_AEAD_SET_IVLEN, CRYPTO_NONCE, NULL) <= 0 ||
                                    EVP_CIPHER_CTX_ctrl(context->cipher, EVP_CTRL_AEAD_SET_TAG, tag, NULL) <= 0))
        return false;
    EVP_CIPHER_CTX_set_padding(context->cipher, 0);
    return EVP_DecryptInit_ex2(context->cipher, NULL, key, NULL, NULL) > 0;
}

static bool mac_set(struct crypto *crypto, struct crypto_context *context, enum digest digest, const uint8_t *key)
{
    OSSL_PARAM params[] = {text_param(OSSL_MAC_PARAM_DIGEST, digest_names[digest]), OSSL_PARAM_construct_end()};

    context->mac_len = digest_len(digest);
    if (!context->mac && !(context->mac = EVP_MAC_CTX_new(crypto->hmac)))
        return false;
    return EVP_MAC_init(context->mac, key, context->mac_len, params) > 0;
}

struct crypto_context *crypto_set(struct crypto *crypto, const void *owner, const struct suite *suite,
                                  const struct crypto_key *key)
{
    struct crypto_context *context = context_of(crypto, owner);

    assert(key->iv_len <= sizeof context->iv);
    context->owner = NULL;
    context->shape = suite_shape(suite);
    if (!cipher_set(crypto, context, suite, key->key) ||
        (key->mac && !mac_set(crypto, context, (enum digest)suite->digest, key->mac)))
        return NULL;
    if (key->iv_len)
        memcpy(context->iv, key->iv, key->iv_len);
    context->owner = owner;
    return context;
}

const uint8_t *crypto_iv(const struct crypto_context *context)
{
    return context->iv;
}

/* The nonce, the tag that is wanted, and of CCM the length beforehand. */
static bool open_begin(struct crypto_context *context, const uint8_t nonce[CRYPTO_NONCE], const uint8_t *tag, size_t len)
{
    union {
        const uint8_t *in;
        void *out;
    } octets = {tag};
    int used;

    if (context->shape->kind == KIND_CCM &&
        EVP_CIPHER_CTX_ctrl(context->cipher, EVP_CTRL_AEAD_SET_TAG, context->shape->tag, octets.out) <= 0)
        return false;
    if (EVP_DecryptInit_ex2(context->cipher, NULL, NULL, nonce, NULL) <= 0)
        return false;
    if (context->shape->kind == KIND_CCM)
        return EVP_DecryptUpdate(context->cipher, NULL, &used, NULL, (int)len) > 0;
    return EVP_CIPHER_CTX_ctrl(context->cipher, EVP_CTRL_AEAD_SET_TAG, context->shape->tag, octets.out) > 0;
}

static bool open_octets(struct crypto_context *context, const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t len,
                        uint8_t *out)
{
    int used = 0;
    /* CCM authenticates in the one call that gives the octets, and wants it even where there are none. */
    static const uint8_t none[1];

    if (EVP_DecryptUpdate(context->cipher, NULL, &used, aad, (int)aad_len) <= 0)
        return false;
    if (context->shape->kind == KIND_CCM)
        return EVP_DecryptUpdate(context->cipher, out, &used, len ? in : none, (int)len) > 0;
    if (len && EVP_DecryptUpdate(context->cipher, out, &used, in, (int)len) <= 0)
        return false;
    return EVP_DecryptFinal_ex(context->cipher, out + len, &used) > 0;
}

bool crypto_open(struct crypto_context *context, const uint8_t nonce[CRYPTO_NONCE], const uint8_t *aad, size_t aad_len,
                 const uint8_t *in, size_t len, uint8_t *out)
{
    bool right = open_begin(context, nonce, in + len, len) && open_octets(context, aad, aad_len, in, len, out);

    if (!right)
        OPENSSL_cleanse(out, len);
    return right;
}

bool crypto_decrypt(struct crypto_context *context, const uint8_t *iv, const uint8_t *in, size_t len, uint8_t *out)
{
    int used;

    return EVP_DecryptInit_ex2(context->cipher, NULL, NULL, iv, NULL) > 0 &&
           EVP_DecryptUpdate(context->cipher, out, &used, in, (int)len) > 0 && (size_t)used == len;
}

bool crypto_verify(struct crypto_context *context, const struct crypto_part *parts, size_t count, const uint8_t *want)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    size_t len;

    if (EVP_MAC_init(context->mac, NULL, 0, NULL) <= 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (EVP_MAC_update(context->mac, parts[i].at, parts[i].len) <= 0)
            return false;
    return EVP_MAC_final(context->mac, mac, &len, sizeof mac) > 0 && len == context->mac_len && !CRYPTO_memcmp(mac, want, len);
}

/* --- certificates */

static size_t name_write(const X509_NAME *name, char room[CRYPTO_NAME_MAX])
{
    BIO *bio = BIO_new(BIO_s_mem());
    const char *at = NULL;
    long len = 0;

    if (bio &&
        X509_NAME_print_ex(bio, name, 0,
                           XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_UTF8_CONVERT) >= 0)
        len = BIO_get_mem_data(bio, &at);
    len = len < CRYPTO_NAME_MAX ? len : CRYPTO_NAME_MAX;
    if (len > 0)
        memcpy(room, at, (size_t)len);
    BIO_free(bio);
    return len > 0 ? (size_t)len : 0;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar; years begin in March, so that the odd day is their last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    month += month <= 2 ? 9 : -3;
    return year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719468;
}

/* False: the certificate has no such time that can be counted in nanoseconds. */
static bool time_read(const ASN1_TIME *time, smtpscope_time *out)
{
    struct tm tm = {0};

    if (!time || !ASN1_TIME_to_tm(time, &tm))
        return false;
    if (tm.tm_year < 70)
        *out = 0;
    else if (tm.tm_year > 350) /* "no well-defined expiration date" is the year 9999, RFC 5280 4.1.2.5 */
        *out = INT64_MAX;
    else
        *out = (((days_of(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) * 24 + tm.tm_hour) * 60 + tm.tm_min) * 60 + tm.tm_sec) *
               SMTPSCOPE_SECOND;
    return true;
}

bool crypto_certificate(const uint8_t *der, size_t len, const struct smtpscope_text *name, struct crypto_names *room,
                        struct smtpscope_certificate *certificate)
{
    X509 *x509 = d2i_X509(NULL, &der, (long)len);
    bool right;

    *certificate = (struct smtpscope_certificate){0};
    if (!x509)
        return false;
    certificate->subject = (struct smtpscope_text){room->subject, name_write(X509_get_subject_name(x509), room->subject)};
    certificate->issuer = (struct smtpscope_text){room->issuer, name_write(X509_get_issuer_name(x509), room->issuer)};
    right = time_read(X509_get0_notBefore(x509), &certificate->not_before) &&
            time_read(X509_get0_notAfter(x509), &certificate->not_after);
    certificate->self_signed = X509_self_signed(x509, 0) == 1;
    certificate->other_name = name && name->len && X509_check_host(x509, name->at, name->len, 0, NULL) == 0;
    X509_free(x509);
    return right;
}
