/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking ahead, for the stages behind: see follow/prefetch.h. */
#ifndef STREAM_PREFETCH_H
#define STREAM_PREFETCH_H

#include "smtpscope/stream.h"

/*
 * Hints for callers that have segments in batches and a great many flows, which no processor cache holds: they fetch into the
 * cache what the segment with this hash will need. smtpscope_streams_prefetch() fetches the table's entry. A few segments
 * later smtpscope_streams_prefetch_flow() fetches the flow that the entry names. A few segments after that
 * smtpscope_streams_likely_user() returns the flow's `user`, or NULL, so that the caller can fetch what lies behind it; now and
 * then it is that of another flow with the same hash. None of them changes anything. While there are few flows they do nothing:
 * smtpscope_streams_are_many() says so, to be asked once a batch.
 */
bool smtpscope_streams_are_many(const struct smtpscope_streams *streams);
void smtpscope_streams_prefetch(const struct smtpscope_streams *streams, uint64_t hash);
void smtpscope_streams_prefetch_flow(const struct smtpscope_streams *streams, uint64_t hash);
void *smtpscope_streams_likely_user(const struct smtpscope_streams *streams, uint64_t hash);

#endif
