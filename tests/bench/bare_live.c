/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limit that watching is measured against: libpcap's loop over an interface, with the settings of src/capture/live.c, which
 * only counts. Says "ready" when it listens; ends with SIGTERM and says what it has counted, and what the kernel has dropped.
 */
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUFFER_OCTETS = 32 << 20, SNAPSHOT_LENGTH = 262144, WAIT_MS = 100 };

struct counts {
    uint64_t packets, octets;
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static void packet_count(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *data)
{
    struct counts *counts = (struct counts *)(void *)user;
    (void)data;
    counts->packets++;
    counts->octets += header->len;
}

static pcap_t *live_open(const char *interface, char *error)
{
    pcap_t *pcap = pcap_create(interface, error);
    if (pcap == NULL)
        return NULL;
    if (pcap_set_snaplen(pcap, SNAPSHOT_LENGTH) != 0 || pcap_set_buffer_size(pcap, BUFFER_OCTETS) != 0 ||
        pcap_set_timeout(pcap, WAIT_MS) != 0 || pcap_set_promisc(pcap, 1) != 0 ||
        pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO) != 0 || pcap_activate(pcap) < 0 ||
        pcap_setnonblock(pcap, 1, error) != 0) {
        snprintf(error, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(pcap));
        pcap_close(pcap);
        return NULL;
    }
    return pcap;
}

static void live_count(pcap_t *pcap, struct counts *counts)
{
    struct pollfd ready = {.fd = pcap_get_selectable_fd(pcap), .events = POLLIN};
    while (!stopped)
        if (pcap_dispatch(pcap, -1, packet_count, (unsigned char *)counts) == 0)
            poll(&ready, 1, WAIT_MS);
    poll(NULL, 0, 2 * WAIT_MS); /* what is on its way */
    while (pcap_dispatch(pcap, -1, packet_count, (unsigned char *)counts) > 0)
        continue;
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE] = "";
    struct counts counts = {0};
    struct pcap_stat stats = {0};
    if (argc != 2) {
        fputs("usage: bare_live INTERFACE\n", stderr);
        return 2;
    }
    pcap_t *pcap = live_open(argv[1], error);
    if (pcap == NULL) {
        fprintf(stderr, "bare_live: %s: %s\n", argv[1], error);
        return 2;
    }
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    puts("ready");
    fflush(stdout);
    live_count(pcap, &counts);
    if (pcap_stats(pcap, &stats) != 0)
        fprintf(stderr, "bare_live: %s\n", pcap_geterr(pcap));
    pcap_close(pcap);
    printf("%llu packets, %llu octets, %u dropped\n", (unsigned long long)counts.packets, (unsigned long long)counts.octets,
           stats.ps_drop);
    return 0;
}
