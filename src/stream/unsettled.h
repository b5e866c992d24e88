/* SPDX-License-Identifier: BSD-2-Clause */
/* What is not settled of a flow, and is there only while it is not. Internal to stream. */
#ifndef STREAM_UNSETTLED_H
#define STREAM_UNSETTLED_H

#include "flow.h"

/* What there is, made now if there is nothing. NULL: out of memory. */
struct unsettled *unsettled_of(struct smtpscope_streams *streams, struct flow *flow);
/* Frees it when nothing is left in it. */
void unsettled_settle(struct smtpscope_streams *streams, struct flow *flow);

#endif
