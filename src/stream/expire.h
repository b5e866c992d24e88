/* SPDX-License-Identifier: BSD-2-Clause */
/* What packet time ends. Internal to stream. */
#ifndef STREAM_EXPIRE_H
#define STREAM_EXPIRE_H

#include "flow.h"

/* Doubles the room for the flows that one call ends. False when out of memory. */
bool expiring_grow(struct smtpscope_streams *streams);

#endif
