/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection inside TLS as the stage keeps it. Internal to tls. */
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

/* What is done with the record that is being sent. */
enum plan { PLAN_NONE, PLAN_READ, PLAN_PASS };

/* One direction. There may be a million connections, most of them idle: what is here is paid by each. */
struct side {
    uint32_t unseen;           /* clear octets of records that were passed by, before decrypted() */
    uint16_t left;             /* octets of the record to come */
    uint8_t head[RECORD_HEAD]; /* of the record */
    uint8_t failed;            /* records in a row that were not authentic */
    uint8_t records;           /* of application data, as far as there can be told; no more than 255 are counted */
    uint8_t head_len : 3;      /* of `head`; RECORD_HEAD: within a record */
    uint8_t epoch : 2;         /* enum epoch */
    uint8_t plan : 2;          /* enum plan */
    bool blind : 1;            /* the epoch's key is not known and nobody waits for it: records are passed by */
    bool proved : 1;           /* a record of this epoch was authentic: the key is right */
    bool trial : 1;            /* the key is that of the next epoch: records that it does not open are of this one */
    bool broken : 1;           /* the record being sent lacks octets */
    bool finished : 1;         /* its Finished was seen, or what must be it */
    bool renewed : 1;          /* the record holds the last message under its key: Finished or KeyUpdate */
};

/* How far a side's clear octets are, and where its last record of them ended: see clear.c. */
struct clear_side {
    uint64_t next;
    uint32_t raw;  /* the low half of the offset behind the last record */
    uint16_t last; /* clear octets of it */
};

struct handshake;
struct inference;
struct keyless;
struct realign;

/* What a connection has while something is going on. */
struct busy {
    struct handshake *handshake; /* while there is one, and keys may still follow from it */
    struct keyless *keyless;     /* NULL: no key is waited for */
    struct gathered *partial[2]; /* of records that are read and have not come whole */
    struct realign *realign[2];  /* NULL: records are in step */
    bool wrong;                  /* a key of the log does not open its record: this one */
    uint64_t wrong_packet;
    smtpscope_time wrong_time;
};

struct smtpscope_tls_connection {
    struct smtpscope_tls *tls;
    void *user;
    struct busy *busy; /* NULL: nothing is */
    union {
        struct clear_side *clear;    /* `open`: of both sides */
        struct inference *inference; /* not: NULL where nothing was sent that nobody can read */
    };
    struct protection *key[2]; /* of the epochs; NULL: in clear, or there is none */
    struct side side[2];
    uint16_t version;   /* 0: not known */
    uint16_t suite;     /* 0: not known */
    bool open : 1;      /* since decrypted() */
    bool named : 1;     /* a ClientHello was seen */
    bool told : 1;      /* how the handshake went */
    bool done : 1;      /* ... well */
    bool impatient : 1; /* it has waited for keys long enough */
    bool no_keys : 1, wrong_keys : 1;
    bool gapped : 1;     /* the capture lacks octets of it */
    bool lost : 1;       /* records that could have been read were not */
    bool submission : 1; /* to a port where clients log in first */
};

struct smtpscope_tls {
    struct smtpscope_tls_config config;
    struct protections protections; /* `crypto` NULL before the first connection */
    struct keyless *keyless, **keyless_end;
    size_t keyless_octets;
    size_t gathered_octets; /* of all connections, see gathered_append() */
    uint64_t generation;    /* of the keys when those that wait were last tried */
};

extern const struct busy busy_none; /* all zero */
/* To be read. */
static inline const struct busy *busy_of(const struct smtpscope_tls_connection *connection)
{
    return connection->busy ? connection->busy : &busy_none;
}
static inline struct handshake *handshake_of(const struct smtpscope_tls_connection *connection)
{
    return busy_of(connection)->handshake;
}
/* To be written; NULL when out of memory. */
struct busy *busy_need(struct smtpscope_tls_connection *connection);
/* Frees it where nothing is going on any more. */
void busy_settle(struct smtpscope_tls_connection *connection);

/* False: there is no memory, or `max` or what all connections may keep is reached; nothing is kept any more. */
bool gathered_append(struct smtpscope_tls *tls, struct gathered **gathered, const uint8_t *data, size_t len, size_t max);
void gathered_free(struct smtpscope_tls *tls, struct gathered **gathered);

static inline bool is_13(const struct smtpscope_tls_connection *connection)
{
    return connection->version >= TLS_1_3;
}

#endif
