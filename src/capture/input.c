/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE 1 /* fopencookie */
#include "capture/input.h"

#include "base/gettext.h"
#include "capture/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

/* One read(2): large enough that the call costs nothing beside the octets, small enough to stay in the processor's cache. */
enum { RAW_SIZE = 128 * 1024, MAGIC = 4 };

struct codec {
    uint8_t magic[MAGIC];
    size_t magic_len;
    bool (*start)(struct input *input);
    /* Decompresses what is in `raw` as far as it goes: octets delivered, or -1 with the error set. */
    ssize_t (*step)(struct input *input, uint8_t *to, size_t len);
    void (*stop)(struct input *input);
    const char *cut; /* the error when the input ends too early */
};

struct input {
    int fd;
    const struct codec *codec; /* NULL: as it is */
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool in_frame; /* a gzip member or a zstd frame has begun and not ended */
    bool at_end, interrupted;
    uint64_t octets, size;
    size_t raw_at, raw_len, head_at, head_len;
    uint8_t head[INPUT_PEEK]; /* what input_peek() has taken */
    char error[160];
    uint8_t raw[RAW_SIZE];
};

static void input_fail(struct input *input, const char *text, const char *detail)
{
    snprintf(input->error, sizeof input->error, "%s%s", text, detail);
}

/*
 * Waits for octets where they do not lie ready, so that signals are seen: poll(2) is never begun again after one, as read(2) is
 * with SA_RESTART, which writing wants. -1 with errno set.
 */
static int input_wait(const struct input *input)
{
    struct pollfd waiting = {.fd = input->fd, .events = POLLIN};

    return input->size ? 0 : poll(&waiting, 1, -1);
}

/* read(2): octets, 0 at the end, -1 with the error set */
static ssize_t input_read_raw(struct input *input, uint8_t *to, size_t len)
{
    ssize_t got;
    do /* again when another reader was faster, and someone made our standard input non-blocking */
        got = input_wait(input) < 0 ? -1 : read(input->fd, to, len);
    while (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    if (got < 0 && errno == EINTR) {
        input->interrupted = true;
        got = 0;
    }
    if (got < 0)
        input_fail(input, _("cannot be read: "), strerror(errno));
    else
        input->octets += (uint64_t)got;
    input->at_end |= got == 0;
    return got;
}

static ssize_t raw_fill(struct input *input)
{
    if (input->at_end)
        return 0;
    ssize_t got = input_read_raw(input, input->raw, RAW_SIZE);
    input->raw_at = 0;
    input->raw_len = got > 0 ? (size_t)got : 0;
    return got;
}

static bool gzip_start(struct input *input)
{
    enum { GZIP_HEADER = 16 };
    return inflateInit2(&input->gzip, MAX_WBITS + GZIP_HEADER) == Z_OK;
}

static void gzip_stop(struct input *input)
{
    inflateEnd(&input->gzip);
}

/* RFC 1952 2.2: members follow one another. What else follows one is padding (a tape's block), which gzip ignores too. */
static bool gzip_next_member(struct input *input)
{
    if (input->raw[input->raw_at] != 0x1f) {
        input->raw_at = input->raw_len = 0;
        input->at_end = true;
        return false;
    }
    return inflateReset(&input->gzip) == Z_OK;
}

static ssize_t gzip_step(struct input *input, uint8_t *to, size_t len)
{
    z_stream *stream = &input->gzip;
    if (!input->in_frame && !gzip_next_member(input))
        return 0;
    stream->next_in = input->raw + input->raw_at;
    stream->avail_in = (uInt)(input->raw_len - input->raw_at);
    stream->next_out = to;
    stream->avail_out = len < UINT_MAX ? (uInt)len : UINT_MAX;
    uInt room = stream->avail_out;
    int result = inflate(stream, Z_NO_FLUSH);
    input->raw_at = input->raw_len - stream->avail_in;
    input->in_frame = result != Z_STREAM_END;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        input_fail(input, _("the gzip data is damaged: "), stream->msg ? stream->msg : zError(result));
        return room > stream->avail_out ? (ssize_t)(room - stream->avail_out) : -1;
    }
    return (ssize_t)(room - stream->avail_out);
}

static bool zstd_start(struct input *input)
{
    input->zstd = ZSTD_createDStream();
    return input->zstd != NULL;
}

static void zstd_stop(struct input *input)
{
    ZSTD_freeDStream(input->zstd);
}

/* libzstd's own bound on the window, 128 MiB, holds: a frame that asks for more is refused. */
static ssize_t zstd_step(struct input *input, uint8_t *to, size_t len)
{
    ZSTD_inBuffer in = {input->raw, input->raw_len, input->raw_at};
    ZSTD_outBuffer out = {to, len, 0};
    size_t result = ZSTD_decompressStream(input->zstd, &out, &in);
    input->raw_at = in.pos;
    if (ZSTD_isError(result)) {
        input_fail(input, _("the zstd data is damaged: "), ZSTD_getErrorName(result));
        return -1;
    }
    input->in_frame = result != 0;
    return (ssize_t)out.pos;
}

static const struct codec codecs[] = {
    {{0x1f, 0x8b}, 2, gzip_start, gzip_step, gzip_stop, N_("the gzip data ends too early")},
    {{0x28, 0xb5, 0x2f, 0xfd}, 4, zstd_start, zstd_step, zstd_stop, N_("the zstd data ends too early")},
    /* a skippable frame, as pzstd writes one first */
    {{0x50, 0x2a, 0x4d, 0x18}, 4, zstd_start, zstd_step, zstd_stop, N_("the zstd data ends too early")},
};

/* A step may deliver nothing: then it wants more, and that there is no more is the end, or too early. */
static ssize_t input_decompress(struct input *input, uint8_t *to, size_t len)
{
    for (;;) {
        bool empty = input->raw_at == input->raw_len;
        if (!empty || input->in_frame) {
            ssize_t got = input->codec->step(input, to, len);
            if (got != 0)
                return got;
        }
        if (input->raw_at < input->raw_len)
            continue;
        ssize_t got = raw_fill(input);
        if (got > 0)
            continue;
        if (got == 0 && input->in_frame && !input->interrupted)
            input_fail(input, _(input->codec->cut), "");
        return input->error[0] != '\0' ? -1 : 0;
    }
}

static ssize_t input_plain(struct input *input, uint8_t *to, size_t len)
{
    size_t left = input->raw_len - input->raw_at;
    if (left == 0)
        return input->at_end ? 0 : input_read_raw(input, to, len);
    size_t count = left < len ? left : len;
    memcpy(to, input->raw + input->raw_at, count);
    input->raw_at += count;
    return (ssize_t)count;
}

static ssize_t input_decoded(struct input *input, uint8_t *to, size_t len)
{
    if (input->error[0] != '\0')
        return -1;
    return input->codec != NULL ? input_decompress(input, to, len) : input_plain(input, to, len);
}

ssize_t input_read(struct input *input, uint8_t *to, size_t len)
{
    size_t left = input->head_len - input->head_at;
    if (left == 0)
        return input_decoded(input, to, len);
    size_t count = left < len ? left : len;
    memcpy(to, input->head + input->head_at, count);
    input->head_at += count;
    return (ssize_t)count;
}

ssize_t input_peek(struct input *input, uint8_t to[INPUT_PEEK])
{
    ssize_t got = 1;
    while (input->head_len < INPUT_PEEK && got > 0) {
        got = input_decoded(input, input->head + input->head_len, INPUT_PEEK - input->head_len);
        input->head_len += got > 0 ? (size_t)got : 0;
    }
    memcpy(to, input->head, input->head_len);
    return got < 0 && input->head_len == 0 ? -1 : (ssize_t)input->head_len;
}

/* Fills `raw` until the first octets say what it is; a pipe may bring them one by one. */
static bool input_detect(struct input *input)
{
    while (input->raw_len < MAGIC) {
        ssize_t got = input_read_raw(input, input->raw + input->raw_len, RAW_SIZE - input->raw_len);
        if (got < 0)
            return false;
        if (got == 0)
            break;
        input->raw_len += (size_t)got;
    }
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        const struct codec *codec = &codecs[i];
        if (input->raw_len < codec->magic_len || memcmp(input->raw, codec->magic, codec->magic_len) != 0)
            continue;
        if (!codec->start(input)) {
            input_fail(input, _("out of memory"), "");
            return false;
        }
        input->codec = codec;
        input->in_frame = true;
    }
    return true;
}

static bool input_open_file(struct input *input, const char *path)
{
    struct stat status;
    input->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : handover_take(path);
    if (input->fd < 0)
        input->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0 || fstat(input->fd, &status) != 0) {
        input_fail(input, strerror(errno), "");
        return false;
    }
    if (S_ISDIR(status.st_mode)) {
        input_fail(input, _("is a directory"), "");
        return false;
    }
    input->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    posix_fadvise(input->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return input_detect(input);
}

struct input *input_open(const char *path, char *error, size_t error_size)
{
    struct input *input = calloc(1, sizeof *input);
    if (input == NULL) {
        snprintf(error, error_size, "%s", _("out of memory"));
        return NULL;
    }
    if (!input_open_file(input, path)) {
        snprintf(error, error_size, "%s", input->error);
        input_close(input);
        return NULL;
    }
    return input;
}

void input_close(struct input *input)
{
    if (input == NULL)
        return;
    if (input->codec != NULL)
        input->codec->stop(input);
    if (input->fd >= 0)
        close(input->fd);
    free(input);
}

const char *input_error(const struct input *input)
{
    return input->error;
}

bool input_interrupted(const struct input *input)
{
    return input->interrupted;
}

uint64_t input_octets(const struct input *input)
{
    return input->octets;
}

uint64_t input_size(const struct input *input)
{
    return input->size;
}

static ssize_t stream_read(void *cookie, char *to, size_t len)
{
    return input_read(cookie, (uint8_t *)to, len);
}

FILE *input_stream(struct input *input)
{
    return fopencookie(input, "r", (cookie_io_functions_t){.read = stream_read});
}
