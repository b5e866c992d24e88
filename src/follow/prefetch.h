/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hints that a segment with this hash comes soon, for a caller that takes segments in batches: a million sessions are in no
 * cache. Each step follows what the one before has fetched: the table's slot, the flow, the session with its judge. Nothing is
 * changed, and nothing depends on it. Of use while there are many sessions.
 */
#ifndef FOLLOW_PREFETCH_H
#define FOLLOW_PREFETCH_H

#include "smtpscope/follow.h"

#define FOLLOW_STEPS 3
bool follow_are_many(const struct smtpscope_follow *follow);
void follow_prefetch(const struct smtpscope_follow *follow, uint64_t hash, unsigned step);

#endif
