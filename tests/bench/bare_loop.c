/* SPDX-License-Identifier: BSD-2-Clause */
/* The limit that the program's speed is measured against: libpcap's loop over a file, which only counts. */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>

struct counts {
    uint64_t packets, octets;
};

static void packet_count(unsigned char *user, const struct pcap_pkthdr *header, const unsigned char *data)
{
    struct counts *counts = (struct counts *)(void *)user;
    (void)data;
    counts->packets++;
    counts->octets += header->len;
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE];
    struct counts counts = {0};
    if (argc != 2) {
        fputs("usage: bare_loop FILE\n", stderr);
        return 2;
    }
    pcap_t *pcap = pcap_open_offline(argv[1], error);
    if (pcap == NULL) {
        fprintf(stderr, "bare_loop: %s\n", error);
        return 2;
    }
    int status = pcap_loop(pcap, -1, packet_count, (unsigned char *)&counts);
    pcap_close(pcap);
    printf("%llu packets, %llu octets\n", (unsigned long long)counts.packets, (unsigned long long)counts.octets);
    return status < 0 ? 3 : 0;
}
