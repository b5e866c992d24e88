/* SPDX-License-Identifier: BSD-2-Clause */
/* Capture files written octet by octet: pcap, pcapng, compressed, in either byte order; and what reading them must give. */
#ifndef SMTPSCOPE_TESTS_TEST_CAPTURE_H
#define SMTPSCOPE_TESTS_TEST_CAPTURE_H

#include "unit.h"

#include "capture/savefile.h"

#include <fcntl.h>
#include <zlib.h>
#include <zstd.h>

enum { ROOM = 3 << 20, ETHERNET = 1, RAW = 12, LINKTYPE_RAW = 101 };

/* A file that is being written, in one byte order. */
struct file {
    uint8_t octets[ROOM];
    size_t len;
    bool big;
};

static struct file file;

static inline void put(struct file *to, uint64_t value, size_t len)
{
    assert_true(to->len + len <= ROOM);
    for (size_t i = 0; i < len; i++)
        to->octets[to->len++] = (uint8_t)(value >> 8 * (to->big ? len - 1 - i : i));
}

static inline void put_octets(struct file *to, const void *octets, size_t len)
{
    assert_true(to->len + len <= ROOM);
    memcpy(to->octets + to->len, octets, len);
    to->len += len;
}

static inline void pad(struct file *to)
{
    while (to->len % 4 != 0)
        put(to, 0, 1);
}

static inline void file_start(struct file *to, bool big)
{
    to->len = 0;
    to->big = big;
}

static inline void pcap_header(struct file *to, uint32_t magic, uint32_t link_type)
{
    put(to, magic, 4);
    put(to, 2, 2);
    put(to, 4, 2);
    put(to, 0, 8);
    put(to, 65535, 4);
    put(to, link_type, 4);
}

/* A packet of `len` octets, each of them `len` too. */
static inline void pcap_packet(struct file *to, uint32_t seconds, uint32_t fraction, uint32_t caplen, uint32_t len)
{
    put(to, seconds, 4);
    put(to, fraction, 4);
    put(to, caplen, 4);
    put(to, len, 4);
    for (uint32_t i = 0; i < caplen; i++)
        put(to, caplen, 1);
}

/* Of the format that patched versions of libpcap have written: three fields more. */
static inline void modified_packet(struct file *to, uint32_t seconds, uint32_t fraction, uint32_t caplen, uint32_t len)
{
    pcap_packet(to, seconds, fraction, 0, len);
    to->len -= 8;
    put(to, caplen, 4);
    put(to, len, 4);
    put(to, 2, 4);
    put(to, 0x800, 2);
    put(to, 0, 2);
    for (uint32_t i = 0; i < caplen; i++)
        put(to, caplen, 1);
}

static inline size_t block_start(struct file *to, uint32_t type)
{
    put(to, type, 4);
    put(to, 0, 4);
    return to->len - 8;
}

/* Writes the length at both ends. */
static inline void block_end(struct file *to, size_t start)
{
    pad(to);
    size_t end = to->len + 4;
    to->len = start + 4;
    put(to, end - start, 4);
    to->len = end - 4;
    put(to, end - start, 4);
}

static inline void ng_section(struct file *to)
{
    size_t start = block_start(to, 0x0a0d0d0a);
    put(to, 0x1a2b3c4d, 4);
    put(to, 1, 2);
    put(to, 0, 2);
    put(to, UINT64_MAX, 8);
    block_end(to, start);
}

/* `resolution` and `offset` as options when they are not the default. A name goes first, to be passed over. */
static inline void ng_interface(struct file *to, uint16_t link_type, uint32_t snaplen, uint8_t resolution, uint64_t offset)
{
    size_t start = block_start(to, 1);
    put(to, link_type, 2);
    put(to, 0, 2);
    put(to, snaplen, 4);
    put(to, 2, 2);
    put(to, 5, 2);
    put_octets(to, "eth0\0\0\0", 8);
    if (resolution != 6) {
        put(to, 9, 2);
        put(to, 1, 2);
        put(to, resolution, 1);
        pad(to);
    }
    if (offset != 0) {
        put(to, 14, 2);
        put(to, 8, 2);
        put(to, offset, 8);
    }
    put(to, 0, 4);
    block_end(to, start);
}

static inline void ng_packet(struct file *to, uint32_t interface, uint64_t ticks, uint32_t len)
{
    size_t start = block_start(to, 6);
    put(to, interface, 4);
    put(to, ticks >> 32, 4);
    put(to, ticks & UINT32_MAX, 4);
    put(to, len, 4);
    put(to, len + 100, 4);
    for (uint32_t i = 0; i < len; i++)
        put(to, len, 1);
    pad(to);
    put(to, 1, 2); /* a comment */
    put(to, 3, 2);
    put_octets(to, "why\0", 4);
    put(to, 0, 4);
    block_end(to, start);
}

static inline void ng_obsolete(struct file *to, uint16_t interface, uint64_t ticks, uint32_t len)
{
    size_t start = block_start(to, 2);
    put(to, interface, 2);
    put(to, 77, 2);
    put(to, ticks >> 32, 4);
    put(to, ticks & UINT32_MAX, 4);
    put(to, len, 4);
    put(to, len, 4);
    for (uint32_t i = 0; i < len; i++)
        put(to, len, 1);
    block_end(to, start);
}

static inline void ng_simple(struct file *to, uint32_t caplen, uint32_t len)
{
    size_t start = block_start(to, 3);
    put(to, len, 4);
    for (uint32_t i = 0; i < caplen; i++)
        put(to, caplen, 1);
    block_end(to, start);
}

/* Name resolution, statistics, or whatever is not known. */
static inline void ng_other(struct file *to, uint32_t type, size_t len)
{
    size_t start = block_start(to, type);
    for (size_t i = 0; i < len; i++)
        put(to, i, 1);
    block_end(to, start);
}

static inline void compress_gzip(struct file *to, const uint8_t *octets, size_t len)
{
    z_stream stream = {.next_in = (uint8_t *)(uintptr_t)octets, .avail_in = (uInt)len};
    stream.next_out = to->octets + to->len;
    stream.avail_out = (uInt)(ROOM - to->len);
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    to->len += stream.total_out;
    deflateEnd(&stream);
}

static inline void compress_zstd(struct file *to, const uint8_t *octets, size_t len)
{
    size_t got = ZSTD_compress(to->octets + to->len, ROOM - to->len, octets, len, 3);
    assert_false(ZSTD_isError(got));
    to->len += got;
}

static char path[64];

/* Of the one file that is open, to be taken frame by frame. */
static struct batch *batch;
static size_t batch_taken;

static inline void file_write(const uint8_t *octets, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, octets, len), len);
    close(fd);
}

static inline int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/test_capture.XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static inline int teardown(void **state)
{
    (void)state;
    batch_free(batch);
    return unlink(path);
}

static inline int savefile_open_first(struct savefile **savefile, const char *name, char *error, size_t error_size)
{
    if (batch == NULL)
        batch = batch_new();
    assert_non_null(batch);
    batch->count = batch_taken = 0;
    return savefile_open(savefile, name, error, error_size);
}

static inline int savefile_next(struct savefile *savefile, struct frame *frame)
{
    if (batch_taken == batch->count) {
        int more = savefile_batch(savefile, batch);
        batch_taken = 0;
        assert_true((more == 1) == (batch->count > 0));
        if (more != 1)
            return more;
    }
    *frame = batch->frames[batch_taken++];
    return 1;
}

/* Standard input from a pipe into which a test writes; -1 gives the old one back. */
static inline int pipe_stdin(int to)
{
    static int kept = -1;
    int fds[2];
    if (to >= 0) {
        close(to);
        dup2(kept, STDIN_FILENO);
        close(kept);
        return -1;
    }
    kept = dup(STDIN_FILENO);
    assert_int_equal(pipe(fds), 0);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    return fds[1];
}

static inline struct savefile *open_octets(const uint8_t *octets, size_t len)
{
    struct savefile *savefile = NULL;
    char error[256] = "";
    file_write(octets, len);
    if (savefile_open_first(&savefile, path, error, sizeof error) != 0)
        fail_msg("%s", error);
    return savefile;
}

static inline struct savefile *open_file(const struct file *from)
{
    return open_octets(from->octets, from->len);
}

static inline void expect_frame(struct savefile *savefile, uint64_t number, smtpscope_time time, int link_type, uint32_t caplen,
                                uint32_t len)
{
    struct frame frame;
    if (savefile_next(savefile, &frame) != 1)
        fail_msg("no packet %d: %s", (int)number, savefile_error(savefile));
    assert_int_equal(frame.number, number);
    assert_int_equal(frame.time, time);
    assert_int_equal(frame.link_type, link_type);
    assert_int_equal(frame.caplen, caplen);
    assert_int_equal(frame.len, len);
    for (uint32_t i = 0; i < caplen; i++)
        assert_int_equal(frame.data[i], (uint8_t)caplen);
}

static inline void expect_end(struct savefile *savefile)
{
    struct frame frame;
    assert_int_equal(savefile_next(savefile, &frame), 0);
    assert_int_equal(savefile_next(savefile, &frame), 0);
    assert_string_equal(savefile_error(savefile), "");
    savefile_close(savefile);
}

static inline void expect_damage(struct savefile *savefile, const char *error)
{
    struct frame frame;
    assert_int_equal(savefile_next(savefile, &frame), -1);
    assert_int_equal(savefile_next(savefile, &frame), -1);
    assert_string_equal(savefile_error(savefile), error);
    savefile_close(savefile);
}

#endif
