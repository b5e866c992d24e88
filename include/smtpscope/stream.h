/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP segments in any order -> flows, and per direction the octets in order, gaps and the close. Sans-IO. */
#ifndef SMTPSCOPE_STREAM_H
#define SMTPSCOPE_STREAM_H

#include "smtpscope/segment.h"
#include "smtpscope/types.h"

SMTPSCOPE_C_BEGIN

struct smtpscope_streams;

/* What is known of a flow from the start. Owned by the flow; valid until its close() has returned. */
struct smtpscope_flow {
    struct smtpscope_endpoint side[2];
    bool midstream;  /* no handshake was seen: octets may be missing before offset 0 */
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
    uint64_t acked;  /* octets of the other direction that the sender had acknowledged when it sent these */
    smtpscope_time time;
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

/* How a flow ended. Valid during close() only. */
struct smtpscope_ending {
    enum smtpscope_close why;
    enum smtpscope_side by;  /* who sent the first FIN, or the RST */
    bool fin[2];             /* which sides sent a FIN */
    bool seen[2];            /* which sides were captured at all */
    smtpscope_time fin_time; /* of the first FIN; 0 when there was none */
    smtpscope_time time;     /* of the last segment */
    uint64_t packet;
};

/*
 * What the owner of the streams is told. opened() comes with a flow's first octets, or the first that are lost, or its
 * FIN; a connection without any of these is never told. `user` is what it returned for the flow; NULL there means "not followed", and nothing more is told. `ctx` is the owner's.
 * `gap`: `len` octets of that direction will never come. `conflict`: octets were sent again with other content; the first stay valid.
 * It is told of what is sent again soon, behind no more than a few other segments; of longer ones of a message, of their ends.
 */
struct smtpscope_stream_events {
    void *(*opened)(void *ctx, const struct smtpscope_flow *flow);
    void (*octets)(void *ctx, void *user, const struct smtpscope_octets *octets);
    void (*gap)(void *ctx, void *user, enum smtpscope_side side, uint64_t offset, uint64_t len, smtpscope_time time,
                uint64_t packet);
    void (*conflict)(void *ctx, void *user, enum smtpscope_side side, uint64_t offset, smtpscope_time time, uint64_t packet);
    void (*closed)(void *ctx, void *user, const struct smtpscope_ending *ending);
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
    uint64_t segments, octets, flows, out_of_order, retransmitted, gaps, gap_octets, conflicts, evicted, held_now, held_max;
    uint64_t flows_now, ignored; /* ignored: a segment of no flow that opened none (a RST, a bare ACK after the close) */
};

/* NULL when out of memory. The caller frees with smtpscope_streams_free(), which closes nothing: flush first. */
struct smtpscope_streams *smtpscope_streams_new(const struct smtpscope_stream_config *config);
void smtpscope_streams_free(struct smtpscope_streams *streams);

/*
 * One segment, in capture order. False, and nothing done, when it is none of ours: neither port is watched, and its connection
 * was not told to be followed. Never fails; what could not be kept is counted.
 */
bool smtpscope_streams_segment(struct smtpscope_streams *streams, const struct smtpscope_segment *segment);

/*
 * The same for the first segments of a connection on no watched port that is to be followed all the same, its handshake
 * first. Those that come later are taken by smtpscope_streams_segment(). They may be older than what was given before.
 */
void smtpscope_streams_follow(struct smtpscope_streams *streams, const struct smtpscope_segment *segment);

/*
 * Ends what has been silent too long at `now` (packet time). Cheap to call for each packet. Flows that one call ends, or
 * whose holes it gives up, are told in the order of their first packets.
 *
 * Called with the time of each segment of a capture, also of those that other streams get, before the segment itself is
 * given, it makes what is told of a flow, and at which packet, independent of how flows are spread over streams, as
 * long as no stream reaches its bounds. Packet time never runs back, and two different stamps have to agree before it
 * leaps by more than a day.
 */
void smtpscope_streams_expire(struct smtpscope_streams *streams, smtpscope_time now);

/*
 * Live capture: the clock that stamps the segments was set by `delta`, e.g. minus one hour. Call it between the last segment
 * stamped before that and the first one stamped behind it: all waiting times stay true, and the owner is told for each flow
 * that it follows.
 */
void smtpscope_streams_clock_stepped(struct smtpscope_streams *streams, smtpscope_time delta);

/* The capture is over: delivers what is held, and closes every flow as END, in the order of their first packets. */
void smtpscope_streams_flush(struct smtpscope_streams *streams);

/*
 * Hints that a segment with this hash comes soon, for callers that take segments in batches: a million flows are in no
 * cache. The first fetches the table's entry; the second, some segments later, the flow it leads to; the third, later
 * again, is that flow's `user`, or NULL, so that the caller can fetch what it leads to. Nothing is changed, and
 * nothing depends on it: the flow may be another one with the same hash. While there are few flows, nothing is done, and
 * that is best asked once a batch.
 */
bool smtpscope_streams_are_many(const struct smtpscope_streams *streams);
void smtpscope_streams_prefetch(const struct smtpscope_streams *streams, uint64_t hash);
void smtpscope_streams_prefetch_flow(const struct smtpscope_streams *streams, uint64_t hash);
void *smtpscope_streams_likely_user(const struct smtpscope_streams *streams, uint64_t hash);

void smtpscope_streams_stats(const struct smtpscope_streams *streams, struct smtpscope_stream_stats *stats);

SMTPSCOPE_C_END

#endif
