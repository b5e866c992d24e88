/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture/annotate.h"

#include "base/gettext.h"
#include "capture/input.h"
#include "capture/pcapng.h"
#include "capture/savefile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET 2u
#define BLOCK_SIMPLE 3u
#define BLOCK_ENHANCED 6u
#define MAGIC 0x1a2b3c4du
#define OPTION_END 0
#define OPTION_COMMENT 1
#define OPTION_TSRESOL 9
#define NANOSECONDS_RESOLUTION 9
/* A block is its type, its length, its body, its length. */
#define BLOCK_HEAD 8
#define BLOCK_FRAME 12
/* In front of the options: of a section its magic, version and length; of a packet interface, time, and two lengths. */
#define SECTION_FIXED 16
#define PACKET_FIXED 20
#define CAPTURED_AT 12
/* What an option's length can say, whole words of it. */
#define COMMENT_MAX 65532
/* Of names and secrets the blocks may be long, of packets not; what lies about its length must not take the memory. */
#define BLOCK_MAX (64u << 20)
/* Kinds of links in one pcap: it has one; DLT values of a pcapng never come here. */
#define LINKS_MAX 16

struct copy {
    FILE *out;
    const struct annotate_source *source;
    bool big; /* the byte order of the section */
    bool told_file;
    uint64_t packet;
    uint8_t *block; /* the one that is being copied */
    size_t room;
};

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

static uint32_t get32(const struct copy *copy, const uint8_t *at)
{
    uint32_t little = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;

    return copy->big ? __builtin_bswap32(little) : little;
}

static void put32(const struct copy *copy, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        putc((int)(number >> (copy->big ? 24 - 8 * i : 8 * i) & 0xff), copy->out);
}

static void put16(const struct copy *copy, unsigned number)
{
    for (int i = 0; i < 2; i++)
        putc((int)(number >> (copy->big ? 8 - 8 * i : 8 * i) & 0xff), copy->out);
}

static void put_octets(const struct copy *copy, const void *octets, size_t len)
{
    fwrite(octets, 1, len, copy->out);
    for (; len % 4; len++)
        putc(0, copy->out);
}

static size_t comment_len(const char *comment)
{
    size_t len = strlen(comment);

    if (len <= COMMENT_MAX)
        return len;
    for (len = COMMENT_MAX; ((unsigned char)comment[len] & 0xc0) == 0x80; len--) /* never within a character */
        continue;
    return len;
}

static void put_comment(const struct copy *copy, const char *comment)
{
    size_t len = comment_len(comment);

    put16(copy, OPTION_COMMENT);
    put16(copy, (unsigned)len);
    put_octets(copy, comment, len);
}

static size_t comment_size(const char *comment)
{
    return comment ? 4 + padded(comment_len(comment)) : 0;
}

static size_t comments_size(const struct copy *copy)
{
    const char *comment;
    size_t size = 0;

    for (size_t i = 0; (comment = copy->source->packet(copy->source->ctx, copy->packet, i)); i++)
        size += comment_size(comment);
    return size;
}

static void put_comments(const struct copy *copy)
{
    const char *comment;

    for (size_t i = 0; (comment = copy->source->packet(copy->source->ctx, copy->packet, i)); i++)
        put_comment(copy, comment);
}

/* --- pcapng: the block that is in copy->block, of `len` octets with its frame, with comments in front of its options */

static void put_end(const struct copy *copy)
{
    put16(copy, OPTION_END);
    put16(copy, 0);
}

static void copy_section(struct copy *copy, size_t len)
{
    const char *comment = copy->told_file ? NULL : copy->source->file;
    bool ends = len == BLOCK_FRAME + SECTION_FIXED && comment; /* it has no options that would end themselves */
    uint32_t size = (uint32_t)(len + comment_size(comment) + (ends ? 4 : 0));

    copy->told_file = true;
    put32(copy, BLOCK_SECTION);
    put32(copy, size);
    put_octets(copy, copy->block + BLOCK_HEAD, 8);
    for (int i = 0; i < 8; i++)
        putc(0xff, copy->out); /* how long the section is, nobody says */
    if (comment)
        put_comment(copy, comment);
    put_octets(copy, copy->block + BLOCK_HEAD + SECTION_FIXED, len - BLOCK_FRAME - SECTION_FIXED);
    if (ends)
        put_end(copy);
    put32(copy, size);
}

static void copy_packet(struct copy *copy, size_t len)
{
    const uint8_t *body = copy->block + BLOCK_HEAD;
    size_t head = PACKET_FIXED + padded(get32(copy, body + CAPTURED_AT)), size = comments_size(copy), rest;
    bool ends;

    if (!size || head > len - BLOCK_FRAME) {
        put_octets(copy, copy->block, len);
        return;
    }
    rest = len - BLOCK_FRAME - head;
    ends = !rest;
    put_octets(copy, copy->block, 4);
    put32(copy, (uint32_t)(len + size + (ends ? 4 : 0)));
    put_octets(copy, body, head);
    put_comments(copy);
    put_octets(copy, body + head, rest);
    if (ends)
        put_end(copy);
    put32(copy, (uint32_t)(len + size + (ends ? 4 : 0)));
}

/* A simple packet has no room for options: with a comment it becomes one that has, of the first interface and no time. */
static void copy_simple(struct copy *copy, size_t len)
{
    const uint8_t *body = copy->block + BLOCK_HEAD;
    uint32_t wire = get32(copy, body), captured = (uint32_t)(len - BLOCK_FRAME - 4);
    size_t size = comments_size(copy);
    uint32_t whole;

    if (!size) {
        put_octets(copy, copy->block, len);
        return;
    }
    captured = captured < wire ? captured : wire;
    whole = (uint32_t)(BLOCK_FRAME + PACKET_FIXED + padded(captured) + size + 4);
    put32(copy, BLOCK_ENHANCED);
    put32(copy, whole);
    for (int i = 0; i < 3; i++)
        put32(copy, 0);
    put32(copy, captured);
    put32(copy, wire);
    put_octets(copy, body + 4, captured);
    put_comments(copy);
    put_end(copy);
    put32(copy, whole);
}

static void copy_block(struct copy *copy, size_t len)
{
    uint32_t type = get32(copy, copy->block);
    bool packet = (type == BLOCK_ENHANCED || type == BLOCK_PACKET) && len >= BLOCK_FRAME + PACKET_FIXED;

    if (type == BLOCK_SECTION && len >= BLOCK_FRAME + SECTION_FIXED) {
        copy_section(copy, len);
    } else if (packet) {
        copy->packet++;
        copy_packet(copy, len);
    } else if (type == BLOCK_SIMPLE && len >= BLOCK_FRAME + 4) {
        copy->packet++;
        copy_simple(copy, len);
    } else {
        put_octets(copy, copy->block, len);
    }
}

static bool read_whole(struct input *input, uint8_t *to, size_t len)
{
    for (ssize_t got; len; to += got, len -= (size_t)got)
        if ((got = input_read(input, to, len)) <= 0)
            return false;
    return true;
}

static bool reserve(struct copy *copy, size_t len)
{
    uint8_t *grown = len > copy->room ? realloc(copy->block, len) : copy->block;

    if (!grown)
        return false;
    copy->block = grown;
    copy->room = len > copy->room ? len : copy->room;
    return true;
}

/* The next block; 0: there is none that is whole. */
static size_t read_block(struct copy *copy, struct input *input)
{
    uint32_t len;

    if (!reserve(copy, BLOCK_HEAD + 4) || !read_whole(input, copy->block, BLOCK_HEAD))
        return 0;
    if (get32(copy, copy->block) == BLOCK_SECTION) { /* the same in either order, which the next word tells */
        if (!read_whole(input, copy->block + BLOCK_HEAD, 4))
            return 0;
        copy->big = copy->block[BLOCK_HEAD] == MAGIC >> 24;
        len = get32(copy, copy->block + 4);
        if (len < BLOCK_FRAME + SECTION_FIXED || len % 4 || len > BLOCK_MAX || !reserve(copy, len) ||
            !read_whole(input, copy->block + BLOCK_HEAD + 4, len - BLOCK_HEAD - 4))
            return 0;
        return len;
    }
    len = get32(copy, copy->block + 4);
    if (len < BLOCK_FRAME || len % 4 || len > BLOCK_MAX || !reserve(copy, len) ||
        !read_whole(input, copy->block + BLOCK_HEAD, len - BLOCK_HEAD))
        return 0;
    return len;
}

static void copy_pcapng(struct copy *copy, struct input *input)
{
    size_t len;

    while ((len = read_block(copy, input)))
        copy_block(copy, len);
}

/* --- what is no pcapng: frames, as they are read */

struct links {
    int types[LINKS_MAX];
    size_t count;
};

static void begin_section(struct copy *copy)
{
    size_t comment = comment_size(copy->source->file);
    uint32_t size = (uint32_t)(BLOCK_FRAME + SECTION_FIXED + comment + (comment ? 4 : 0));

    put32(copy, BLOCK_SECTION);
    put32(copy, size);
    put32(copy, MAGIC);
    put16(copy, 1);
    put16(copy, 0);
    put32(copy, UINT32_MAX);
    put32(copy, UINT32_MAX);
    if (comment) {
        put_comment(copy, copy->source->file);
        put_end(copy);
    }
    put32(copy, size);
}

/* The number of the interface of that link, which is described when it is first met; false: there are too many. */
static bool interface_of(struct copy *copy, struct links *links, int type, uint32_t *number)
{
    for (*number = 0; *number < links->count; ++*number)
        if (links->types[*number] == type)
            return true;
    if (links->count == LINKS_MAX)
        return false;
    links->types[links->count++] = type;
    put32(copy, BLOCK_INTERFACE);
    put32(copy, BLOCK_FRAME + 8 + 12);
    put16(copy, (unsigned)pcapng_link_value(type));
    put16(copy, 0);
    put32(copy, 0); /* no limit */
    put16(copy, OPTION_TSRESOL);
    put16(copy, 1);
    put_octets(copy, &(uint8_t){NANOSECONDS_RESOLUTION}, 1);
    put_end(copy);
    put32(copy, BLOCK_FRAME + 8 + 12);
    return true;
}

static bool put_frame(struct copy *copy, struct links *links, const struct frame *frame)
{
    size_t comments;
    uint32_t size, number;

    copy->packet++;
    if (!interface_of(copy, links, frame->link_type, &number))
        return false;
    comments = comments_size(copy);
    size = (uint32_t)(BLOCK_FRAME + PACKET_FIXED + padded(frame->caplen) + comments + (comments ? 4 : 0));
    put32(copy, BLOCK_ENHANCED);
    put32(copy, size);
    put32(copy, number);
    put32(copy, (uint32_t)((uint64_t)frame->time >> 32));
    put32(copy, (uint32_t)(uint64_t)frame->time);
    put32(copy, frame->caplen);
    put32(copy, frame->len);
    put_octets(copy, frame->data, frame->caplen);
    put_comments(copy);
    if (comments)
        put_end(copy);
    put32(copy, size);
    return true;
}

static bool copy_frames(struct copy *copy, const char *path, char *error, size_t error_size)
{
    struct savefile *file;
    struct batch *batch = batch_new();
    struct links links = {.count = 0};
    bool right = batch && !savefile_open(&file, path, error, error_size);

    if (right) {
        begin_section(copy);
        while (right && savefile_batch(file, batch) > 0)
            for (size_t i = 0; right && i < batch->count; i++)
                right = put_frame(copy, &links, &batch->frames[i]);
        if (!right)
            snprintf(error, error_size, "%s", _("too many link types"));
        savefile_close(file);
    } else if (!batch) {
        snprintf(error, error_size, "%s", _("out of memory"));
    }
    batch_free(batch);
    return right;
}

bool annotate_copy(const char *path, FILE *out, const struct annotate_source *source, char *error, size_t error_size)
{
    static const uint8_t section[] = {0x0a, 0x0d, 0x0d, 0x0a};
    struct copy copy = {.out = out, .source = source};
    struct input *input = input_open(path, error, error_size);
    uint8_t first[INPUT_PEEK];
    bool is_pcapng, right = true;

    if (!input)
        return false;
    is_pcapng = input_peek(input, first) >= (ssize_t)sizeof section && !memcmp(first, section, sizeof section);
    if (is_pcapng)
        copy_pcapng(&copy, input);
    input_close(input);
    if (!is_pcapng)
        right = copy_frames(&copy, path, error, error_size);
    free(copy.block);
    if (right && ferror(out)) {
        snprintf(error, error_size, "%s", strerror(errno ? errno : EIO));
        right = false;
    }
    return right;
}
