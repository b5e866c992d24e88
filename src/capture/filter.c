/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libpcap's "vlan", "mpls" and "pppoes" are not used: each shifts the offsets of all that follows, none works on "any", and
 * what is behind them would have to be said for every order they come in. A frame that is not plainly IP passes instead. Nor
 * is that much on a trunk: Linux takes the outermost tag off a frame it receives, and what is left is plain IP.
 */
#include "capture/filter.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * A range costs about 12 instructions and the kernel takes 4096 at most, and often only 20 KiB of them (net.core.optmem_max).
 * Beyond this many ranges all of TCP passes.
 */
enum { MAX_RANGES = 64 };

enum { PORTS = 65536 };

/* IPv4's further fragments have no ports. IPv6's extension headers libpcap does not look behind. */
#define FRAGMENTS "(ip proto 6 and ip[6:2] & 0x1fff != 0)"
/* Errors of ICMP quote the segment that they are about: destination unreachable, time exceeded, and IPv6's packet too big. */
#define ICMP_ERRORS "(ip proto 1 and (icmp[0] = 3 or icmp[0] = 11)) or (ip6 and ip6[6] = 58 and ip6[40] >= 1 and ip6[40] <= 3)"
#define EXTENSIONS "(ip6 and (ip6[6] = 0 or ip6[6] = 43 or ip6[6] = 44 or ip6[6] = 51 or ip6[6] = 60))"

/*
 * All that is IP and neither TCP, UDP, ICMP nor ESP, which nobody can look into; further fragments of UDP; what is not IP.
 */
#define ENCAPSULATED                                                                                                           \
    "(ip and not (ip proto 1 or ip proto 6 or ip proto 17 or ip proto 50)) or (ip proto 17 and ip[6:2] & 0x1fff != 0) or "     \
    "(ip6 and not (ip6[6] = 6 or ip6[6] = 17 or ip6[6] = 50 or ip6[6] = 58)) or not (ip or ip6 or arp)"

static bool port_is_set(const uint8_t *ports, unsigned port)
{
    return port < PORTS && (ports[port >> 3] >> (port & 7) & 1) != 0;
}

/* The next range at or behind `from`: false when there is none. Its end is inclusive. */
static bool next_range(const uint8_t *ports, unsigned from, unsigned *first, unsigned *last)
{
    while (from < PORTS && !port_is_set(ports, from))
        from++;
    if (from == PORTS)
        return false;
    *first = *last = from;
    while (port_is_set(ports, *last + 1))
        (*last)++;
    return true;
}

static unsigned count_ranges(const uint8_t *ports)
{
    unsigned count = 0, first, last;
    for (unsigned from = 0; next_range(ports, from, &first, &last); from = last + 1)
        count++;
    return count;
}

static void put_ports(FILE *out, const uint8_t *ports)
{
    unsigned first, last;
    const char *between = "";
    fputs("(tcp and (", out);
    for (unsigned from = 0; next_range(ports, from, &first, &last); from = last + 1) {
        if (first == last)
            fprintf(out, "%sport %u", between, first);
        else
            fprintf(out, "%sportrange %u-%u", between, first, last);
        between = " or ";
    }
    fputs("))", out);
}

static void put_tcp(FILE *out, const uint8_t *ports)
{
    unsigned ranges = ports != NULL ? count_ranges(ports) : 0;
    if (ranges == 0 || ranges > MAX_RANGES)
        fputs("tcp", out);
    else
        put_ports(out, ports);
}

static void put_tunnels(FILE *out, const struct filter_config *config)
{
    for (size_t i = 0; i < config->tunnel_count; i++)
        fprintf(out, " or udp dst port %u", config->tunnels[i]);
    fputs(" or " ENCAPSULATED, out);
}

char *filter_text(const struct filter_config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    put_tcp(out, config->ports);
    fputs(" or " FRAGMENTS " or " EXTENSIONS " or " ICMP_ERRORS, out);
    if (config->encapsulated)
        put_tunnels(out, config);
    bool failed = ferror(out) != 0;
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}
