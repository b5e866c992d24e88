/* SPDX-License-Identifier: BSD-2-Clause */
/* Reassembly of IPv4 and IPv6 datagrams from their fragments, within bounds. */
#ifndef DECODE_FRAGMENT_H
#define DECODE_FRAGMENT_H

#include "base/reader.h"
#include "smtpscope/types.h"

struct fragments;

struct fragments_config {
    size_t max_datagrams, max_octets;
    smtpscope_time timeout;
    uint64_t seed; /* of the keys' hash: nothing that a sender can know */
};

/* One fragment. Its octets are [offset, offset + data + beyond) of the datagram, of which `data` was captured. */
struct fragment {
    struct reader addresses; /* source and destination: 8 octets (IPv4) or 32 (IPv6) */
    uint32_t id;
    uint8_t protocol; /* the IPv4 protocol; what the IPv6 fragment header says comes next */
    uint8_t hops;     /* of the IP header */
    bool more;
    uint32_t offset;
    struct reader data;
    uint32_t beyond;
    smtpscope_time time;
};

enum fragment_fate {
    FRAGMENT_HELD,      /* the datagram is not complete: of `whole`, only its number is filled */
    FRAGMENT_COMPLETES, /* it is: `whole` is filled */
    FRAGMENT_DISMISSED, /* its datagram was dismissed */
    FRAGMENT_DROPPED,   /* it contradicts itself, or there is no memory */
};

/* A datagram's payload. `data` is the table's and valid until the next datagram is complete. */
struct datagram {
    struct reader data;
    uint32_t beyond;  /* octets behind `data` that were on the wire and not captured */
    uint8_t protocol; /* of the fragment at offset 0 */
    uint8_t hops;     /* the least of its fragments */
    bool contested;   /* fragments of it had different octets for the same place */
    uint64_t number;  /* its own, from 1 */
};

struct fragments_stats {
    uint64_t fragments, reassembled, lost, evicted, contradicting, waiting;
};

/* NULL when out of memory. Freed by fragments_free(). */
struct fragments *fragments_new(const struct fragments_config *config);
void fragments_free(struct fragments *table);

enum fragment_fate fragments_add(struct fragments *table, const struct fragment *fragment, struct datagram *whole);

/*
 * A first fragment says that nobody wants the datagram: what comes of it is not held any more, unless another first fragment
 * says, or has said, otherwise.
 */
void fragments_dismiss(struct fragments *table, const struct fragment *fragment);

void fragments_stats(const struct fragments *table, struct fragments_stats *stats);

#endif
