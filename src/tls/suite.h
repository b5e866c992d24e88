/* SPDX-License-Identifier: BSD-2-Clause */
/* Cipher suites, and the shapes that their records have. */
#ifndef TLS_SUITE_H
#define TLS_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Versions as they stand on the wire. */
enum { SSL_3 = 0x0300, TLS_1_0 = 0x0301, TLS_1_1 = 0x0302, TLS_1_2 = 0x0303, TLS_1_3 = 0x0304 };

enum cipher {
#define CIPHER(id, name, kind, key, iv, explicit_iv, tag) CIPHER_##id,
#include "ciphers.def"
    CIPHERS
};

enum cipher_kind { KIND_NONE, KIND_AEAD, KIND_CCM, KIND_CBC };

/* `name`: OpenSSL's. Lengths in octets; `iv` is the part that is a secret, `explicit_iv` the part in each record before 1.3. */
struct cipher_shape {
    const char *name;
    enum cipher_kind kind;
    uint8_t key, iv, explicit_iv, tag;
};

enum digest { DIGEST_MD5, DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGESTS };
#define DIGEST_MAX 48

enum weakness { WEAKNESS_NONE, WEAKNESS_STATIC, WEAKNESS_BROKEN };

struct suite {
    uint16_t id;
    uint8_t cipher, digest, weakness; /* enums of these names */
    const char *name;
};

/* NULL: not in the table. */
const struct suite *suite_find(uint16_t id);
/* Its place in the table, below 256; and the other way round. */
uint8_t suite_place(const struct suite *suite);
const struct suite *suite_at(uint8_t place);
const struct cipher_shape *suite_shape(const struct suite *suite);
/* Octets that a digest gives. */
size_t digest_len(enum digest digest);
/* The digest of the key derivation. */
enum digest suite_derivation(const struct suite *suite);
/* Octets of a record's fragment that are not its content: exact for AEAD without padding. `suite` NULL: a guess. */
size_t suite_overhead(const struct suite *suite, uint16_t version);

#endif
