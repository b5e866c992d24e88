/* SPDX-License-Identifier: BSD-2-Clause */
/* One TCP connection as the reassembler keeps it, and the streams that it belongs to. Internal to stream. */
#ifndef STREAM_FLOW_H
#define STREAM_FLOW_H

#include "smtpscope/stream.h"

#include "recent.h"

/* A part of a direction, with its place in it: a view of the caller's segment, or of one that is held. */
struct deliverable {
    const uint8_t *data;
    smtpscope_time time;
    uint64_t packet;
    uint32_t seq, ack, len, missing;
    uint16_t doubts; /* enum doubt: the checks that it fails; 0: none */
    uint8_t hops;
    bool has_ack : 1, fin : 1, urgent : 1;
};

/*
 * A segment that could not be delivered when it came. Without a doubt it waits: something is missing before it, or it
 * acknowledges octets of the other side that were not seen yet. With doubts it is put aside (aside.h).
 */
struct held {
    struct held *next;
    struct deliverable part; /* its `data` is the one below */
    uint8_t data[];
};

/* A SYN inside a connection, and the SYN-ACK that answers it: the beginning of another one on the same ports, or forged. */
struct rival_syn {
    smtpscope_time time;
    uint64_t packet;
    uint32_t nxt[2];
    bool known[2];
};

/* A RST that fails a check, or before which something is missing: the connection goes on when its sender does. */
struct doubtful_reset {
    smtpscope_time since; /* as flow.since */
    uint32_t seq;
    bool pending; /* there is one */
    bool sound;   /* it fails no check */
    uint8_t by;
};

/* What is not settled of a flow. Few flows have any of it at a time, so it is apart, and there only while there is some. */
struct unsettled {
    struct held *first[2], *last[2]; /* in order of sequence numbers */
    uint32_t segments, octets, aside;
    uint16_t waited;   /* segments of the flow that came since it is stuck, or since a hole was given up */
    uint16_t doubtful; /* segments put aside since the last one without a doubt */
    bool doubted[2];   /* they came from this side */
    bool claims[2];    /* one of them acknowledged this side up to `claimed` */
    uint32_t claimed[2];
    uint32_t reached[2]; /* the highest sequence number that this side has shown since then */
    bool has_reached[2];
    struct rival_syn other;
    struct doubtful_reset reset;
    struct trouble *trouble; /* NULL: there was none; see trouble.h */
};

/*
 * One direction. Names after RFC 9293 3.3.1, seen from the receiver: `nxt` is the next sequence number to deliver. As long as it
 * is not `known`, `nxt` and `acked` are the lowest and the highest acknowledgement of this direction, with `has_acked`.
 */
struct direction {
    uint64_t delivered : 40; /* octets told of, gaps included: the stream offset of `nxt` */
    uint64_t excused : 8;    /* checks (enum doubt) that its segments fail, and the receiver takes them all the same */
    uint64_t vlan : 12;      /* as in a segment: of the first one */
    uint64_t scale : 4;      /* of the windows in this direction's segments, plus 1; 0: not known */
    uint32_t nxt;
    uint32_t acked;       /* the highest acknowledgement of this direction's octets that the other side has sent */
    uint32_t stamp;       /* of the last segment that was delivered in order, RFC 7323 5 */
    struct recent recent; /* what stands before `nxt` */
    uint16_t window;      /* for this direction's octets, as the other side sent it last */
    uint16_t mss;         /* that this side announced; 0: not known */
    uint8_t hops;         /* the fewest with which a segment has reached the receiver */
    bool known : 1;       /* nxt is known */
    bool seen : 1;        /* at least one segment of this direction was captured */
    bool has_acked : 1;
    bool fin : 1;     /* the FIN was delivered */
    bool stamped : 1; /* its SYN had timestamps */
    bool secured : 1; /* its SYN was signed */
    bool urgent : 1;  /* it had urgent octets: told */
    bool absent : 1;  /* nothing was seen of it, though it was waited for */
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
 * half as long as pointers; place 0 is no flow.
 */
struct flow {
    struct smtpscope_flow public;
    void *user; /* NULL: not followed */
    struct direction direction[2];
    struct unsettled *unsettled; /* NULL: there is nothing */
    smtpscope_time since;        /* when it entered its list; of an idle one, when it was last heard */
    smtpscope_time last_time;    /* of its last segment */
    uint64_t fin_after : 48;     /* flow_fin_time(); before the first FIN: the handshake, see connecting.h */
    uint64_t list : 16;          /* enum flow_list; from LIST_IDLE on, one of the wheel's */
    uint64_t last_packet : 48;
    uint64_t fin_by : 1, reset_by : 1;
    uint64_t fin_seen : 1, reset : 1;
    uint64_t followed : 1; /* opened() was called */
    uint64_t closed : 1;   /* told; the entry stays a while, so that what comes late opens no new flow */
    uint32_t prev, next;
};

/* A million idle flows fit in 192 MB, with their slots. */
_Static_assert(sizeof(void *) != 8 || sizeof(struct flow) <= 176, "a flow is 176 octets at most");

struct flow_queue {
    uint32_t first, last;
    size_t count;
};

/* The low half of the hash, which is enough for any table that fits in memory. `place` 0: empty. */
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
    size_t held;     /* segments, of all flows together; `held_now` counts their octets */
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

/* What fits in 40 bits: a TiB of one connection. */
#define BITS_40 (((uint64_t)1 << 40) - 1)
/* What fits in 48 bits: as many packets, and four years of microseconds either way. */
#define BITS_48 (((uint64_t)1 << 48) - 1)

/* The next octets begin `len` further on. */
static inline void direction_advance(struct direction *direction, uint32_t len)
{
    direction->nxt += len;
    direction->delivered = (direction->delivered + len) & BITS_40;
}

/* When the first FIN came, kept as microseconds after the first segment; rounded up, so that it is never before what it follows. */
static inline void flow_set_fin_time(struct flow *flow, smtpscope_time time)
{
    flow->fin_after = (uint64_t)((time - flow->public.first_time + 999) / 1000) & BITS_48;
}

/* 0: there was no FIN. */
static inline smtpscope_time flow_fin_time(const struct flow *flow)
{
    int64_t after = (int64_t)((uint64_t)flow->fin_after << 16) >> 16;

    return flow->fin_seen ? flow->public.first_time + after * 1000 : 0;
}

/* Sequence numbers wrap: a minus b, RFC 9293 3.4. */
static inline int32_t seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

#endif
