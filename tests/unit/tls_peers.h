/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two peers of libssl that talk SMTP inside TLS in memory: the octets that would cross the wire, the key log, and what was said.
 * The stage under test has nothing of libssl.
 */
#ifndef SMTPSCOPE_TESTS_TLS_PEERS_H
#define SMTPSCOPE_TESTS_TLS_PEERS_H

#include "smtpscope/tls.h"
#include "unit.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* What a row of talks wants besides version and cipher. */
enum peers_option {
    PEERS_RETRY = 1 << 0,          /* HelloRetryRequest */
    PEERS_CLIENT_CERT = 1 << 1,    /* the server asks for one, and gets it */
    PEERS_NO_ETM = 1 << 2,         /* MAC, then encrypt */
    PEERS_KEY_UPDATE = 1 << 3,     /* of both sides, in the middle */
    PEERS_RENEGOTIATE = 1 << 4,    /* by the client, in the middle */
    PEERS_PADDING = 1 << 5,        /* records padded to 512 */
    PEERS_SPLIT = 1 << 6,          /* records of 512 octets at most */
    PEERS_TICKET = 1 << 7,         /* the second talk resumes the first by a ticket */
    PEERS_SESSION_ID = 1 << 8,     /* ... by a session id */
    PEERS_EARLY = 1 << 9,          /* the resumed talk has early data */
    PEERS_EARLY_REFUSED = 1 << 10, /* ... which the server does not take */
    PEERS_RSA_KEY = 1 << 11,       /* the certificate has an RSA key */
    PEERS_GREETING = 1 << 12,      /* the server speaks first, as on port 465 */
    PEERS_NAME = 1 << 13,          /* the client names the server and a protocol */
};

struct peers_talk {
    const char *label;
    int version; /* TLS1_3_VERSION */
    const char *cipher;
    unsigned options;
};

struct piece {
    enum smtpscope_side side;
    uint8_t *data;
    size_t len;
};

#define PIECES_MAX 4096
struct wire {
    struct piece pieces[PIECES_MAX];
    size_t count;
    size_t begin;     /* the first piece behind the handshake */
    char keys[65536]; /* the key log */
    size_t keys_len;
    char *said; /* "C:EHLO a\r\nS:250 ok\r\n": changes of side are marked */
    size_t said_len, said_size;
    int last;
    char cipher[64];
};

static inline void text_add(char **text, size_t *len, size_t *size, int *last, enum smtpscope_side side, const void *data,
                            size_t count)
{
    while (*len + count + 3 > *size)
        *text = realloc(*text, *size = *size ? 2 * *size : 65536);
    if (*last != (int)side) {
        (*text)[(*len)++] = side == SMTPSCOPE_CLIENT ? 'C' : 'S';
        (*text)[(*len)++] = ':';
        *last = (int)side;
    }
    memcpy(*text + *len, data, count);
    *len += count;
    (*text)[*len] = 0;
}

static inline void wire_fini(struct wire *wire)
{
    for (size_t i = 0; i < wire->count; i++)
        free(wire->pieces[i].data);
    free(wire->said);
    free(wire);
}

static struct wire *peers_keys; /* where key lines go */

static inline void peers_keylog(const SSL *ssl, const char *line)
{
    (void)ssl;
    peers_keys->keys_len +=
        (size_t)snprintf(peers_keys->keys + peers_keys->keys_len, sizeof peers_keys->keys - peers_keys->keys_len, "%s\n", line);
}

static inline X509 *peers_certificate(EVP_PKEY *key)
{
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509);

    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    ASN1_TIME_set_string(X509_getm_notBefore(x509), "20240101000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(x509), "20340101000000Z");
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"Lab", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"mx.example.org", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_set_pubkey(x509, key);
    X509_sign(x509, key, EVP_sha256());
    return x509;
}

static inline int peers_verify(int right, X509_STORE_CTX *store)
{
    (void)right;
    (void)store;
    return 1;
}

static inline int peers_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                             unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    (void)in_len;
    *out = in + 1;
    *out_len = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static inline SSL_CTX *peers_context(const struct peers_talk *talk, bool server)
{
    static EVP_PKEY *keys[2];
    static X509 *certificates[2];
    bool rsa = talk->options & PEERS_RSA_KEY;
    SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

    if (!keys[rsa]) {
        keys[rsa] = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
        certificates[rsa] = peers_certificate(keys[rsa]);
    }
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, talk->version);
    SSL_CTX_set_max_proto_version(context, talk->version);
    if (talk->version == TLS1_3_VERSION)
        assert_int_equal(SSL_CTX_set_ciphersuites(context, talk->cipher), 1);
    else if (!SSL_CTX_set_cipher_list(context, talk->cipher))
        fail_msg("no cipher %s", talk->cipher);
    SSL_CTX_set_keylog_callback(context, server ? NULL : peers_keylog);
    SSL_CTX_set_dh_auto(context, 1);
    if (server || talk->options & PEERS_CLIENT_CERT) {
        SSL_CTX_use_certificate(context, certificates[rsa]);
        SSL_CTX_use_PrivateKey(context, keys[rsa]);
    }
    if (server && talk->options & PEERS_CLIENT_CERT)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, peers_verify);
    if (talk->options & PEERS_NO_ETM)
        SSL_CTX_set_options(context, SSL_OP_NO_ENCRYPT_THEN_MAC);
    SSL_CTX_clear_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_options(context, SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_NO_ANTI_REPLAY);
    if (talk->options & PEERS_SESSION_ID || !(talk->options & (PEERS_TICKET | PEERS_EARLY)))
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"lab", 3);
    if (talk->options & PEERS_PADDING)
        SSL_CTX_set_block_padding(context, 512);
    if (talk->options & PEERS_RETRY)
        SSL_CTX_set1_groups_list(context, server ? "P-384" : "P-256:P-384");
    if (server && talk->options & PEERS_EARLY)
        SSL_CTX_set_max_early_data(context, 16384);
    if (server)
        SSL_CTX_set_alpn_select_cb(context, peers_alpn, NULL);
    return context;
}

struct peers {
    SSL *ssl[2];
    struct wire *wire;
};

static inline void wire_add(struct wire *wire, enum smtpscope_side side, const uint8_t *data, size_t len)
{
    struct piece *piece = &wire->pieces[wire->count++];

    assert_true(wire->count <= PIECES_MAX);
    *piece = (struct piece){side, malloc(len), len};
    memcpy(piece->data, data, len);
}

/* What one side has written goes to the other, in pieces as TCP might carry it. */
static inline bool peers_carry(struct peers *peers, enum smtpscope_side side)
{
    static uint8_t octets[70000];
    int len = BIO_read(SSL_get_wbio(peers->ssl[side]), octets, sizeof octets);

    if (len <= 0)
        return false;
    for (int at = 0; at < len; at += 1460)
        wire_add(peers->wire, side, octets + at, (size_t)(len - at < 1460 ? len - at : 1460));
    BIO_write(SSL_get_rbio(peers->ssl[!side]), octets, len);
    return true;
}

static inline void peers_shake(struct peers *peers)
{
    for (int i = 0; i < 20; i++)
        for (enum smtpscope_side side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++) {
            SSL_do_handshake(peers->ssl[side]);
            peers_carry(peers, side);
        }
    assert_true(SSL_is_init_finished(peers->ssl[0]) && SSL_is_init_finished(peers->ssl[1]));
}

static inline void peers_read(struct peers *peers, enum smtpscope_side side)
{
    static char octets[70000];

    while (SSL_read(peers->ssl[side], octets, sizeof octets) > 0)
        ;
    peers_carry(peers, side);
}

static inline void peers_say(struct peers *peers, enum smtpscope_side side, const char *text, size_t len)
{
    struct wire *wire = peers->wire;

    assert_int_equal(SSL_write(peers->ssl[side], text, (int)len), (int)len);
    text_add(&wire->said, &wire->said_len, &wire->said_size, &wire->last, side, text, len);
    peers_carry(peers, side);
    peers_read(peers, !side);
}

static inline void peers_speak(struct peers *peers, enum smtpscope_side side, const char *text)
{
    peers_say(peers, side, text, strlen(text));
}

#define PEERS_MESSAGE 40000
static inline void peers_message(struct peers *peers)
{
    static char message[PEERS_MESSAGE];

    for (size_t i = 0; i < sizeof message; i++)
        message[i] = i % 60 == 58 ? '\r' : i % 60 == 59 ? '\n' : (char)('a' + i / 60 % 26);
    for (size_t at = 0; at < sizeof message; at += 10000)
        peers_say(peers, SMTPSCOPE_CLIENT, message + at, 10000);
    peers_speak(peers, SMTPSCOPE_CLIENT, "\r\n.\r\n");
}

/* In the middle of the session: new keys. */
static inline void peers_renew(struct peers *peers, unsigned options)
{
    if (options & PEERS_KEY_UPDATE) {
        SSL_key_update(peers->ssl[SMTPSCOPE_CLIENT], SSL_KEY_UPDATE_REQUESTED);
        peers_speak(peers, SMTPSCOPE_CLIENT, "NOOP 1\r\n");
        SSL_key_update(peers->ssl[SMTPSCOPE_SERVER], SSL_KEY_UPDATE_NOT_REQUESTED);
        peers_speak(peers, SMTPSCOPE_SERVER, "250 first\r\n");
    }
    if (options & PEERS_RENEGOTIATE) {
        SSL_renegotiate(peers->ssl[SMTPSCOPE_CLIENT]);
        for (int i = 0; i < 10; i++) {
            SSL_do_handshake(peers->ssl[SMTPSCOPE_CLIENT]);
            peers_carry(peers, SMTPSCOPE_CLIENT);
            peers_read(peers, SMTPSCOPE_SERVER);
        }
        assert_int_equal(SSL_total_renegotiations(peers->ssl[SMTPSCOPE_CLIENT]), 1);
    }
}

static inline void peers_converse(struct peers *peers, unsigned options)
{
    if (options & PEERS_GREETING)
        peers_speak(peers, SMTPSCOPE_SERVER, "220 mx.example.org ESMTP\r\n");
    if (options & PEERS_SPLIT)
        for (int i = 0; i < 2; i++)
            SSL_set_max_send_fragment(peers->ssl[i], 512);
    peers_speak(peers, SMTPSCOPE_CLIENT, "EHLO c.example\r\n");
    peers_speak(peers, SMTPSCOPE_SERVER, "250-mx.example.org\r\n250 PIPELINING\r\n");
    peers_speak(peers, SMTPSCOPE_CLIENT, "MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
    peers_renew(peers, options);
    peers_speak(peers, SMTPSCOPE_SERVER, "250 2.1.0 ok\r\n450 4.2.0 greylisted\r\n");
    peers_speak(peers, SMTPSCOPE_SERVER, "354 go\r\n");
    peers_message(peers);
    peers_speak(peers, SMTPSCOPE_SERVER, "250 2.0.0 queued\r\n");
    peers_speak(peers, SMTPSCOPE_CLIENT, "QUIT\r\n");
    peers_speak(peers, SMTPSCOPE_SERVER, "221 2.0.0 bye\r\n");
    for (enum smtpscope_side side = SMTPSCOPE_CLIENT; side <= SMTPSCOPE_SERVER; side++) {
        SSL_shutdown(peers->ssl[side]);
        peers_carry(peers, side);
    }
}

/* Early data, which the server reads before the handshake is over where it takes it. */
static inline void peers_early(struct peers *peers, unsigned options)
{
    static const char text[] = "EHLO early.example\r\n";
    struct wire *wire = peers->wire;
    char octets[256];
    size_t used;

    assert_int_equal(SSL_write_early_data(peers->ssl[SMTPSCOPE_CLIENT], text, sizeof text - 1, &used), 1);
    peers_carry(peers, SMTPSCOPE_CLIENT);
    SSL_read_early_data(peers->ssl[SMTPSCOPE_SERVER], octets, sizeof octets, &used);
    peers_carry(peers, SMTPSCOPE_SERVER);
    if (!(options & PEERS_EARLY_REFUSED))
        text_add(&wire->said, &wire->said_len, &wire->said_size, &wire->last, SMTPSCOPE_CLIENT, text, sizeof text - 1);
}

static inline struct wire *peers_connect(const struct peers_talk *talk, SSL_CTX *contexts[2], SSL_SESSION **session)
{
    struct wire *wire = calloc(1, sizeof *wire);
    struct peers peers = {.wire = wire};

    wire->last = -1;
    peers_keys = wire;
    for (int i = 0; i < 2; i++) {
        peers.ssl[i] = SSL_new(contexts[i]);
        SSL_set_bio(peers.ssl[i], BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    }
    SSL_set_connect_state(peers.ssl[SMTPSCOPE_CLIENT]);
    SSL_set_accept_state(peers.ssl[SMTPSCOPE_SERVER]);
    if (talk->options & PEERS_NAME) {
        SSL_set_tlsext_host_name(peers.ssl[SMTPSCOPE_CLIENT], "mail.example.com");
        SSL_set_alpn_protos(peers.ssl[SMTPSCOPE_CLIENT], (const unsigned char *)"\4smtp", 5);
    }
    if (*session) {
        SSL_set_session(peers.ssl[SMTPSCOPE_CLIENT], *session);
        if (talk->options & (PEERS_EARLY | PEERS_EARLY_REFUSED))
            peers_early(&peers, talk->options);
    }
    peers_shake(&peers);
    wire->begin = wire->count;
    if (*session && !SSL_session_reused(peers.ssl[SMTPSCOPE_CLIENT]))
        fail_msg("%s: not resumed", talk->label);
    snprintf(wire->cipher, sizeof wire->cipher, "%s", SSL_get_cipher_name(peers.ssl[SMTPSCOPE_CLIENT]));
    peers_converse(&peers, talk->options);
    SSL_SESSION_free(*session);
    *session = SSL_get1_session(peers.ssl[SMTPSCOPE_CLIENT]);
    for (int i = 0; i < 2; i++)
        SSL_free(peers.ssl[i]);
    return wire;
}

/* The connections of a talk: one, or two of which the second resumes the first. */
static inline size_t peers_run(const struct peers_talk *talk, struct wire *wires[2])
{
    SSL_CTX *contexts[2] = {peers_context(talk, false), peers_context(talk, true)};
    SSL_SESSION *session = NULL;
    size_t count = 0;

    wires[count++] = peers_connect(talk, contexts, &session);
    if (talk->options & (PEERS_TICKET | PEERS_SESSION_ID | PEERS_EARLY)) {
        if (talk->options & PEERS_EARLY_REFUSED)
            SSL_CTX_set_max_early_data(contexts[1], 0);
        wires[count++] = peers_connect(talk, contexts, &session);
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(contexts[0]);
    SSL_CTX_free(contexts[1]);
    return count;
}

#endif
