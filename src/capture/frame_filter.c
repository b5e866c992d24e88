/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE 1 /* pcap.h uses u_int */
#include "capture/frame_filter.h"

#include <pcap/pcap.h>
#include <stdlib.h>

/* Every packet of a tap. */
#define ANY_LENGTH 262144
/* Beside the usual links, of which a run has one or two. */
#define LINKS_MAX 16

static const int usual[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, DLT_NULL, DLT_IEEE802_11_RADIO, DLT_IEEE802_11};

#define USUAL (sizeof usual / sizeof usual[0])

struct link_filter {
    int link;
    bool means_something; /* there */
    struct bpf_program code;
};

struct frame_filter {
    const char *expression;
    struct link_filter links[LINKS_MAX], *last;
    size_t count;
};

static struct link_filter *link_add(struct frame_filter *filter, int link)
{
    struct link_filter *added = &filter->links[filter->count++];
    pcap_t *pcap = pcap_open_dead(link, ANY_LENGTH);

    added->link = link;
    added->means_something = pcap && !pcap_compile(pcap, &added->code, filter->expression, 1, PCAP_NETMASK_UNKNOWN);
    if (pcap)
        pcap_close(pcap);
    return added;
}

struct frame_filter *frame_filter_new(const char *expression)
{
    struct frame_filter *filter = calloc(1, sizeof *filter);

    if (!filter)
        return NULL;
    filter->expression = expression;
    for (size_t i = 0; i < USUAL; i++)
        filter->last = link_add(filter, usual[i]);
    return filter;
}

void frame_filter_free(struct frame_filter *filter)
{
    if (!filter)
        return;
    for (size_t i = 0; i < filter->count; i++)
        if (filter->links[i].means_something)
            pcap_freecode(&filter->links[i].code);
    free(filter);
}

static struct link_filter *link_find(struct frame_filter *filter, int link)
{
    for (size_t i = 0; i < filter->count; i++)
        if (filter->links[i].link == link)
            return &filter->links[i];
    return filter->count < LINKS_MAX ? link_add(filter, link) : NULL;
}

bool frame_filter_passes(struct frame_filter *filter, const struct frame *frame)
{
    struct pcap_pkthdr header = {.caplen = frame->caplen, .len = frame->len};
    struct link_filter *link = filter->last->link == frame->link_type ? filter->last : link_find(filter, frame->link_type);

    if (!link || !link->means_something)
        return false;
    filter->last = link;
    return pcap_offline_filter(&link->code, &header, frame->data);
}
