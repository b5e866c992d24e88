/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading others' fields: a dissected frame -> the TCP segment or the clear text in it. */
#ifndef FEED_H
#define FEED_H

#include "compat.h"

/* Once, when all protocols are registered. */
void feed_handoff(void);
/* The fields that must be in the tree for it; owned by the caller. */
GArray *feed_wanted(void);
/* Analyses a frame. For its first visit only: later the fields are not there, and its octets would count twice. */
void feed_packet(packet_info *pinfo, proto_tree *tree);

#endif
