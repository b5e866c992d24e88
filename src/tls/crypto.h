/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What TLS asks of a crypto library, and the only place that knows which one it is: OpenSSL's libcrypto, which is used without
 * its configuration file and allocates for itself.
 */
#ifndef TLS_CRYPTO_H
#define TLS_CRYPTO_H

#include "smtpscope/tls.h"
#include "suite.h"

/* The library as one thread uses it: fetched algorithms, and contexts with keys for the connections that spoke last. */
struct crypto;

/* NULL: out of memory. */
struct crypto *crypto_new(const struct smtpscope_allocator *allocator);
/* Wipes all keys. */
void crypto_free(struct crypto *crypto);

/* Octets of one thing in parts. */
struct crypto_part {
    const void *at;
    size_t len;
};

/* RFC 8446 7.1 with an empty context. `secret` is as long as the digest. */
bool crypto_expand_label(struct crypto *crypto, enum digest digest, const uint8_t *secret, const char *label, uint8_t *out,
                         size_t len);
/* The PRF of RFC 5246 5, or before `version` 1.2 that of RFC 2246 5, over a master secret. `seed` begins with the label. */
bool crypto_prf(struct crypto *crypto, uint16_t version, enum digest digest, const struct smtpscope_secret *master,
                const struct crypto_part *seed, size_t parts, uint8_t *out, size_t len);

#define CRYPTO_NONCE 12

/*
 * A key of one direction, ready for use. Contexts are large, so a crypto has few, each of the owner that used it last: `owner`
 * stands for one key until crypto_forget(). `crypto_find()` gives NULL where the key has to be set again.
 */
struct crypto_context;
struct crypto_context *crypto_find(struct crypto *crypto, const void *owner);
/* `mac` NULL: none. `iv`: kept beside the key, see crypto_iv(). */
struct crypto_key {
    const uint8_t *key, *mac, *iv;
    size_t iv_len;
};
/* NULL: the library does not take the key. */
struct crypto_context *crypto_set(struct crypto *crypto, const void *owner, const struct suite *suite,
                                  const struct crypto_key *key);
/* Wipes the owner's key, if it is there. */
void crypto_forget(struct crypto *crypto, const void *owner);
const uint8_t *crypto_iv(const struct crypto_context *context);

/* Opens `len` octets at `in`, the tag behind them, into `out`. False: not authentic; `out` is then wiped. */
bool crypto_open(struct crypto_context *context, const uint8_t nonce[CRYPTO_NONCE], const uint8_t *aad, size_t aad_len,
                 const uint8_t *in, size_t len, uint8_t *out);
/* CBC without any check; `len` is a multiple of the block. */
bool crypto_decrypt(struct crypto_context *context, const uint8_t *iv, const uint8_t *in, size_t len, uint8_t *out);
/* Is `want` the HMAC of the parts? */
bool crypto_verify(struct crypto_context *context, const struct crypto_part *parts, size_t count, const uint8_t *want);

/*
 * Reads an X.509 certificate in DER; texts are written into `room` and stay there. `name` NULL or the name that the client asked
 * for. False: it is none.
 */
#define CRYPTO_NAME_MAX 256
struct crypto_names {
    char subject[CRYPTO_NAME_MAX], issuer[CRYPTO_NAME_MAX];
};
bool crypto_certificate(const uint8_t *der, size_t len, const struct smtpscope_text *name, struct crypto_names *room,
                        struct smtpscope_certificate *certificate);

/* Overwrites a secret that is no longer needed. */
void crypto_wipe(void *secret, size_t len);

#endif
