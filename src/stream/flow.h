/* SPDX-License-Identifier: BSD-2-Clause */
/* One TCP connection as the reassembler keeps it, and the streams that it belongs to. Internal to stream. */
#ifndef STREAM_FLOW_H
#define STREAM_FLOW_H

#include "smtpscope/stream.h"

#include "recent.h"

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

/* What is delivered next: a view, of the caller's segment or of a held one. */
struct deliverable {
    const uint8_t *data;
    uint32_t seq, ack, len, missing;
    bool has_ack, fin;
    smtpscope_time time;
    uint64_t packet;
};

/* What is held of a flow. Few flows have any of it at a time, so it is apart, and there only while something is held. */
struct held_queue {
    struct held *first[2], *last[2];
    uint32_t segments, octets;
    uint16_t waited; /* segments of the flow that came since it is stuck, or since a hole was given up */
};

/* One direction. Names after RFC 9293 3.3.1, seen from the receiver: `nxt` is the next sequence number to deliver. */
struct direction {
    uint64_t delivered; /* octets told of, gaps included: the stream offset of `nxt` */
    uint32_t nxt;
    uint32_t acked;       /* the highest acknowledgement of this direction's octets that the other side has sent */
    struct recent recent; /* what stands before `nxt` */
    bool known : 1;       /* nxt is known */
    bool seen : 1;        /* at least one segment of this direction was captured */
    bool has_acked : 1;
    bool fin : 1; /* the FIN was delivered */
};

/*
 * A flow stands in exactly one list. EMBRYO: no octet was seen yet; most such flows are scans. STUCK: something is held.
 * LINGER: it ended. These three have one waiting time each, so they are ordered by their due times as they grow.
 *
 * The others are idle, and each segment puts their end off. They stand in a wheel of lists, each for a span of due times, and
 * are not moved for each segment: a flow that spoke meanwhile is moved when its list comes up. The road not taken: one list, where
 * such a flow goes to the end and there keeps those that are due before it from being looked at; when a flow ends would then
 * depend on the other flows.
 */
#define IDLE_LISTS 256u /* three or four seconds each, of the default idle time */
enum flow_list { LIST_EMBRYO, LIST_STUCK, LIST_LINGER, LIST_IDLE, LISTS = LIST_IDLE + IDLE_LISTS };

/*
 * There may be a million of these, so the order is by size. Flows name one another by their places in the slabs, which are
 * direction as long as pointers; place 0 is no flow.
 */
struct flow {
    struct smtpscope_flow public;
    void *user; /* NULL: not followed */
    struct direction direction[2];
    struct held_queue *held_queue; /* NULL: nothing is held */
    struct trouble *trouble;       /* NULL: there was none; see trouble.h */
    smtpscope_time since;          /* when it entered its list; of an idle one, when it was last heard */
    smtpscope_time last_time;      /* of its last segment */
    smtpscope_time fin_time;       /* of the first FIN */
    uint64_t last_packet;
    uint32_t place, prev, next;
    uint32_t hash;    /* as in its slot */
    uint32_t syn_nxt; /* what a SYN inside the connection would begin with; only its answer makes it one */
    uint16_t list;    /* enum flow_list; from LIST_IDLE on, one of the wheel's */
    uint8_t fin_by : 1, reset_by : 1;
    bool fin_seen : 1, reset : 1, syn_pending : 1;
    bool followed : 1; /* opened() was called */
    bool closed : 1;   /* told; the entry stays a while, so that what comes late opens no new flow */
};

/* A million idle flows fit in 200 MB, with their slots. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct flow) <= 184, "a flow is 184 octets at most");

struct flow_queue {
    uint32_t first, last;
    size_t count;
};

/* The low direction of the hash, which is enough for any table that fits in memory. `place` 0: empty. */
struct slot {
    uint32_t hash, place;
};

/* Flows are taken from the allocator so many at a time. */
#define SLAB_BITS 10
#define SLAB_FLOWS (1u << SLAB_BITS)

/* The flows that one call ends: a heap, the one whose first packet came first on top. */
struct expiring {
    struct expiring_flow {
        uint64_t first_packet;
        struct flow *flow;
    } * flows;
    size_t count, capacity;
};

/*
 * `now` and all that flows wait by is packet time less `stepped`, so that it runs on when the clock of a live capture is set.
 * What is told of a flow is packet time.
 */
struct smtpscope_streams {
    struct smtpscope_stream_config config;
    struct slot *slots; /* open addressing, linear probing; capacity a power of two */
    size_t capacity, used;
    struct flow_queue lists[LISTS];
    uint64_t idle_span;   /* of due times, that one of the idle lists is for */
    uint64_t idle_passed; /* the due time, in spans, before which no idle list has anything */
    struct flow **slabs;
    size_t slab_count, slab_room;
    uint32_t places; /* given out so far */
    uint32_t spare;  /* freed flows, through `next` */
    size_t held;     /* segments, of all flows together */
    struct expiring expiring;
    smtpscope_time now, next_tick, stepped;
    smtpscope_time leap; /* a time far ahead that only one stamp has had so far; 0: none */
    struct smtpscope_stream_stats stats;
};

static inline struct flow *flow_at(const struct smtpscope_streams *streams, uint32_t place)
{
    return place ? &streams->slabs[place >> SLAB_BITS][place & (SLAB_FLOWS - 1)] : NULL;
}

/*
 * Packet time never runs back, and a single stamp far ahead does not carry it away: another one has to agree. The same stamp
 * again does not: a frame's time may be told more than once.
 */
#define LEAP (24 * 3600 * SMTPSCOPE_SECOND)

/* A stamp that is far ahead. */
void now_leap(struct smtpscope_streams *streams, smtpscope_time time);

static inline void now_advance(struct smtpscope_streams *streams, smtpscope_time time)
{
    time -= streams->stepped;
    if (time <= streams->now)
        return;
    if (time - streams->now > LEAP) {
        now_leap(streams, time);
    } else {
        streams->now = time;
        streams->leap = 0;
    }
}

/* Sequence numbers wrap: a minus b, RFC 9293 3.4. */
static inline int32_t seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

#endif
