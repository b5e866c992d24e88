/* SPDX-License-Identifier: BSD-2-Clause */
/* A fast, seeded generator of captures of SMTP traffic: for measuring speed and memory. */
#ifndef MKCAPTURE_H
#define MKCAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SEGMENT_MAX 1460 /* of an MTU of 1500 */
#define FRAME_MAX (14 + 20 + 20 + SEGMENT_MAX)

struct parameters {
    uint64_t sessions;
    uint64_t octets;      /* stop starting sessions when this much is written; 0: no such limit */
    unsigned concurrency; /* sessions open at a time */
    size_t message;       /* octets of a message's body */
    unsigned findings;    /* of 100 sessions, how many have something wrong */
    unsigned other;       /* of 100 packets, how many are no SMTP */
    unsigned loss;        /* of 1000 packets, how many the capture lacks */
    unsigned reordering;  /* of 1000 packets, how many change places with the next one */
    uint64_t seed;
};

/* --- random numbers: xorshift64, the same sequence for the same seed */
struct chance {
    uint64_t state;
};
uint64_t chance_next(struct chance *chance);
bool chance_of(struct chance *chance, unsigned share, unsigned of);

/* --- the file */
struct wire {
    FILE *file;
    const struct parameters *parameters;
    struct chance chance;
    uint64_t time; /* microseconds */
    uint64_t packets, octets;
    uint8_t held[16 + FRAME_MAX]; /* a packet that waits for the next one to go first */
    size_t held_len;
};

/* One end of a session. Addresses are made from `client`; the server is always the same one. */
struct tcp {
    uint32_t client;
    uint16_t port;
    uint32_t seq[2]; /* next of the client, of the server */
};

void wire_begin(struct wire *wire, FILE *file, const struct parameters *parameters);
/* One segment from `side` (0 the client). Advances the sequence number. */
void wire_segment(struct wire *wire, struct tcp *tcp, int side, uint8_t flags, const void *data, size_t len);
/* Writes what is held. Returns 0, or -1 when writing failed. */
int wire_end(struct wire *wire);

/* --- sessions */
struct session {
    struct tcp tcp;
    const char *const *script; /* NULL: free */
    unsigned step;
    size_t body_left;
};

/* Chooses a script and begins it. */
void session_begin(struct session *session, struct wire *wire, uint64_t number);
/* One step on; false when the session has ended. */
bool session_step(struct session *session, struct wire *wire);

#endif
