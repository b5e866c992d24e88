/* SPDX-License-Identifier: BSD-2-Clause */
/* A fast, seeded generator of captures of SMTP traffic: for measuring speed and memory. */
#ifndef MKCAPTURE_H
#define MKCAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_MAX 1460 /* of an MTU of 1500 */
#define HEADERS_LEN (14 + 20 + 20)
#define RECORD_MAX (16 + HEADERS_LEN + SEGMENT_MAX)
#define WIRE_BUFFER (1 << 20)

/* Losses and the like happen to segments of message text alone: those follow each other without waiting for the other side. */
struct parameters {
    uint64_t sessions;
    uint64_t octets;      /* stop beginning sessions when this much is written; 0: no such limit */
    unsigned concurrency; /* sessions open at a time */
    uint32_t message;     /* octets of a message's text */
    unsigned findings;    /* of 100 sessions, how many have something wrong */
    unsigned silent; /* of 100 sessions, how many say nothing more behind EHLO and stay open; they count for no concurrency */
    unsigned other;  /* of 100 packets, how many are no SMTP */
    unsigned reordered; /* of 1000 segments, how many come behind the next one */
    unsigned resent;    /* of 1000 segments, how many are lost on their way, before or behind the tap, and sent again */
    unsigned lacking;   /* of 1000 segments, how many the capture lacks */
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
    int fd;
    int error; /* the errno of the first write that failed, or 0 */
    const struct parameters *parameters;
    struct chance chance;
    uint64_t time; /* microseconds */
    uint64_t packets, octets;
    uint8_t *buffer;
    size_t used;
};

/* A segment that waits until `behind` more of its side have gone; its record is complete but for the time. */
struct held {
    uint32_t seq;
    unsigned behind;
    size_t len;
    uint8_t record[RECORD_MAX];
};

/* One end of a session. Addresses are made from `client`; the server is always the same one. */
struct tcp {
    uint32_t client;
    uint16_t port;
    uint32_t seq[2];   /* next of the client, of the server */
    struct held *held; /* NULL: none */
};

/* Begins a file on `fd`, with its head. Returns 0, or -1 without memory. */
int wire_begin(struct wire *wire, int fd, const struct parameters *parameters);
/* One segment from `side` (0 the client), behind all that is held. Advances the sequence number. */
void wire_segment(struct wire *wire, struct tcp *tcp, int side, uint8_t flags, const void *data, size_t len);
/* One segment of text from the client, which may be held, sent twice or lacking. Returns false when the capture lacks it. */
bool wire_text(struct wire *wire, struct tcp *tcp, const void *data, size_t len);
/* The server acknowledges the text that has come. */
void wire_acknowledge(struct wire *wire, struct tcp *tcp);
/* Writes what is in the buffer. Returns 0, or -1 with errno when writing failed. */
int wire_end(struct wire *wire);

/* --- sessions */
struct template
{
    unsigned findings; /* that it raises */
    bool delivers;     /* has a message */
    bool stays_open;
    const char *const *script;
};

struct session {
    struct tcp tcp;
    const struct template *template; /* NULL: free */
    uint32_t number;
    uint32_t body_left;
    uint16_t step;
    bool in_body, lacks;
};

/* What the capture holds, as the generator knows it. */
struct totals {
    uint64_t sessions, messages, findings;
    uint64_t lacking; /* sessions with text that the capture lacks: a finding each */
};

/* Chooses a template and begins it. */
void session_begin(struct session *session, struct wire *wire, struct totals *totals);
/* One step on; the last one frees the session. */
void session_step(struct session *session, struct wire *wire, struct totals *totals);

#endif
