/* SPDX-License-Identifier: BSD-2-Clause */
/* A stand-in until the streams have it themselves. */
#ifndef APP_STREAM_STUB_H
#define APP_STREAM_STUB_H

#include "base/hash.h"
#include "smtpscope/segment.h"

static inline uint64_t smtpscope_segment_hash(const struct smtpscope_segment *segment, uint64_t seed)
{
    uint64_t src = hash_octets(segment->src.addr, sizeof segment->src.addr, seed ^ segment->src.port);
    uint64_t dst = hash_octets(segment->dst.addr, sizeof segment->dst.addr, seed ^ segment->dst.port);

    return hash_mix(src + dst, src ^ dst ^ seed);
}

#endif
