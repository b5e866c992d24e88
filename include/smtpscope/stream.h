/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP segments in any order -> flows, and per direction the octets in order, gaps and the close. Sans-IO. */
#ifndef SMTPSCOPE_STREAM_H
#define SMTPSCOPE_STREAM_H

#include "smtpscope/network.h"
#include "smtpscope/segment.h"
#include "smtpscope/types.h"

SMTPSCOPE_C_BEGIN

struct smtpscope_streams;

/* What is known of a flow from the start. Owned by the flow; valid until its close() has returned. */
struct smtpscope_flow {
    struct smtpscope_endpoint side[2];
    bool midstream;  /* no handshake was seen: octets may be missing before offset 0 */
    bool unbegun;    /* the server's SYN was not seen: octets may be missing before its offset 0 */
    bool unexpected; /* on no watched port: see smtpscope_streams_follow() */
    uint64_t first_packet;
    smtpscope_time first_time;
};

/* Octets of one direction, in order. `data` is valid during the call only. */
struct smtpscope_octets {
    enum smtpscope_side side;
    const uint8_t *data;
    size_t len;
    uint64_t offset; /* of data[0] in this direction's stream; 0 is the first octet after the SYN, or the first seen */
    uint64_t
        acked; /* octets of the other direction that the sender had acknowledged when it sent these; one more: its FIN too */
    smtpscope_time time;
    uint64_t packet;
    const struct smtpscope_stall *hindrance; /* what last kept the connection from going on, below SMTP; NULL: nothing did */
};

/*
 * Octets of one direction that will never come; or, with a `len` of 0, where octets were sent again with other content, or where
 * those begin among which are urgent ones.
 */
struct smtpscope_gap {
    enum smtpscope_side side;
    uint64_t offset, len;
    smtpscope_time time; /* of what shows it */
    uint64_t packet;
};

enum smtpscope_close {
    SMTPSCOPE_CLOSE_FIN,     /* both sides closed, or one did and the other fell silent */
    SMTPSCOPE_CLOSE_RESET,   /* RST */
    SMTPSCOPE_CLOSE_IDLE,    /* silent for longer than the idle limit */
    SMTPSCOPE_CLOSE_END,     /* the capture ended first */
    SMTPSCOPE_CLOSE_REUSED,  /* a new connection on the same ports */
    SMTPSCOPE_CLOSE_EVICTED, /* our own limit */
};
/* "fin", "reset", "idle", "end", "reused", "evicted". Static. */
const char *smtpscope_close_name(enum smtpscope_close why);

/* How a flow ended. Valid during close() only. */
struct smtpscope_ending {
    enum smtpscope_close why;
    enum smtpscope_side by;  /* who sent the first FIN, or the RST */
    bool fin[2];             /* which sides sent a FIN */
    bool seen[2];            /* which sides were captured at all */
    smtpscope_time fin_time; /* of the first FIN; 0 when there was none */
    smtpscope_time time;     /* of the last segment */
    uint64_t packet;
    uint16_t mss[2]; /* that each side announced; 0: not known */
    struct smtpscope_connecting connecting;
    const struct smtpscope_network *network; /* NULL: there was no trouble */
};

/*
 * The functions by which the streams report to the caller; `ctx` is the config's.
 *
 * opened() is called with a flow's first octets, or with the first that are lost, or with its FIN; for a connection that has
 * none of these it is never called. What it returns is the `user` of all later calls for this flow. NULL: the caller does not
 * follow the flow, and no later call is made for it.
 *
 * gap(): octets that will never come. conflict(): octets were sent again with other content; those that were reported first stay valid. Few of the latest octets are remembered for that: what is sent again behind more than about
 * three other segments is not compared, and of a segment longer than a line only the end is.
 */
struct smtpscope_stream_events {
    void *(*opened)(void *ctx, const struct smtpscope_flow *flow);
    void (*octets)(void *ctx, void *user, const struct smtpscope_octets *octets);
    void (*gap)(void *ctx, void *user, const struct smtpscope_gap *gap);
    void (*conflict)(void *ctx, void *user, const struct smtpscope_gap *gap);
    void (*closed)(void *ctx, void *user, const struct smtpscope_ending *ending);
    /* How the connection was made, behind opened(). NULL: nobody wants to know. Valid during the call. */
    void (*connected)(void *ctx, void *user, const struct smtpscope_connecting *connecting);
    /* A connection that opened() was never called for is over. NULL: nobody wants to know. Valid during the call. */
    void (*attempted)(void *ctx, const struct smtpscope_attempt *attempt);
    /* The octets that come next have urgent ones among them, which stay in line (RFC 6093); once a direction. NULL: not wanted. */
    void (*urgent)(void *ctx, void *user, const struct smtpscope_gap *place);
    /* smtpscope_streams_clock_stepped() was called. NULL where it is not. */
    void (*clock_stepped)(void *ctx, void *user, smtpscope_time delta);
};

struct smtpscope_stream_config {
    const struct smtpscope_allocator *allocator; /* NULL: realloc(3). Must outlive the streams */
    const struct smtpscope_stream_events *events;
    void *ctx;
    const uint8_t *ports; /* a bit per TCP port, 8192 octets: the server's side. Must outlive the streams */
    uint64_t hash_seed;   /* anything an attacker cannot know; where segments have their hash, the one that made it */
    size_t max_flows;     /* 0: the default. The least useful flow is closed as EVICTED beyond it */
    size_t max_held;      /* octets held out of order, all flows together; 0: the default */
    smtpscope_time idle;  /* 0: the default */
};

/* Counters since the start. */
struct smtpscope_stream_stats {
#define COUNTER(name, kind, metric, label, help) uint64_t name;
#include "smtpscope/stream_counters.def"
};

/* NULL when out of memory. The caller frees with smtpscope_streams_free(), which closes nothing: flush first. */
struct smtpscope_streams *smtpscope_streams_new(const struct smtpscope_stream_config *config);
void smtpscope_streams_free(struct smtpscope_streams *streams);

/*
 * Takes one segment; they come in capture order. Returns false, with nothing done, when neither port is watched and the
 * connection was not given to smtpscope_streams_follow() before. Never fails: what could not be kept is counted.
 */
bool smtpscope_streams_segment(struct smtpscope_streams *streams, const struct smtpscope_segment *segment);

/*
 * Takes a segment of a connection that is to be followed although neither port is watched. The caller gives the segments that
 * it has of the connection, the handshake first; they may be older than what was given before. From then on
 * smtpscope_streams_segment() takes the connection's segments.
 */
void smtpscope_streams_follow(struct smtpscope_streams *streams, const struct smtpscope_segment *segment);

/*
 * Ends the flows that have been silent for too long at `now` (packet time), and gives up holes that nothing fills any more.
 * Cheap to call for each packet. The flows of one call are reported in the order of their first packets.
 *
 * A caller that spreads flows over several streams calls this in each of them with the time of every segment, before the
 * segment is given to the one that it belongs to. Then what is reported of a flow, and at which packet, does not depend on
 * how flows are spread, as long as no stream reaches its bounds. Packet time never runs back, and two different stamps have
 * to agree before it leaps by more than a day.
 */
void smtpscope_streams_expire(struct smtpscope_streams *streams, smtpscope_time now);

/*
 * Live capture: the clock that stamps the segments was set by `delta` nanoseconds, e.g. minus one hour. To be called between
 * the last segment stamped before that and the first one stamped after it. All waiting times stay true, and clock_stepped() is
 * called for each flow that the caller follows.
 */
void smtpscope_streams_clock_stepped(struct smtpscope_streams *streams, smtpscope_time delta);

/* The capture is over: delivers what is held, and closes every flow as END, in the order of their first packets. */
void smtpscope_streams_flush(struct smtpscope_streams *streams);

void smtpscope_streams_stats(const struct smtpscope_streams *streams, struct smtpscope_stream_stats *stats);

SMTPSCOPE_C_END

#endif
