/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a segment belongs to another connection on the same ports. Internal to stream. */
#ifndef STREAM_ANOTHER_H
#define STREAM_ANOTHER_H

#include "flow.h"

enum belongs {
    BELONGS_HERE,
    BELONGS_TO_ANOTHER, /* a new connection, which takes the place of this one */
    BELONGS_NOWHERE,    /* a SYN that may be the beginning of another connection, or is forged: of this one it says nothing */
};

/* What the segment is to the flow that has its ports. A SYN that may begin another connection is remembered. */
enum belongs another_look(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                          const struct smtpscope_segment *segment);

/* Keeps octets that came to a connection behind its end, if their numbers are not its own: their SYN may be late. */
void another_keep(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                  const struct deliverable *part);
/* Takes from an old connection what is not its own, by direction; the new one gets it by another_inherit(). */
void another_split(struct flow *old, struct held *foreign[2]);
void another_inherit(struct smtpscope_streams *streams, struct flow *flow, struct held *foreign[2]);

#endif
