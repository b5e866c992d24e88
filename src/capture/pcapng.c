/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libpcap (1.10) reads pcapng too, but as one handle has one link type and one snapshot length it refuses a file whose
 * interfaces differ in either, and those are the files that `dumpcap -i any…` and several -i options write. So pcapng is
 * always read here.
 *
 * Read: section headers (either byte order, any number), interface descriptions (if_tsresol, if_tsoffset), enhanced, simple and
 * obsolete packet blocks, the secrets of TLS where they are wanted. All else is skipped: names, statistics, comments. Packets
 * are handed out where they were read, without a copy.
 */
#include "capture/pcapng.h"

#include "base/gettext.h"
#include "base/reader.h"

#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

/*
 * The largest block that is looked into. The largest packet on a link that carries IP is half of it (Linux's BIG TCP), and a
 * block that lies about its length is found out without memory for it. What is skipped has no bound.
 */
enum { MAX_BLOCK = 1 << 20 };
/* Virtual interfaces by the thousand are met on hosts of containers; dumpcap has no bound of its own. */
enum { MAX_INTERFACES = 4096 };

enum block_type {
    BLOCK_SECTION = 0x0a0d0d0a,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 2,
    BLOCK_SIMPLE = 3,
    BLOCK_ENHANCED = 6,
    BLOCK_SECRETS = 10,
};

/* "TLSK": what is in a block of secrets */
#define SECRETS_TLS 0x544c534bu

enum option { OPTION_END = 0, OPTION_TSRESOL = 9, OPTION_TSOFFSET = 14 };

struct pcapng_interface {
    int link_type;
    uint32_t snaplen;
    uint8_t resolution; /* if_tsresol: 10^-n, or 2^-n when the first bit is set */
    int64_t offset;     /* if_tsoffset: seconds */
};

struct pcapng {
    struct feed *feed;
    const char *error;
    bool big; /* the section's byte order */
    struct pcapng_interface *interfaces;
    size_t interface_count, interface_room;
    smtpscope_time last_time;
    size_t skip; /* octets still to be passed over */
    struct secrets_taker secrets;
    size_t secret;    /* octets still to be given to it; then `skip` ends the block */
    bool alone, open; /* only secrets are wanted; a block of them has begun */
};

struct pcapng *pcapng_new(struct feed *feed)
{
    struct pcapng *file = calloc(1, sizeof *file);
    if (file == NULL)
        return NULL;
    file->feed = feed;
    file->error = "";
    return file;
}

void pcapng_free(struct pcapng *file)
{
    if (file == NULL)
        return;
    free(file->interfaces);
    free(file);
}

const char *pcapng_error(const struct pcapng *file)
{
    return file->error;
}

static enum feed_state pcapng_fail(struct pcapng *file, const char *error)
{
    file->error = error;
    return FEED_FAILED;
}

static uint16_t field16(const struct pcapng *file, const struct reader *reader, size_t off)
{
    return file->big ? reader_be16(reader, off) : reader_le16(reader, off);
}

static uint32_t field32(const struct pcapng *file, const struct reader *reader, size_t off)
{
    return file->big ? reader_be32(reader, off) : reader_le32(reader, off);
}

static uint64_t field64(const struct pcapng *file, const struct reader *reader, size_t off)
{
    uint64_t first = field32(file, reader, off), second = field32(file, reader, off + 4);
    return file->big ? first << 32 | second : second << 32 | first;
}

static enum feed_state pcapng_need(struct pcapng *file, size_t want)
{
    enum feed_state state = feed_need(file->feed, want);
    if (state == FEED_FAILED)
        file->error = file->feed->error;
    return state;
}

/* Passes over what is to be skipped, as far as this batch goes. */
static enum feed_state pcapng_skip(struct pcapng *file)
{
    struct feed *feed = file->feed;
    for (;;) {
        size_t left = feed->len - feed->at, step = left < file->skip ? left : file->skip;
        feed->at += step;
        file->skip -= step;
        enum feed_state state = file->skip > 0 ? pcapng_need(file, 1) : FEED_READY;
        if (state == FEED_END)
            return pcapng_fail(file, feed->cut);
        if (state != FEED_READY || file->skip == 0)
            return state;
    }
}

void pcapng_secrets(struct pcapng *file, const struct secrets_taker *taker, bool alone)
{
    file->secrets = *taker;
    file->alone = alone;
}

/* Hands on what there is of a block of secrets: it may be longer than any other. */
static enum feed_state secrets_take(struct pcapng *file)
{
    struct feed *feed = file->feed;
    while (file->secret > 0) {
        enum feed_state state = pcapng_need(file, 1);
        if (state == FEED_END)
            return pcapng_fail(file, feed->cut);
        if (state != FEED_READY)
            return state;
        size_t left = feed->len - feed->at, step = left < file->secret ? left : file->secret;
        file->secrets.octets(file->secrets.ctx, feed_at(feed), step);
        feed->at += step;
        file->secret -= step;
    }
    if (file->open)
        file->secrets.octets(file->secrets.ctx, NULL, 0);
    file->open = false;
    return FEED_READY;
}

/* Secrets: type (4), length (4), data, options. Its head was read, and is taken here. */
static enum feed_state secrets_begin(struct pcapng *file, uint32_t len)
{
    enum { HEAD = 16 };
    if (len < HEAD + 4)
        return pcapng_fail(file, _("a block's length cannot be"));
    enum feed_state state = pcapng_need(file, HEAD);
    if (state != FEED_READY)
        return state;
    struct reader head = reader_over(feed_at(file->feed), HEAD);
    uint32_t type = field32(file, &head, 8), secret = field32(file, &head, 12);
    file->open = type == SECRETS_TLS && secret <= len - HEAD - 4;
    file->secret = file->open ? secret : 0;
    file->skip = len - HEAD - file->secret;
    file->feed->at += HEAD;
    return FEED_READY;
}

/* LINKTYPE_ values are the file's, DLT_ values the program's; most are equal. */
static const struct {
    uint16_t value;
    int link_type;
} other_links[] = {
    {100, DLT_ATM_RFC1483}, {101, DLT_RAW}, {102, DLT_SLIP_BSDOS}, {103, DLT_PPP_BSDOS}, {106, DLT_ATM_CLIP}, {246, DLT_PFSYNC},
};

#define OTHER_LINKS (sizeof other_links / sizeof other_links[0])

static int link_type_of(uint16_t value)
{
    for (size_t i = 0; i < OTHER_LINKS; i++)
        if (other_links[i].value == value)
            return other_links[i].link_type;
    return value;
}

uint16_t pcapng_link_value(int link_type)
{
    for (size_t i = 0; i < OTHER_LINKS; i++)
        if (other_links[i].link_type == link_type)
            return other_links[i].value;
    return (uint16_t)link_type;
}

/* Options are pairs of a code and a length, each padded to 4 octets. What is not all there is not looked at. */
static void interface_options(const struct pcapng *file, struct pcapng_interface *interface, struct reader options)
{
    struct reader head, value;
    while (reader_part(&options, 4, &head)) {
        uint16_t code = field16(file, &head, 0), len = field16(file, &head, 2);
        if (code == OPTION_END || !reader_part(&options, len, &value))
            return;
        if (code == OPTION_TSRESOL && len == 1)
            interface->resolution = reader_u8(&value, 0);
        if (code == OPTION_TSOFFSET && len == 8)
            interface->offset = (int64_t)field64(file, &value, 0);
        reader_skip(&options, (4u - len % 4u) % 4u);
    }
}

/* Link type (2), reserved (2), snapshot length (4), options */
static enum feed_state interface_add(struct pcapng *file, struct reader body)
{
    if (reader_left(&body) < 8)
        return pcapng_fail(file, _("an interface description is too short"));
    if (file->interface_count == MAX_INTERFACES)
        return pcapng_fail(file, _("more interfaces than can be"));
    if (file->interface_count == file->interface_room) {
        size_t room = file->interface_room ? file->interface_room * 2 : 8;
        struct pcapng_interface *interfaces = realloc(file->interfaces, room * sizeof *interfaces);
        if (interfaces == NULL)
            return pcapng_fail(file, _("out of memory"));
        file->interfaces = interfaces;
        file->interface_room = room;
    }
    struct pcapng_interface *interface = &file->interfaces[file->interface_count++];
    *interface = (struct pcapng_interface){
        .link_type = link_type_of(field16(file, &body, 0)), .snaplen = field32(file, &body, 4), .resolution = 6};
    reader_skip(&body, 8);
    interface_options(file, interface, body);
    return FEED_READY;
}

/* Units of 10^-n s. 10^19 is the largest power that 64 bits hold: what claims to be finer is taken as that. */
static uint64_t ticks_decimal(uint64_t ticks, unsigned n, uint64_t *seconds)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < n && i < 19; i++)
        unit *= 10;
    *seconds = ticks / unit;
    uint64_t rest = ticks % unit;
    for (; n < 9; n++)
        rest *= 10;
    for (n = n < 19 ? n : 19; n > 9; n--)
        rest /= 10;
    return rest;
}

/* Units of 2^-n s. 32 bits of a fraction are finer than a nanosecond. */
static uint64_t ticks_binary(uint64_t ticks, unsigned n, uint64_t *seconds)
{
    n = n < 63 ? n : 63;
    *seconds = ticks >> n;
    uint64_t rest = ticks & ((UINT64_C(1) << n) - 1);
    if (n > 32) {
        rest >>= n - 32;
        n = 32;
    }
    return rest * 1000000000 >> n;
}

/* 2200-01-01. A time beyond it, or before 1970, is a lie or a damaged block, and becomes the nearest that is not: so sums and
 * differences of times, in nanoseconds, never overflow. */
#define TIME_MOST INT64_C(7258118400)

static smtpscope_time time_of(const struct pcapng_interface *interface, uint64_t ticks)
{
    const int64_t most = TIME_MOST;
    if (interface->resolution == 6 && interface->offset == 0 && ticks < (uint64_t)TIME_MOST * 1000000)
        return (smtpscope_time)ticks * 1000;
    uint64_t seconds;
    unsigned exponent = interface->resolution & 0x7f;
    uint64_t rest =
        interface->resolution & 0x80 ? ticks_binary(ticks, exponent, &seconds) : ticks_decimal(ticks, exponent, &seconds);
    int64_t whole = seconds < (uint64_t)most ? (int64_t)seconds : most;
    int64_t offset = interface->offset;
    if (offset > most - whole)
        whole = most;
    else
        whole = offset < -whole ? 0 : whole + offset;
    return whole * SMTPSCOPE_SECOND + (smtpscope_time)rest;
}

/* The packet behind a block's fixed part. */
static enum feed_state packet_fill(struct pcapng *file, struct frame *frame, struct reader body, uint32_t caplen, uint32_t len)
{
    if (caplen > reader_left(&body))
        return pcapng_fail(file, _("a packet is longer than its block"));
    frame->data = body.at;
    frame->caplen = caplen;
    frame->len = len;
    frame->time = file->last_time;
    return FEED_READY;
}

/*
 * Enhanced packet: interface (4), time (4 high, 4 low), captured length (4), length (4), data, options.
 * The obsolete packet block has two octets of interface and two of drops, and is otherwise the same.
 */
static enum feed_state packet_timed(struct pcapng *file, struct frame *frame, struct reader body, bool obsolete)
{
    struct reader fixed;
    if (!reader_part(&body, 20, &fixed))
        return pcapng_fail(file, _("a packet block is too short"));
    uint32_t id = obsolete ? field16(file, &fixed, 0) : field32(file, &fixed, 0);
    if (id >= file->interface_count)
        return pcapng_fail(file, _("a packet of an interface that was not described"));
    const struct pcapng_interface *interface = &file->interfaces[id];
    uint64_t ticks = (uint64_t)field32(file, &fixed, 4) << 32 | field32(file, &fixed, 8);
    frame->link_type = interface->link_type;
    file->last_time = time_of(interface, ticks);
    return packet_fill(file, frame, body, field32(file, &fixed, 12), field32(file, &fixed, 16));
}

/* Simple packet: length (4), data. It is of interface 0 and has no time: the one before it is the nearest that is known. */
static enum feed_state packet_simple(struct pcapng *file, struct frame *frame, struct reader body)
{
    struct reader fixed;
    if (!reader_part(&body, 4, &fixed))
        return pcapng_fail(file, _("a packet block is too short"));
    if (file->interface_count == 0)
        return pcapng_fail(file, _("a packet of an interface that was not described"));
    const struct pcapng_interface *interface = &file->interfaces[0];
    uint32_t len = field32(file, &fixed, 0), caplen = len;
    if (interface->snaplen != 0 && caplen > interface->snaplen)
        caplen = interface->snaplen;
    frame->link_type = interface->link_type;
    return packet_fill(file, frame, body, caplen, len);
}

/* A section begins: its byte order holds from its own length on, and its interfaces are its own. */
static enum feed_state section_start(struct pcapng *file, const struct reader *head)
{
    static const uint8_t big[4] = {0x1a, 0x2b, 0x3c, 0x4d}, little[4] = {0x4d, 0x3c, 0x2b, 0x1a};
    file->big = memcmp(head->at + 8, big, 4) == 0;
    if (!file->big && memcmp(head->at + 8, little, 4) != 0)
        return pcapng_fail(file, _("a section has no byte order"));
    file->interface_count = 0;
    return FEED_READY;
}

static bool block_is_wanted(const struct pcapng *file, uint32_t type)
{
    if (file->alone)
        return false;
    return type == BLOCK_ENHANCED || type == BLOCK_SIMPLE || type == BLOCK_PACKET || type == BLOCK_INTERFACE;
}

/* Takes a block whole: its body. The length stands at both ends. */
static enum feed_state block_body(struct pcapng *file, uint32_t len, struct reader *body)
{
    if (len > MAX_BLOCK)
        return pcapng_fail(file, _("a block is longer than any packet"));
    enum feed_state state = pcapng_need(file, len);
    if (state != FEED_READY)
        return state;
    const uint8_t *block = feed_at(file->feed);
    *body = reader_over(block + 8, len - 12);
    struct reader trailer = reader_over(block + len - 4, 4);
    file->feed->at += len;
    return field32(file, &trailer, 0) == len ? FEED_READY : pcapng_fail(file, _("a block's two lengths differ"));
}

/* The head of the next block: its type and length. */
static enum feed_state block_head(struct pcapng *file, uint32_t *type, uint32_t *len)
{
    enum feed_state state = pcapng_need(file, 12);
    if (state != FEED_READY)
        return state;
    struct reader head = reader_over(feed_at(file->feed), 12);
    *type = field32(file, &head, 0);
    if (*type == BLOCK_SECTION && section_start(file, &head) < 0)
        return FEED_FAILED;
    *len = field32(file, &head, 4);
    return *len >= 12 && *len % 4 == 0 ? FEED_READY : pcapng_fail(file, _("a block's length cannot be"));
}

enum feed_state pcapng_next(struct pcapng *file, struct frame *frame)
{
    for (;;) {
        uint32_t type, len;
        struct reader body;
        enum feed_state state = secrets_take(file);
        if (state == FEED_READY && file->skip > 0)
            state = pcapng_skip(file);
        if (state == FEED_READY)
            state = block_head(file, &type, &len);
        if (state != FEED_READY)
            return state;
        if (type == BLOCK_SECRETS && file->secrets.octets) {
            state = secrets_begin(file, len);
            if (state != FEED_READY)
                return state;
            continue;
        }
        if (!block_is_wanted(file, type)) {
            file->skip = len;
            continue;
        }
        state = block_body(file, len, &body);
        if (state != FEED_READY)
            return state;
        if (type == BLOCK_ENHANCED || type == BLOCK_PACKET)
            return packet_timed(file, frame, body, type == BLOCK_PACKET);
        if (type == BLOCK_SIMPLE)
            return packet_simple(file, frame, body);
        if (interface_add(file, body) < 0)
            return FEED_FAILED;
    }
}
