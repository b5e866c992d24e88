/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader of the packets of classic pcap files, see the head of classic.c for why there is one beside libpcap's. */
#ifndef CAPTURE_CLASSIC_H
#define CAPTURE_CLASSIC_H

#include "capture/feed.h"

#include <pcap/pcap.h>

enum { CLASSIC_HEADER = 24 }; /* octets of a file's header */

struct classic {
    struct feed *feed;
    bool big;      /* the file's byte order */
    uint32_t unit; /* of the fraction of a second, in nanoseconds */
    int link_type;
    uint32_t snaplen;
    char error[96];
};

/* Whether `header`, as `pcap` has read it, begins a file that is read here: then `classic` is set up, but for its feed. */
bool classic_init(struct classic *classic, const uint8_t header[CLASSIC_HEADER], pcap_t *pcap);

/* The next packet, but for its number. FEED_FAILED: see classic->error. */
enum feed_state classic_next(struct classic *classic, struct frame *frame);

#endif
