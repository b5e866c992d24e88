/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of flows, by the two ends of a connection. Internal to stream. */
#ifndef STREAM_TABLE_H
#define STREAM_TABLE_H

#include "flow.h"

/* The flow of a segment in either direction, or NULL. Sets `side`: who sent it. */
struct flow *flow_find(const struct smtpscope_streams *streams, const struct smtpscope_segment *segment, uint64_t hash,
                       enum smtpscope_side *side);
/* A zeroed flow in the table and in LIST_EMBRYO, or NULL when out of memory. */
struct flow *flow_add(struct smtpscope_streams *streams, uint64_t hash);
void flow_remove(struct smtpscope_streams *streams, struct flow *flow);
/* The table's memory, and that of all flows, but for what they hold. */
void table_free(struct smtpscope_streams *streams);

#endif
