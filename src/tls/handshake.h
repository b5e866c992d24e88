/* SPDX-License-Identifier: BSD-2-Clause */
/* The handshake as it is read: there while it goes on, and for each message behind it. Internal to tls. */
#ifndef TLS_HANDSHAKE_H
#define TLS_HANDSHAKE_H

#include "connection.h"

/* RFC 8446 4, RFC 5246 7.4 */
enum message_type {
    MESSAGE_HELLO_REQUEST = 0,
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_SERVER_HELLO = 2,
    MESSAGE_NEW_SESSION_TICKET = 4,
    MESSAGE_END_OF_EARLY_DATA = 5,
    MESSAGE_ENCRYPTED_EXTENSIONS = 8,
    MESSAGE_CERTIFICATE = 11,
    MESSAGE_SERVER_KEY_EXCHANGE = 12,
    MESSAGE_CERTIFICATE_REQUEST = 13,
    MESSAGE_SERVER_HELLO_DONE = 14,
    MESSAGE_FINISHED = 20,
    MESSAGE_KEY_UPDATE = 24
};

/* A message that is being read. */
struct message {
    struct gathered *body; /* as far as it is there, where it is wanted */
    uint32_t left;
    uint8_t head[4]; /* type and length, RFC 8446 4 */
    uint8_t head_len;
    bool wanted;
};

/* What becomes of early data, RFC 8446 4.2.10. MAYBE: the server's answer will not be seen. */
enum early { EARLY_NONE, EARLY_UNDECIDED, EARLY_MAYBE, EARLY_ACCEPTED, EARLY_REJECTED };

/* An early record that waits for the server's answer. */
struct early_record {
    struct early_record *next;
    struct place place;
    size_t len;
    uint8_t octets[]; /* head and fragment */
};
#define EARLY_OCTETS_MAX 65536

struct handshake {
    struct smtpscope_handshake told; /* grows until it is told */
    struct smtpscope_certificate certificate;
    struct crypto_names names;
    char sni[CRYPTO_NAME_MAX], alpn[CRYPTO_NAME_MAX];
    uint8_t random[2][SMTPSCOPE_RANDOM_LEN];              /* the client's is also the name of its keys */
    uint8_t session_id[32], ticket[SMTPSCOPE_RANDOM_LEN]; /* that the client offers; the ticket by its hash */
    uint8_t session_id_len;
    bool has_ticket, resumed_by_id;
    bool full;             /* the server sent what it does not when a session is resumed */
    bool hello[2];         /* which hellos were seen */
    bool changed[2];       /* the keys that follow from them are in force */
    bool encrypt_then_mac; /* agreed on */
    uint16_t suite, version;
    struct message message[2];
    uint8_t early; /* enum early */
    struct early_record *early_first, **early_end;
    size_t early_octets;
    bool answered;                  /* by the client, with a certificate: its flight has more than the Finished */
    bool sealed_alert;              /* a record can only be an alert, which cannot be read */
    bool notified;                  /* an alert has said that there will be no more: close_notify */
    uint8_t sealed_by, notified_by; /* enum smtpscope_side */
    uint8_t last_by;                /* who sent last */
    smtpscope_time alert_time, last_time;
};

/* NULL when out of memory. */
struct handshake *handshake_need(struct smtpscope_tls_connection *connection);
void handshake_octets(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len,
                      const struct place *place);
/* What is there of a message will not be completed. */
void handshake_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side);
/* Frees what was read once nothing follows from it any more. */
void handshake_settle(struct smtpscope_tls_connection *connection);
void handshake_free(struct smtpscope_tls_connection *connection);

/* The server's answer to early data is known, or will not be. */
static inline void early_decide(struct handshake *handshake, enum early early)
{
    if (handshake && handshake->early == EARLY_UNDECIDED)
        handshake->early = (uint8_t)early;
}

#endif
