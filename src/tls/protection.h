/* SPDX-License-Identifier: BSD-2-Clause */
/* The key of one direction in one epoch: how a record is opened, RFC 8446 5.2 and 5.3, RFC 5246 6.2.3. */
#ifndef TLS_PROTECTION_H
#define TLS_PROTECTION_H

#include "crypto.h"

#define RECORD_HEAD 5
/* RFC 5246 6.2.3; TLS 1.3 allows less (RFC 8446 5.2). */
#define RECORD_MAX (16384 + 2048)

/* A record as it was sent: `head` and, elsewhere, its fragment. */
struct tls_record {
    const uint8_t *head; /* RECORD_HEAD octets: type, version, length */
    const uint8_t *at;
    size_t len;
};

/* Octets of the fragment. */
static inline size_t head_fragment(const uint8_t head[RECORD_HEAD])
{
    return (size_t)(head[3] << 8 | head[4]);
}

/* What was in it; the octets are the scratch room's. */
struct content {
    uint8_t type;
    const uint8_t *at;
    size_t len;
};

#define SEQUENCE_MAX (((uint64_t)1 << 40) - 1)
/* Two of these are what a session inside TLS costs more than another one, where its keys are known. */
struct protection {
    uint64_t sequence : 40;    /* of the next record: more than the octets of any connection */
    uint64_t suite : 8;        /* see suite_at() */
    uint64_t len : 7;          /* of `secret` */
    uint64_t minor : 3;        /* of the version, 3.minor */
    bool encrypt_then_mac : 1; /* RFC 7366 */
    bool unchained : 1;        /* the record before is lost, and with it the IV of the next one: CBC of TLS 1.0 */
    uint8_t secret[]; /* TLS 1.3: the traffic secret. Before: MAC key, key and IV; of CBC in 1.0 the IV of the next record */
};

/* What protections are made with and use. */
struct protections {
    const struct smtpscope_allocator *allocator;
    struct crypto *crypto;
    uint8_t scratch[RECORD_MAX]; /* one opened record */
};

/* A key of TLS 1.3 from its traffic secret. NULL: out of memory, or the suite is not one that can be opened with it. */
struct protection *protection_of_secret(struct protections *all, const struct suite *suite,
                                        const struct smtpscope_secret *secret);
/* The key of one side up to TLS 1.2. */
struct connection_randoms {
    const uint8_t *side[2]; /* SMTPSCOPE_RANDOM_LEN octets each */
};
struct protection *protection_of_master(struct protections *all, const struct suite *suite, uint16_t version,
                                        bool encrypt_then_mac, const struct smtpscope_secret *master,
                                        const struct connection_randoms *randoms, enum smtpscope_side side);
/* The generation behind a KeyUpdate (RFC 8446 7.2), from its first record on. */
struct protection *protection_next(struct protections *all, const struct protection *protection);
/* Wipes it, wherever it is. NULL is fine. */
void protection_free(struct protections *all, struct protection *protection);

/* Is the record authentic as number `sequence`? Then `content` is what is in it. Changes nothing in the protection. */
bool protection_open(struct protections *all, const struct protection *protection, uint64_t sequence,
                     const struct tls_record *record, struct content *content);
/*
 * In CBC of TLS 1.0 a record's IV is the end of the ciphertext before it: of `len` octets that were seen there, or, without them,
 * not known. Then the record cannot be read: a MAC over the ciphertext says nothing of its first block.
 */
void protection_chain(struct protection *protection, const uint8_t *before, size_t len);

/* Octets of a record's fragment that are not its content: see suite_overhead(). */
size_t protection_overhead(const struct protection *protection);

#endif
