/* SPDX-License-Identifier: BSD-2-Clause */
#include "suite.h"

static const struct suite suites[] = {
#define SUITE(id, name, cipher, digest, weakness) {id, CIPHER_##cipher, DIGEST_##digest, WEAKNESS_##weakness, name},
#include "suites.def"
};

static const struct cipher_shape shapes[] = {
#define CIPHER(id, name, kind, key, iv, explicit_iv, tag) {name, KIND_##kind, key, iv, explicit_iv, tag},
#include "ciphers.def"
};

const struct suite *suite_find(uint16_t id)
{
    size_t low = 0, high = sizeof suites / sizeof *suites;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (suites[middle].id == id)
            return &suites[middle];
        if (suites[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

_Static_assert(sizeof suites / sizeof *suites <= 256, "a suite's place fits in an octet");

uint8_t suite_place(const struct suite *suite)
{
    return (uint8_t)(suite - suites);
}

const struct suite *suite_at(uint8_t place)
{
    return &suites[place];
}

const struct cipher_shape *suite_shape(const struct suite *suite)
{
    return &shapes[suite->cipher];
}

size_t digest_len(enum digest digest)
{
    static const uint8_t lens[] = {[DIGEST_MD5] = 16, [DIGEST_SHA1] = 20, [DIGEST_SHA256] = 32, [DIGEST_SHA384] = 48};

    return lens[digest];
}

enum digest suite_derivation(const struct suite *suite)
{
    return suite->digest == DIGEST_SHA384 ? DIGEST_SHA384 : DIGEST_SHA256;
}

size_t suite_overhead(const struct suite *suite, uint16_t version)
{
    const struct cipher_shape *shape = suite ? suite_shape(suite) : &shapes[CIPHER_AES_128_GCM];
    size_t content_type = version >= TLS_1_3; /* behind the content */

    if (shape->kind == KIND_CBC) /* half a block of padding */
        return (version > TLS_1_0 ? shape->explicit_iv : 0u) + digest_len((enum digest)suite->digest) + shape->explicit_iv / 2u;
    return (version >= TLS_1_3 ? 0u : shape->explicit_iv) + shape->tag + content_type;
}
