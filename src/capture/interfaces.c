/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE 1 /* pcap.h uses u_int */
#include "capture/interfaces.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

/* What pcap_addr's sockaddr is by its family; NULL when it is no IP address. */
static const void *address_octets(const struct sockaddr *address)
{
    if (address != NULL && address->sa_family == AF_INET)
        return &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (address != NULL && address->sa_family == AF_INET6)
        return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return NULL;
}

static void interface_add_address(struct interface *interface, const struct sockaddr *address)
{
    const void *octets = address_octets(address);
    size_t at = interface->address_count;
    if (octets == NULL)
        return;
    interface->address_count++;
    if (at < INTERFACE_ADDRESSES)
        inet_ntop(address->sa_family, octets, interface->addresses[at], INTERFACE_ADDRESS_SIZE);
}

static void interface_fill(struct interface *interface, const pcap_if_t *found)
{
    *interface = (struct interface){
        .name = found->name,
        .description = found->description,
        .up = (found->flags & PCAP_IF_UP) != 0,
        .running = (found->flags & PCAP_IF_RUNNING) != 0,
        .loopback = (found->flags & PCAP_IF_LOOPBACK) != 0,
    };
    for (const struct pcap_addr *address = found->addresses; address != NULL; address = address->next)
        interface_add_address(interface, address->addr);
}

/* The kernel knows it as a network interface, or it is all of them. */
static bool carries_ip(const char *name)
{
    return strcmp(name, "any") == 0 || if_nametoindex(name) != 0;
}

int interfaces_list(void (*each)(void *ctx, const struct interface *interface), void *ctx, char *error, size_t error_size)
{
    char reason[PCAP_ERRBUF_SIZE] = "";
    struct interface interface;
    pcap_if_t *all = NULL;
    int count = 0;
    if (pcap_findalldevs(&all, reason) != 0) {
        snprintf(error, error_size, "%s", reason);
        return -1;
    }
    for (const pcap_if_t *found = all; found != NULL; found = found->next) {
        if (!carries_ip(found->name))
            continue;
        interface_fill(&interface, found);
        each(ctx, &interface);
        count++;
    }
    pcap_freealldevs(all);
    return count;
}
