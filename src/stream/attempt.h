/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that never came to a word. */
#ifndef STREAM_ATTEMPT_H
#define STREAM_ATTEMPT_H

#include "flow.h"

/*
 * A segment of a flow of which nothing was told yet, taken already; `again`: it changed nothing of what its side has sent. A
 * handshake may take as long as a client tries.
 */
void attempt_segment(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side,
                     const struct smtpscope_segment *segment, bool again);
/* The flow ends, and opened() was never called. Tells it, where the capture shows what happened. */
void attempt_tell(struct smtpscope_streams *streams, const struct flow *flow, enum smtpscope_close why);

#endif
