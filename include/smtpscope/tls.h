/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The octets of both sides of a connection inside TLS -> its clear octets, where the keys are known, and what the handshake
 * tells. Versions 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446). Nothing that was not authenticated is ever told as clear octets.
 */
#ifndef SMTPSCOPE_TLS_H
#define SMTPSCOPE_TLS_H

#include "smtpscope/session.h"

SMTPSCOPE_C_BEGIN

/* --- keys */

/* The labels of a key log that open records (RFC 9850 2): what others there are is for others. */
enum smtpscope_secret_kind {
    SMTPSCOPE_SECRET_MASTER,       /* CLIENT_RANDOM: up to TLS 1.2 */
    SMTPSCOPE_SECRET_CLIENT_EARLY, /* CLIENT_EARLY_TRAFFIC_SECRET */
    SMTPSCOPE_SECRET_CLIENT_HANDSHAKE,
    SMTPSCOPE_SECRET_SERVER_HANDSHAKE,
    SMTPSCOPE_SECRET_CLIENT_TRAFFIC,
    SMTPSCOPE_SECRET_SERVER_TRAFFIC,
    SMTPSCOPE_SECRET_KINDS
};

#define SMTPSCOPE_SECRET_MAX 48
#define SMTPSCOPE_RANDOM_LEN 32
struct smtpscope_secret {
    uint8_t len;
    uint8_t octets[SMTPSCOPE_SECRET_MAX];
};

/* Secrets by the client random of their connection. Bounded: the oldest leave, and are counted. */
struct smtpscope_keys;

/* All optional; copied. What it points to must outlive the store. */
struct smtpscope_keys_config {
    const struct smtpscope_allocator *allocator; /* NULL: realloc(3) */
    size_t max;                                  /* secrets; 0: the default, a million */
    uint64_t hash_seed;                          /* anything an attacker cannot know */
    /* Where several threads use the store: called before and after each use of what it holds. */
    void (*lock)(void *ctx);
    void (*unlock)(void *ctx);
    /* NULL, or asked, outside of the lock, when a secret is not there: what it adds is looked through once more. */
    void (*missing)(void *ctx);
    void *ctx;
};

struct smtpscope_keys_stats {
    uint64_t secrets; /* taken so far, repetitions not counted */
    uint64_t ignored; /* lines that are no secret of ours: comments, other labels, rubbish */
    uint64_t evicted;
};

/* NULL when out of memory. */
struct smtpscope_keys *smtpscope_keys_new(const struct smtpscope_keys_config *config);
/* Wipes the secrets. NULL is fine. */
void smtpscope_keys_free(struct smtpscope_keys *keys);
void smtpscope_keys_stats(const struct smtpscope_keys *keys, struct smtpscope_keys_stats *stats);
/* Grows with each new secret: a caller that found nothing asks again when it has grown. */
uint64_t smtpscope_keys_generation(const struct smtpscope_keys *keys);
/* False: not known. The caller wipes the secret. */
bool smtpscope_keys_find(const struct smtpscope_keys *keys, enum smtpscope_secret_kind kind,
                         const uint8_t random[SMTPSCOPE_RANDOM_LEN], struct smtpscope_secret *secret);
/* "CLIENT_RANDOM". Static. */
const char *smtpscope_secret_label(enum smtpscope_secret_kind kind);

/*
 * One key log (the format of SSLKEYLOGFILE, RFC 9850) on its way into a store, in pieces of any size: the last line waits for
 * its end. Lines in CRLF, hexadecimal digits of either case, comments, repetitions and rubbish are taken as they come.
 */
struct smtpscope_keylog;

/* `keys` must outlive it. NULL when out of memory. */
struct smtpscope_keylog *smtpscope_keylog_new(struct smtpscope_keys *keys);
void smtpscope_keylog_read(struct smtpscope_keylog *keylog, const uint8_t *octets, size_t len);
/* There is no more, or the log begins anew: a last line needs no end. */
void smtpscope_keylog_end(struct smtpscope_keylog *keylog);
/* Drops an unfinished line. NULL is fine. */
void smtpscope_keylog_free(struct smtpscope_keylog *keylog);

/* --- what the handshake tells */

/* The server's certificate. Texts are valid during the fact only, and are what the server wrote: anything. */
struct smtpscope_certificate {
    struct smtpscope_text subject, issuer; /* "O=Lab CA, CN=Lab Root CA" (RFC 4514, in the certificate's order) */
    smtpscope_time not_before, not_after;
    bool self_signed;
    bool other_name; /* the client named a server, and the certificate is not for that one (RFC 6125) */
};

enum smtpscope_handshake_outcome {
    SMTPSCOPE_HANDSHAKE_UNKNOWN,   /* the capture lacks what would tell */
    SMTPSCOPE_HANDSHAKE_DONE,      /* both sides have the keys and went on */
    SMTPSCOPE_HANDSHAKE_REFUSED,   /* by an alert */
    SMTPSCOPE_HANDSHAKE_ABANDONED, /* closed without one */
    SMTPSCOPE_HANDSHAKE_SILENT,    /* nobody closed, and nobody said more */
};

/* "done", "refused", "abandoned", "silent", "unknown". Static. */
const char *smtpscope_handshake_name(enum smtpscope_handshake_outcome outcome);
/* Is it one side's doing? */
bool smtpscope_handshake_has_side(enum smtpscope_handshake_outcome outcome);

struct smtpscope_handshake {
    enum smtpscope_handshake_outcome outcome;
    enum smtpscope_side by; /* of REFUSED, ABANDONED, SILENT: who refused, closed first, owed the next word */
    bool begun;             /* the ClientHello was seen */
    uint16_t offered;       /* the highest version of the ClientHello; 0: not seen */
    uint16_t version;       /* that both agreed on: 0x0304 is TLS 1.3; 0: none, or not seen */
    uint16_t cipher;        /* the IANA registry's number; 0: none, or not seen */
    bool resumed;
    bool alerted;         /* `alert` and `alert_by` were seen; of REFUSED false: a record that can only be an alert */
    bool alert_encrypted; /* ... and were sent encrypted */
    uint8_t alert;        /* AlertDescription of RFC 8446 6 */
    enum smtpscope_side alert_by;
    bool certificate_asked; /* the server asked for the client's certificate (seen up to 1.2 only, or with keys) */
    bool hidden;            /* the certificate was sent encrypted, and was not seen */
    const struct smtpscope_certificate *certificate; /* NULL: not seen */
    struct smtpscope_text sni, alpn;                 /* empty: none, or not seen. Valid during the fact only */
    smtpscope_time time, end;                        /* of the ClientHello; of the last message of the handshake */
    uint64_t packet, end_packet;
};

/* "TLSv1.3", "TLSv1"; NULL: no version of TLS. Static, as the others. */
const char *smtpscope_tls_version_name(uint16_t version);
/* OpenSSL's name, "ECDHE-RSA-AES256-GCM-SHA384"; NULL: not in the table. */
const char *smtpscope_tls_cipher_name(uint16_t cipher);
/* RFC 9325 4.1 speaks against it. */
bool smtpscope_tls_cipher_is_weak(uint16_t cipher);
/* "handshake_failure"; NULL: not in the table. */
const char *smtpscope_tls_alert_name(uint8_t alert);

enum smtpscope_decrypted {
    SMTPSCOPE_DECRYPTED_NOT, /* no keys were looked for */
    SMTPSCOPE_DECRYPTED_YES,
    SMTPSCOPE_DECRYPTED_PARTLY, /* one side only, or not to the end */
    SMTPSCOPE_DECRYPTED_NO_KEYS,
    SMTPSCOPE_DECRYPTED_WRONG_KEYS, /* there are secrets, and nothing opens with them */
};
const char *smtpscope_decrypted_name(enum smtpscope_decrypted decrypted);

/* How TLS went, told before the session's end. */
struct smtpscope_tls_end {
    enum smtpscope_decrypted decrypted;
    bool unnamed;              /* the ClientHello, by which keys are found, was not captured */
    bool closed_at_once;       /* the server closed behind the client's first words, of which nothing is known */
    uint64_t records[2];       /* of application data, as far as they can be told from those of the handshake */
    smtpscope_time wrong_time; /* of the first record that does not open */
    uint64_t wrong_packet;
};

/* --- what sizes and times tell, where there are no keys */

/* What the server made of the transaction, as far as the length of its answer shows that. */
enum smtpscope_inferred_outcome {
    SMTPSCOPE_INFERRED_UNKNOWN,
    SMTPSCOPE_INFERRED_ACCEPTED,     /* a message went, and was answered in as few octets as a 250 has */
    SMTPSCOPE_INFERRED_NOT_ACCEPTED, /* the client gave up behind the envelope: deferred, or refused for good */
};

/* "unknown", "accepted", "not-accepted". Static. */
const char *smtpscope_inferred_name(enum smtpscope_inferred_outcome outcome);

/* A transaction inside TLS, by the lengths of its records: a guess, and never more. */
struct smtpscope_inferred {
    uint32_t index;  /* in its session, from 0 */
    bool sent;       /* a message was transferred */
    bool together;   /* in one flight with its envelope (BDAT, RFC 3030): `octets` and `envelope` are of both */
    uint32_t octets; /* of the message, about; 0: none was transferred */
    uint32_t envelope;
    enum smtpscope_inferred_outcome outcome;
    uint8_t percent;         /* how often such a guess at `sent` is right, as measured */
    uint8_t outcome_percent; /* the same of `outcome`; 0 of UNKNOWN */
    smtpscope_time time;     /* of its first octets, or of the message's */
    uint64_t packet;
};

/* --- connections */

/* All connections of one thread: what they share, and those that wait for keys. */
struct smtpscope_tls;
struct smtpscope_tls_connection;

struct smtpscope_tls_events {
    /*
     * From here on octets() and gap() tell of the session in clear: smtpscope_session_decrypted(). Told once, or never. `next`
     * is to be filled in: the offsets of each side from which its clear octets count on.
     */
    void (*decrypted)(void *ctx, void *user, uint64_t next[2]);
    /* As of struct smtpscope_stream_events. `packet` is that of the record's end. */
    void (*octets)(void *ctx, void *user, const struct smtpscope_octets *octets);
    void (*gap)(void *ctx, void *user, const struct smtpscope_gap *gap);
    /*
     * NULL, or called when a session resumes another one that the store does not know: where several threads follow the
     * connections of one capture, it returns when all of them are as far as this one.
     */
    void (*earlier)(void *ctx);
    /* SMTPSCOPE_FACT_HANDSHAKE once at most, SMTPSCOPE_FACT_INFERRED and SMTPSCOPE_FACT_TLS_END at the close. */
    void (*fact)(void *ctx, void *user, const struct smtpscope_fact *fact);
};

struct smtpscope_tls_config {
    const struct smtpscope_allocator *allocator; /* NULL: realloc(3) */
    struct smtpscope_keys *keys;                 /* NULL: no keys, nothing is opened */
    const struct smtpscope_tls_events *events;
    void *ctx;
    /*
     * Keys may still come: connections without theirs keep their octets so long, in packet time, and so many in all. 0: they do
     * not wait.
     */
    smtpscope_time patience;
    size_t max_waiting; /* 0: the default */
    bool no_inference;  /* nothing is told of what nobody can read */
};

/* `config` is copied; what it points to must outlive the object. NULL when out of memory. */
struct smtpscope_tls *smtpscope_tls_new(const struct smtpscope_tls_config *config);
/* After all its connections. NULL is fine. */
void smtpscope_tls_free(struct smtpscope_tls *tls);

/* A connection whose TLS begins, to a server at `port`. NULL when out of memory. */
struct smtpscope_tls_connection *smtpscope_tls_open(struct smtpscope_tls *tls, uint16_t port, void *user);
/* Wipes its keys; tells nothing. NULL is fine. */
void smtpscope_tls_connection_free(struct smtpscope_tls_connection *connection);

/* The octets of both sides, each in order, a reply after what it acknowledges; from the first record on. */
void smtpscope_tls_octets(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets);
void smtpscope_tls_gap(struct smtpscope_tls_connection *connection, const struct smtpscope_gap *gap);
/*
 * Packet time has reached `now`: tries again what waits, where new keys have come, and gives up what has waited too long. Costs
 * next to nothing where nothing waits.
 */
void smtpscope_tls_expire(struct smtpscope_tls *tls, smtpscope_time now);
/* The clock that stamps the octets was set by `delta`. */
void smtpscope_tls_clock_stepped(struct smtpscope_tls_connection *connection, smtpscope_time delta);
/* Are keys waited for, so that something of it was not read yet? */
bool smtpscope_tls_waits(const struct smtpscope_tls_connection *connection);
/* Nothing more will come. Tells what is still to be told. */
void smtpscope_tls_close(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending);

SMTPSCOPE_C_END

#endif
