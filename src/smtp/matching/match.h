/* SPDX-License-Identifier: BSD-2-Clause */
/* Which waiting command a reply answers. Internal to smtp. */
#ifndef SMTP_MATCH_H
#define SMTP_MATCH_H

#include "anchor.h"
#include "smtp/state/queue.h"

/* What happened behind a reply that may be read in two ways. */
enum aftermath {
    AFTERMATH_UNKNOWN,
    AFTERMATH_REPLY,  /* another reply came, and the client had sent nothing more */
    AFTERMATH_CLIENT, /* the client had the reply, and went on */
    AFTERMATH_END,    /* nothing more comes, or the capture lacks it */
};

/* A reply, how much of the client's octets the server had acknowledged with it, and what followed. */
struct reply_evidence {
    const struct smtpscope_reply *reply;
    uint64_t acked;
    enum aftermath aftermath;
    const struct smtpscope_reply *next; /* AFTERMATH_REPLY */
    uint64_t next_acked;
};

struct reply_match {
    struct pending *entry; /* NULL: the reply answers nothing that waits */
    enum fit fit;          /* of the entry */
    bool likely;           /* another reading is not ruled out */
    bool open;             /* AFTERMATH_UNKNOWN: what follows will decide between two readings */
};

/* A command waits. */
struct reply_match match_reply(const struct smtpscope_session *session, const struct reply_evidence *evidence);

#endif
