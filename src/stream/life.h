/* SPDX-License-Identifier: BSD-2-Clause */
/* How a flow ends. Internal to stream. */
#ifndef STREAM_LIFE_H
#define STREAM_LIFE_H

#include "flow.h"

/* Closes a flow whose both sides have sent their FIN, and nothing is held. It lingers then. */
void flow_close_if_done(struct smtpscope_streams *streams, struct flow *flow);
/* Ends a flow for whatever reason: delivers what is held, closes it, and removes it. */
void flow_end(struct smtpscope_streams *streams, struct flow *flow, enum smtpscope_close why);

#endif
