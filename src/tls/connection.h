/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection inside TLS as the stage keeps it, and what its files tell one another. Internal to tls. */
#ifndef TLS_CONNECTION_H
#define TLS_CONNECTION_H

#include "keys.h"
#include "protection.h"

/* RFC 8446 5.1 */
enum content_type {
    CONTENT_CHANGE_CIPHER_SPEC = 20,
    CONTENT_ALERT = 21,
    CONTENT_HANDSHAKE = 22,
    CONTENT_APPLICATION_DATA = 23,
    CONTENT_HEARTBEAT = 24 /* RFC 6520 */
};

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

/*
 * Which key a side's records have. Up to TLS 1.2 ChangeCipherSpec leads from CLEAR to TRAFFIC. EARLY: the client's 0-RTT data of
 * TLS 1.3, which the server has accepted, or may have.
 */
enum epoch { EPOCH_CLEAR, EPOCH_EARLY, EPOCH_HANDSHAKE, EPOCH_TRAFFIC };

/* Where and when octets were seen; offsets and acknowledgements as TCP counts them. */
struct place {
    uint64_t offset, acked, packet;
    smtpscope_time time;
};

/* Octets that had to be kept: of a record, a message, or behind a gap. */
struct gathered {
    uint32_t len, capacity;
    uint8_t octets[];
};

/* Behind a gap the next record is looked for; see resync.c. */
struct resync {
    uint64_t broken; /* where the first record began that cannot be read */
    uint64_t lost;   /* octets that the capture lacks */
    uint64_t told;   /* clear octets that were told as lost so far */
    uint64_t offset; /* of the first octet in `octets` */
    uint64_t tried;  /* octets that were tried to open */
    uint32_t passed; /* octets in `octets` in which no record begins */
    struct gathered *octets;
};

/* So many clear octets stood before an octet of the record layer: translates acknowledgements. Low halves of offsets. */
struct mark {
    uint32_t raw, clear;
};
#define MARKS 4

/* What is done with the record that is being sent. */
enum plan { PLAN_NONE, PLAN_READ, PLAN_PASS };

/* One direction. There may be a million connections, most of them idle: what is here is paid by each. */
struct side {
    struct protection *protection; /* NULL: in clear, or there is no key */
    struct gathered *partial;      /* of a record that is read and has not come whole */
    struct resync *resync;         /* NULL: records are in step */
    uint64_t clear;                /* offset of the next clear octet */
    struct mark marks[MARKS];
    uint32_t left;   /* octets of the record to come */
    uint32_t unseen; /* clear octets of records that were passed by, which nobody was told of yet */
    uint8_t head[RECORD_HEAD];
    uint8_t head_len;       /* of `head`; RECORD_HEAD: within a record */
    uint8_t failed;         /* records in a row that were not authentic */
    uint8_t records;        /* of application data, as far as there can be told; no more than 255 are counted */
    uint8_t epoch : 2;      /* enum epoch */
    uint8_t plan : 2;       /* enum plan */
    uint8_t mark_count : 3; /* of `marks`, the newest last */
    bool begun : 1;         /* octets were seen */
    bool blind : 1;         /* the epoch's key is not known and nobody waits for it: records are passed by */
    bool proved : 1;        /* a record of this epoch was authentic: the key is right */
    bool trial : 1;         /* the key is that of the next epoch: records that it does not open are of this one */
    bool broken : 1;        /* the record being sent lacks octets */
    bool finished : 1;      /* its Finished was seen, or what must be it */
    bool renewed : 1;       /* the record holds the last message under its key: Finished or KeyUpdate */
};

struct handshake;
struct keyless;

struct smtpscope_tls_connection {
    struct smtpscope_tls *tls;
    void *user;
    struct handshake *handshake; /* while there is one, and keys may still follow from it */
    struct keyless *waiting;     /* NULL: no key is waited for */
    const struct suite *suite;   /* NULL: not known */
    struct side side[2];
    uint16_t version;   /* 0: not known */
    bool decrypted : 1; /* told */
    bool named : 1;     /* a ClientHello was seen */
    bool told : 1;      /* how the handshake went */
    bool impatient : 1; /* it has waited for keys long enough */
    bool no_keys : 1, wrong_keys : 1;
    bool lost : 1; /* records that could have been read were not */
    uint64_t wrong_packet;
    smtpscope_time wrong_time;
};

struct smtpscope_tls {
    struct smtpscope_tls_config config;
    struct protections protections; /* `crypto` NULL before the first connection */
    struct keyless *waiting, **waiting_end;
    size_t waiting_octets;
    size_t gathered_octets; /* of all connections, see gathered_append() */
    uint64_t generation;    /* of the keys when those that wait were last tried */
};

/* gathered.c */
/* False: there is no memory, or `max` or what all connections may keep is reached; nothing is kept any more. */
bool gathered_append(struct smtpscope_tls *tls, struct gathered **gathered, const uint8_t *data, size_t len, size_t max);
void gathered_free(struct smtpscope_tls *tls, struct gathered **gathered);

/* record.c: octets -> records */
/* Returns the octets used: fewer where a key is waited for. */
size_t records_take(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len,
                    const struct place *place);
void records_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t len,
                 const struct place *place);
static inline size_t head_fragment(const uint8_t head[RECORD_HEAD])
{
    return (size_t)(head[3] << 8 | head[4]);
}
/* Can it be the head of a record? */
bool head_is_right(const uint8_t head[RECORD_HEAD]);

/* resync.c: the next record behind a gap */
/* `broken`: where the first record began that cannot be read. The octets go on at the place, `lost` of them are missing. */
void resync_begin(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t broken, uint64_t lost,
                  const struct place *place);
void resync_octets(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len,
                   const struct place *place);
void resync_free(struct smtpscope_tls_connection *connection, enum smtpscope_side side);

/* epoch.c: records -> contents */
enum readiness {
    READY_CLEAR, /* the content is in clear, or is opened by the side's key */
    READY_PASS,  /* nothing is wanted of it but that it was there */
    READY_WAIT,  /* its key may still come */
};
/* What is to be done with a record of this type. Looks for the key. */
enum readiness record_readiness(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type);
/* A whole record of READY_CLEAR. `place` is that of its last octets, and its offset the one behind the record. */
void record_read(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct tls_record *record,
                 const struct place *place);
/* One that was passed by: type and length are all that is known. */
void record_passed(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t head[RECORD_HEAD],
                   const struct place *place);
/* One that could have been read and lacks octets. */
void record_lost(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t head[RECORD_HEAD],
                 const struct place *place);
/* The client random of the session whose master secret this one has. */
bool resumed_random(const struct smtpscope_tls_connection *connection, uint8_t random[SMTPSCOPE_RANDOM_LEN]);
/* The server's answer to early data is known, or will not be. */
enum early { EARLY_NONE, EARLY_UNDECIDED, EARLY_MAYBE, EARLY_ACCEPTED, EARLY_REJECTED };
void early_decide(struct smtpscope_tls_connection *connection, enum early early);
/*
 * Behind a gap of `len` octets: does the record open with one of the numbers, or one of the keys, that may come next? Then they
 * are the side's, and `clear` is how many clear octets are lost. Adds to `tried` the octets that it has tried to open.
 */
bool record_find(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct tls_record *record,
                 uint64_t len, uint64_t *clear, uint64_t *tried);
/* Clear octets of so many in a fragment, as far as the suite tells. */
uint64_t clear_len(const struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t fragment);
/* Clear octets that will not come, told once the session is in clear. Returns how many: none but of the traffic. */
uint64_t clear_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t len,
                   const struct place *place);

/* handshake.c: contents -> messages */
struct handshake *handshake_need(struct smtpscope_tls_connection *connection);
void handshake_octets(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len,
                      const struct place *place);
/* What is there of a message will not be completed. */
void handshake_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side);
/* Frees what was read once nothing follows from it any more. */
void handshake_settle(struct smtpscope_tls_connection *connection);
void handshake_free(struct smtpscope_tls_connection *connection);

/*
 * The handshake as it is read: there while it goes on, and for each message behind it. `told` grows until it is told. Of the
 * randoms the client's is also the name of its keys.
 */
struct message {
    struct gathered *body; /* as far as it is there, where it is wanted */
    uint32_t left;
    uint8_t head[4]; /* type and length, RFC 8446 4 */
    uint8_t head_len;
    bool wanted;
};

/* An early record that waits for the server's answer. */
struct early_record {
    struct early_record *next;
    struct place place;
    size_t len;
    uint8_t octets[]; /* head and fragment */
};
#define EARLY_OCTETS_MAX 65536

struct handshake {
    struct smtpscope_handshake told;
    struct smtpscope_certificate certificate;
    struct crypto_names names;
    char sni[CRYPTO_NAME_MAX], alpn[CRYPTO_NAME_MAX];
    uint8_t random[2][SMTPSCOPE_RANDOM_LEN];
    uint8_t session_id[32], ticket[SMTPSCOPE_RANDOM_LEN]; /* that the client offers; the ticket by its hash */
    uint8_t session_id_len;
    bool has_ticket, resumed_by_id;
    bool full;                      /* the server sent what it does not when a session is resumed */
    bool hello[2];                  /* which hellos were seen */
    bool changed[2];                /* the keys that follow from them are in force */
    bool encrypt_then_mac;          /* agreed on */
    bool answered;                  /* by the client, with a certificate: its flight has more than the Finished */
    bool sealed_alert;              /* a record can only be an alert, which cannot be read */
    bool notified;                  /* an alert has said that there will be no more: close_notify */
    uint8_t sealed_by, notified_by; /* enum smtpscope_side */
    smtpscope_time alert_time, last_time;
    uint8_t last_by;           /* enum smtpscope_side: who sent last */
    const struct suite *suite; /* of the ServerHello */
    uint16_t version;
    struct message message[2];
    uint8_t early; /* enum early */
    struct early_record *early_first, **early_end;
    size_t early_octets;
};

/* outcome.c: how the handshake went */
void outcome_alert(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len,
                   bool encrypted, const struct place *place);
/* An encrypted record that is not opened. */
void outcome_passed(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type, size_t len,
                    const struct place *place);
/* A content that is no alert, of a side whose Finished was seen or not. */
void outcome_content(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct place *place);
void outcome_finished(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct place *place);
/* Octets of the side were seen. */
void outcome_heard(struct smtpscope_tls_connection *connection, enum smtpscope_side side, smtpscope_time time);
void outcome_close(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending);

#endif
