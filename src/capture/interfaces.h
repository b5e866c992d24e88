/* SPDX-License-Identifier: BSD-2-Clause */
/* The interfaces that can be captured from. */
#ifndef CAPTURE_INTERFACES_H
#define CAPTURE_INTERFACES_H

#include <stdbool.h>
#include <stddef.h>

/* More addresses than that are counted, not listed. */
enum { INTERFACE_ADDRESSES = 16, INTERFACE_ADDRESS_SIZE = 46 };

/* Valid during the call that it is handed to. */
struct interface {
    const char *name;
    const char *description; /* NULL: none */
    size_t address_count;
    char addresses[INTERFACE_ADDRESSES][INTERFACE_ADDRESS_SIZE]; /* IPv4 and IPv6, as text */
    bool up, running, loopback;                                  /* running: it has a carrier */
};

/*
 * Hands the interfaces to `each`, in libpcap's order: the likeliest first. Without those of libpcap's pseudo-devices that
 * carry no IP (USB, D-Bus, netfilter's queues). Their number, or -1 with one line in `error`.
 */
int interfaces_list(void (*each)(void *ctx, const struct interface *interface), void *ctx, char *error, size_t error_size);

#endif
