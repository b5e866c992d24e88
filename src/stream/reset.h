/* SPDX-License-Identifier: BSD-2-Clause */
/* What a RST does to a flow. Internal to stream. */
#ifndef STREAM_RESET_H
#define STREAM_RESET_H

#include "flow.h"

/* Takes a RST that `side` sent. `sound`: it fails no check. */
void reset_note(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, bool sound,
                const struct smtpscope_segment *segment);
/* Takes any other segment that fails no check: a sender that goes on has not reset the connection. `moved`: it brought the next octets. */
void reset_belie(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_side side, bool moved);
/* A RST was in doubt, and its sender has not gone on for so long that it counts. */
bool reset_is_due(const struct smtpscope_streams *streams, const struct flow *flow);
/* The flow ends, and everything was delivered: does the RST count that was in doubt? */
void reset_believe(const struct smtpscope_streams *streams, struct flow *flow, const struct doubtful_reset *reset);

#endif
