/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's filter for live capture, in libpcap's language: lets through whatever may carry a watched port's segments, so
 * that the rest never leaves the kernel. It may pass too much, never too little: the decoder looks closer.
 */
#ifndef CAPTURE_FILTER_H
#define CAPTURE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filter_config {
    const uint8_t *ports;    /* 8192 octets: TCP port p is bit p % 8 of octet p / 8; NULL: all ports */
    bool encapsulated;       /* behind further tags, labels, PPPoE, other IP protocols and `tunnels` too */
    const uint16_t *tunnels; /* UDP ports of tunnels, of the destination; with `encapsulated` */
    size_t tunnel_count;
};

/*
 * The filter for live_config.filter. NULL when out of memory; the caller frees. Without `encapsulated` it sees Ethernet with
 * or without the one VLAN tag that Linux takes off before anyone looks.
 */
char *filter_text(const struct filter_config *config);

#endif
