/* SPDX-License-Identifier: BSD-2-Clause */
/* Standard output, and files that are rotated by size. */
#include "output/sink/sink_private.h"

#include "base/entrusted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Findings name people: for the owner and the group that reads logs. */
#define FILE_MODE 0640

/* Standard output is shared with the program that started this one: O_NONBLOCK would hit that as well. */
static ssize_t write_descriptor(struct sink *sink, const char *at, size_t len)
{
    struct pollfd ready = {.fd = sink->fd, .events = POLLOUT};

    if (sink->regular)
        return write(sink->fd, at, len);
    if (poll(&ready, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    /* A pipe that is ready takes as much without blocking. */
    return write(sink->fd, at, len < PIPE_BUF ? len : PIPE_BUF);
}

static void file_is(struct sink *sink, const struct stat *status)
{
    sink->regular = S_ISREG(status->st_mode);
    sink->pipe = S_ISFIFO(status->st_mode);
    sink->unconfirmed = 0;
    sink->file_octets = (uint64_t)status->st_size;
    sink->rotate_at = sink->config.rotate_octets;
    sink->datagram = sink->connecting = false;
}

uint64_t sink_pipe_unread(const struct sink *sink)
{
    int octets = 0;

    return ioctl(sink->fd, FIONREAD, &octets) ? 0 : (uint64_t)octets;
}

static int standard_output_open(struct sink *sink)
{
    struct stat status;

    if (fstat(STDOUT_FILENO, &status))
        return errno;
    file_is(sink, &status);
    sink->fd = STDOUT_FILENO;
    sink->standard = true;
    return 0;
}

/* A program that was killed may have left half a line: what comes next must not be joined to it. */
static void end_last_line(struct sink *sink)
{
    int fd = open(sink->address.path, O_RDONLY | O_CLOEXEC);
    char last = '\n';

    if (fd < 0)
        return;
    if (pread(fd, &last, 1, (off_t)sink->file_octets - 1) == 1 && last != '\n' && write(sink->fd, "\n", 1) == 1)
        sink->file_octets++;
    close(fd);
}

static int file_open(struct sink *sink)
{
    struct stat status;
    int error;

    /* Not blocking: a FIFO without a reader is an absent reader. It has no effect on a regular file. */
    sink->fd = open(sink->address.path,
                    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | entrusted_link_flag(sink->address.path),
                    FILE_MODE);
    if (sink->fd < 0)
        return errno;
    if (fstat(sink->fd, &status)) {
        error = errno;
        sink_disconnect(sink);
        return error;
    }
    file_is(sink, &status);
    if (sink->regular && sink->file_octets)
        end_last_line(sink);
    return 0;
}

bool sink_file_full(const struct sink *sink, size_t before, size_t len)
{
    uint64_t octets = sink->file_octets + before;

    return sink->regular && !sink->standard && sink->rotate_at && octets && octets + len > sink->rotate_at;
}

bool sink_file_cut(struct sink *sink)
{
    return sink->regular && !sink->standard && !ftruncate(sink->fd, (off_t)sink->file_octets);
}

/* PATH.number; PATH itself for 0. */
static const char *numbered(const struct sink *sink, unsigned number, char *name, size_t size)
{
    if (!number)
        return sink->address.path;
    snprintf(name, size, "%s.%u", sink->address.path, number);
    return name;
}

static int file_shift(const struct sink *sink)
{
    size_t size = strlen(sink->address.path) + sizeof ".4294967295";
    char *names = malloc(2 * size);
    int error = 0;

    if (!names)
        return ENOMEM;
    if (!sink->config.rotate_count && unlink(sink->address.path))
        error = errno;
    for (unsigned i = sink->config.rotate_count; i-- > 0 && !error;)
        if (rename(numbered(sink, i, names, size), numbered(sink, i + 1, names + size, size)) && errno != ENOENT)
            error = errno;
    free(names);
    return error;
}

int sink_file_rotate(struct sink *sink)
{
    int error = file_shift(sink);

    if (error) {
        sink->rotate_at = sink->file_octets + sink->config.rotate_octets;
        return error;
    }
    sink_disconnect(sink);
    sink_count(sink, &sink->stats.rotations, 1);
    return sink->transport->open(sink);
}

const struct sink_transport sink_standard_output = {.prefix = "-",
                                                    .bare = true,
                                                    .must_open = true,
                                                    .open = standard_output_open,
                                                    .frame = sink_frame_line,
                                                    .send = write_descriptor};
const struct sink_transport sink_file = {.prefix = "file",
                                         .must_open = true,
                                         .renewed = true,
                                         .open = file_open,
                                         .frame = sink_frame_line,
                                         .send = write_descriptor};
