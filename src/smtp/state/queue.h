/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands that wait for their replies. Internal to smtp. */
#ifndef SMTP_QUEUE_H
#define SMTP_QUEUE_H

#include "follower.h"
#include "origin.h"

/* A command that waits for its reply, as it is kept: see queue.c, and pending_read(). */
struct pending {
    uint32_t offset; /* in the client's stream, from the queue's origin */
    uint32_t len;    /* of the line */
    uint32_t oddities;
    uint16_t argument; /* octets of it that are kept */
    uint16_t size;     /* octets of the entry */
    uint16_t behind;
    uint8_t verb, circumstances;
    uint8_t previous; /* the command right before it, when that was unanswered; VERB_NONE */
    uint8_t name;     /* its length */
    uint8_t parts;    /* enum part, see queue.c */
    bool has_size : 1, is_last : 1, eight_bit : 1;
    bool answered_as_lost : 1; /* a reply was given to it, and it is a lost command */
    bool silent : 1;           /* it gets no reply when all is well, and any number of them when not: a PROXY header */
    bool more : 1;             /* the end of a message of which recipients are answered, and more are to come */
    bool maybe_answered : 1;   /* its reply may be among octets that the capture lacks */
};

/* The commands that wait, ordered by offset. There is one when a command waits; most sessions have none, and pay nothing. */
struct queue {
    struct octet_origin origin; /* of the first command since there is a queue; what was sent with it shares it */
    uint32_t begin, last, end;  /* of `entries`: the first one, the last one, behind it */
    uint32_t octets : 18;       /* of all entries' texts */
    uint32_t count : 13;
    bool maybe_answered : 1; /* some entries are marked so */
    _Alignas(struct pending) char entries[];
};

/* A bound on the queue: clients that pipeline thousands of commands exist, more than this in one window is abuse. */
#define PENDING_MAX 4096
/* ... and on the octets of its texts: a few hundred RCPTs with the longest paths, or thousands of usual ones. */
#define PENDING_OCTETS_MAX (256u * 1024 - 1)

/* NULL: it is not kept, a lost command stands for it. The entry is valid until the next push or pop. */
struct pending *queue_push(struct smtpscope_session *session, const struct smtpscope_command *command);
static inline struct pending *queue_first(const struct smtpscope_session *session)
{
    return session->queue ? (struct pending *)(void *)(session->queue->entries + session->queue->begin) : NULL;
}
/* NULL behind the last one. */
struct pending *pending_next(struct queue *queue, struct pending *entry);
/* In the client's stream. */
uint64_t pending_offset(const struct queue *queue, const struct pending *entry);
/* The command as it was pushed. Its texts are the queue's: valid until the next push or pop. */
void pending_read(const struct queue *queue, const struct pending *entry, struct smtpscope_command *command);
void queue_pop(struct smtpscope_session *session);
/* The same for the first one when it gets no reply: those behind it were not sent before one. */
void queue_pass(struct smtpscope_session *session);
void queue_free(struct smtpscope_session *session);
/* The commands that wait were sent `delta` later, by the clock as it is now. */
void queue_clock_stepped(struct queue *queue, smtpscope_time delta);
/* Replies may be among octets that the capture lacks; and the first reply behind them has found its command. */
void queue_mark_maybe(struct smtpscope_session *session);
void queue_answered(struct smtpscope_session *session);

#endif
