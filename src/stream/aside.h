/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments that fail a check, put aside until it shows what their receiver did. Internal to stream.
 *
 * The receiver acknowledges what it took. When it acknowledges octets that nothing came for but a segment that was put aside, that
 * segment was taken; when others come for them, it was dropped. So a forged segment, and one that never arrived, changes
 * nothing, whichever check gives it away; and a check that a receiver does not make, or that is about the capture, costs a
 * session nothing but the wait for an acknowledgement. In a capture of one side nobody acknowledges, and nothing is put aside.
 *
 * Two roads not taken: dropping at once, which blinds us to what a receiver takes all the same (and receivers differ); and
 * keeping every octet back until it is acknowledged, which copies all of every message and waits for what captures often lack.
 *
 * The check of the window is made for octets behind a hole only. Those that are next are believed: many captures lack the
 * acknowledgements that would tell how far the window has moved.
 */
#ifndef STREAM_ASIDE_H
#define STREAM_ASIDE_H

#include "flow.h"

/* Puts a segment aside. Its acknowledgement does not count. */
void aside_add(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, const struct deliverable *part);

/* Lets what the receiver acknowledged, and nothing else came for, wait for its turn. False: there is none. */
bool aside_take(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side);
/* The same for what has the next octet, if that is before `end`. */
bool aside_take_until(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, uint32_t end);

/* A segment without a doubt came: what was put aside before has not taken the connection away. */
void aside_refute(struct flow *flow);
/* Both sides have sent nothing else for so many segments: then it is no forger, and what we know of them is out of date. */
bool aside_is_many(const struct flow *flow);
/* They come from both sides, and no other since. */
bool aside_is_both(const struct flow *flow);
/* Believes all that was put aside. */
void aside_trust(struct smtpscope_streams *streams, struct flow *flow);

/* Puts aside what waits for its turn and is belied by a later segment of its sender. */
void aside_belied(struct flow *flow, enum smtpscope_side side, const struct deliverable *later);

#endif
