/* SPDX-License-Identifier: BSD-2-Clause */
/* What TCP itself shows: of connections that never came to a word, and of the network under a session. */
#ifndef SMTPSCOPE_NETWORK_H
#define SMTPSCOPE_NETWORK_H

#include "smtpscope/segment.h"
#include "smtpscope/types.h"

SMTPSCOPE_C_BEGIN

struct smtpscope_flow;

/* The ICMP error about a side's segments that was seen last; what it says: see MARK_ICMP. */
struct smtpscope_icmp_seen {
    enum smtpscope_icmp icmp; /* NONE: none was seen */
    bool by_peer;             /* the one that the segments were for says so itself, and no router */
    uint16_t mtu;             /* of TOO_BIG; 0: it names none */
    uint8_t from[16];         /* who says so, as in an endpoint; all zero: not known */
    uint32_t count;
    smtpscope_time time;
};

/* What became of a connection of which neither side sent an octet or a FIN (RFC 9293 3.5). */
enum smtpscope_attempt_end {
    SMTPSCOPE_ATTEMPT_UNANSWERED,   /* nothing answered the SYN */
    SMTPSCOPE_ATTEMPT_REFUSED,      /* a RST answered it */
    SMTPSCOPE_ATTEMPT_REJECTED,     /* an ICMP error answered it */
    SMTPSCOPE_ATTEMPT_HALF_OPEN,    /* the server answered again and again, and the client never acknowledged that */
    SMTPSCOPE_ATTEMPT_SERVER_RESET, /* established, then reset from the server's side */
    SMTPSCOPE_ATTEMPT_CLIENT_RESET, /* established, then reset from the client's side */
    SMTPSCOPE_ATTEMPT_SILENT,       /* established, and silent until it was forgotten, or the capture ended */
};

/* A connection that never came to a word. */
struct smtpscope_attempt {
    const struct smtpscope_flow *flow;
    enum smtpscope_attempt_end end;
    uint32_t tries;                  /* SYNs of the client; of HALF_OPEN: the server's answers to them */
    struct smtpscope_icmp_seen icmp; /* of REJECTED */
    smtpscope_time waited;           /* from the first of them to what ended it; of SILENT: to the last packet time there is */
    smtpscope_time time;             /* of the last segment */
    uint64_t packet;
};

/*
 * What a session waited for while neither side's octets came further: the states of RFC 4898 3.4 (SndLimTimeRwin, -Cwnd, -Snd), of
 * which the last is two here.
 */
enum smtpscope_stall_kind {
    SMTPSCOPE_STALL_NONE,
    SMTPSCOPE_STALL_RECEIVER, /* `side` took nothing more: its window was closed */
    SMTPSCOPE_STALL_NETWORK,  /* segments of `side` were sent again, and then got through */
    SMTPSCOPE_STALL_SENDER,   /* `side` had nothing to send, although it was its turn: all that it had sent had arrived */
    SMTPSCOPE_STALL_REPLY,    /* `side` had the command, and took its time to answer */
};
/* "receiver-limited", "network-limited", "sender-limited", "reply-late"; NULL for NONE. Static. */
const char *smtpscope_stall_name(enum smtpscope_stall_kind kind);

struct smtpscope_stall {
    enum smtpscope_stall_kind kind;
    enum smtpscope_side side;
    smtpscope_time since, lasted;
};

/* How the handshake went, as it was captured: near the client its own time is next to nothing. */
struct smtpscope_connecting {
    uint32_t took_us[2]; /* microseconds from what a side was sent to its answer, 16 seconds at most; 0: not known */
};

/* A segment that was sent so often and is not acknowledged; fewer repetitions happen on any busy path. */
#define SMTPSCOPE_UNACKED_MANY 4u

/* Of the octets that one side sent, and of its window. */
struct smtpscope_network_side {
    uint64_t resent;                    /* octets sent again */
    uint32_t resent_segments, segments; /* of how many since there was trouble first */
    smtpscope_time recovered;           /* how long it took, all in all, until what was sent again had arrived */
    smtpscope_time recovered_longest;   /* the longest of these */
    uint32_t copies;                    /* segments that the capture has twice, though they were sent once */
    uint32_t window_smallest;           /* octets */
    uint32_t rtt_min_us, rtt_95_us;     /* from a segment to its acknowledgement, since there was trouble first; 0: not known */
    uint32_t unacked;                   /* octets at the end of what was sent that the other side never acknowledged; 0: none */
    uint32_t unacked_len;               /* of the first segment of these */
    uint32_t unacked_tries;             /* how often that one was sent */
    smtpscope_time unacked_time;        /* from its first repetition to the last */
    bool unacked_heard;                 /* the other side was heard meanwhile: it lives, and lacks them */
    uint32_t probes;                    /* keep-alives, or probes of a closed window, since the other side was heard last */
    smtpscope_time probes_time;         /* from the first of these to the last */
    uint64_t not_arrived;               /* octets that the capture lacks, and that the other side lacked too */
    uint32_t arrived_behind;            /* octets of the segment behind these, which did arrive; 0: none */
    uint32_t window_closings;           /* how often this side closed its window */
    smtpscope_time window_closed;       /* for how long, all in all */
    smtpscope_time window_longest;      /* the longest of these */
    struct smtpscope_icmp_seen icmp;
};

/* What went wrong under a session. Only a flow in trouble has it. */
struct smtpscope_network {
    struct smtpscope_network_side side[2];
};

SMTPSCOPE_C_END

#endif
