/* SPDX-License-Identifier: BSD-2-Clause */
/* One TCP connection as the reassembler keeps it, and the lists and table that flows stand in. Internal to stream. */
#ifndef STREAM_FLOW_H
#define STREAM_FLOW_H

#include "smtpscope/stream.h"

/*
 * A segment that could not be delivered when it came: a hole stands before it, or it acknowledges octets of the other
 * side that were not seen yet. Ordered by sequence number.
 */
struct held {
    struct held *next;
    smtpscope_time time;
    uint64_t packet;
    uint32_t seq, ack, len, missing;
    bool has_ack, fin;
    uint8_t data[];
};

/* The last octets delivered, to tell a retransmission that differs from one that does not: as long as most commands are. */
#define RECENT_OCTETS 40

/* One direction. Names after RFC 9293 3.3.1, seen from the receiver: `nxt` is the next sequence number to deliver. */
struct half {
    uint64_t delivered; /* octets told of, gaps included: the stream offset of `nxt` */
    struct held *held, *held_last;
    uint32_t nxt;
    uint32_t acked; /* the highest acknowledgement of this direction's octets that the other side has sent */
    uint8_t recent[RECENT_OCTETS]; /* the last one delivered stands at the end */
    uint8_t recent_len;
    bool known;    /* nxt is known */
    bool seen;     /* at least one segment of this direction was captured */
    bool has_acked;
    bool fin;      /* the FIN was delivered */
};

/*
 * A flow stands in exactly one list. Each list has one waiting time, so it is ordered by its due time as it grows.
 * EMBRYO: no octet was seen yet; most such flows are scans.
 */
enum flow_list { LIST_EMBRYO, LIST_IDLE, LIST_STUCK, LIST_LINGER, LISTS };

struct flow {
    struct smtpscope_flow public;
    void *user; /* NULL: not followed */
    struct half half[2];
    struct flow *prev, *next;
    smtpscope_time since;     /* when it entered its list */
    smtpscope_time last_time; /* of its last segment */
    smtpscope_time fin_time;  /* of the first FIN */
    uint64_t last_packet;
    uint64_t hash;
    uint32_t held_segments, held_octets;
    uint32_t syn_nxt;         /* what a SYN inside the connection would begin with; only its answer makes it one */
    uint16_t stuck_segments; /* that came since it is stuck */
    uint8_t list;
    uint8_t fin_by, reset_by;
    bool fin_seen, reset, syn_pending;
    bool followed; /* opened() was called */
    bool closed; /* told; the entry stays a while, so that what comes late opens no new flow */
};

struct flow_queue {
    struct flow *first, *last;
    size_t count;
};

struct slot {
    uint64_t hash;
    struct flow *flow;
};

struct smtpscope_streams {
    struct smtpscope_stream_config config;
    struct slot *slots; /* open addressing, linear probing; capacity a power of two */
    size_t capacity, used;
    struct flow_queue lists[LISTS];
    struct flow *spare; /* freed flows, through `next` */
    smtpscope_time now, next_tick;
    smtpscope_time leap; /* a time far ahead that only one segment has had so far; 0: none */
    struct smtpscope_stream_stats stats;
};

/* table.c */
uint64_t flow_hash(const struct smtpscope_streams *streams, const struct smtpscope_segment *segment);
/* The flow of a segment in either direction, or NULL. */
struct flow *flow_find(const struct smtpscope_streams *streams, const struct smtpscope_segment *segment, uint64_t hash);
/* A zeroed flow in the table and in LIST_EMBRYO, or NULL when out of memory. */
struct flow *flow_add(struct smtpscope_streams *streams, uint64_t hash, smtpscope_time now);
void flow_remove(struct smtpscope_streams *streams, struct flow *flow);
void flow_move(struct smtpscope_streams *streams, struct flow *flow, enum flow_list list, smtpscope_time now);
void table_free(struct smtpscope_streams *streams);

/* reassembly.c */
/* Octets, acknowledgement and FIN of one segment of the flow. `side` sent it. */
void reassembly_segment(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                        const struct smtpscope_segment *segment);
/* Gives up on every hole: delivers all that is held, with gaps, and the loss at the end that acknowledgements prove. */
void reassembly_drain(struct smtpscope_streams *streams, struct flow *flow);
/* Gives up on the hole that has blocked the flow for too long, if it has. */
void reassembly_tick(struct smtpscope_streams *streams, struct flow *flow);
void reassembly_discard(struct smtpscope_streams *streams, struct flow *flow);

/* streams.c */
/* The owner hears of the flow at its first octets, or its FIN; not at its SYN. */
void flow_follow(struct smtpscope_streams *streams, struct flow *flow);
void flow_close(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_close why);

/* Sequence numbers wrap: a minus b, RFC 9293 3.4. */
static inline int32_t seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

#endif
