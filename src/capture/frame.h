/* SPDX-License-Identifier: BSD-2-Clause */
/* One captured frame: what `capture` gives and `decode` takes apart. */
#ifndef CAPTURE_FRAME_H
#define CAPTURE_FRAME_H

#include "smtpscope/types.h"

/* `data` belongs to the batch that the frame is in. */
struct frame {
    smtpscope_time time;
    uint64_t number; /* 1 is the first of its file */
    const uint8_t *data;
    int link_type;        /* libpcap's DLT_ value */
    uint32_t caplen, len; /* octets captured, octets on the wire */
};

#endif
