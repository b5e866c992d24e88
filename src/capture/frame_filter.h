/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A capture filter of pcap-filter(7) on frames that come from files: what the kernel does for interfaces. A filter is made for a kind
 * of link; files may have several.
 */
#ifndef CAPTURE_FRAME_FILTER_H
#define CAPTURE_FRAME_FILTER_H

#include "capture/frame.h"

#include <stdbool.h>

struct frame_filter;

/*
 * Makes the filter for the usual links at once, for names of hosts are looked up then. NULL: no memory. The expression is valid, on some
 * link at least, and outlives the filter. frame_filter_free() frees.
 */
struct frame_filter *frame_filter_new(const char *expression);
void frame_filter_free(struct frame_filter *filter);

/* Does the frame pass? Of a link on which the expression means nothing, none does. One thread at a time. */
bool frame_filter_passes(struct frame_filter *filter, const struct frame *frame);

#endif
