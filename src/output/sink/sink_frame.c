/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a line goes out: by itself, in an RFC 5424 message, as syslog(3) writes it, or in the journal's own protocol.
 *
 * The journal's protocol is spoken here rather than by libsystemd: that one says "sent" when there is no journal, and its
 * sending blocks, so neither losses nor deadlines could be kept.
 */
#define _GNU_SOURCE /* memfd_create */
#include "output/sink/sink_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* syslog's and the journal's names for ours. */
static const int priorities[SMTPSCOPE_SEVERITIES] = {[SMTPSCOPE_ERROR] = LOG_ERR,
                                                     [SMTPSCOPE_WARNING] = LOG_WARNING,
                                                     [SMTPSCOPE_NOTICE] = LOG_NOTICE,
                                                     [SMTPSCOPE_INFO] = LOG_INFO};

void sink_frame_line(struct sink *sink, const struct sink_line *line, struct writer *writer)
{
    (void)sink;
    writer_octets(writer, line->text.at, line->text.len);
}

/* RFC 5424 6: PRINTUSASCII, or the nil value where there is none. */
static void put_printable(struct writer *writer, const char *at, size_t len)
{
    size_t before = writer->len;

    for (size_t i = 0; i < len; i++)
        if (at[i] > ' ' && at[i] < 0x7f)
            writer_char(writer, at[i]);
    if (writer->len == before)
        writer_char(writer, '-');
}

/* RFC 5424 6.2.3: microseconds are as far as it goes. */
static void put_timestamp(struct writer *writer, int64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm)) {
        writer_char(writer, '-');
        return;
    }
    writer_format(writer, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                  tm.tm_min, tm.tm_sec, (int)(ns % 1000000000 / 1000));
}

size_t sink_fitting(const char *at, size_t len, size_t room)
{
    if (len <= room)
        return len;
    while (room && ((unsigned char)at[room] & 0xc0) == 0x80)
        room--;
    return room;
}

bool sink_frame_syslog(const struct sink *sink, const struct sink_line *line, struct writer *writer, size_t max)
{
    size_t before = writer->len, len = line->text.len - 1, fit = len;

    writer_format(writer, "<%d>1 ", LOG_MAIL | priorities[line->severity]);
    put_timestamp(writer, line->time);
    writer_char(writer, ' ');
    put_printable(writer, sink->host_name, strlen(sink->host_name));
    writer_format(writer, " smtpscope %ld ", (long)getpid());
    put_printable(writer, line->kind.at, line->kind.len);
    /* No byte order mark: the text is JSON, where none may be (RFC 8259 8.1). */
    writer_string(writer, " - ");
    if (max)
        fit = sink_fitting(line->text.at, len, max - (writer->len - before));
    writer_octets(writer, line->text.at, fit);
    return fit < len;
}

/* Journald reads what syslog(3) writes, in local time and without a host; it would take the version of RFC 5424 for the text. */
void sink_frame_syslog_journal(const struct sink_line *line, struct writer *writer)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(line->time / 1000000000);
    struct tm tm;

    writer_format(writer, "<%d>", LOG_MAIL | priorities[line->severity]);
    if (localtime_r(&seconds, &tm))
        writer_format(writer, "%s %2d %02d:%02d:%02d ", months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    writer_format(writer, "smtpscope[%ld]: ", (long)getpid());
    writer_octets(writer, line->text.at, line->text.len - 1);
}

static void put_field(struct writer *writer, const char *name, const char *at, size_t len)
{
    uint64_t left = len;

    writer_string(writer, name);
    writer_char(writer, '\n');
    for (int i = 0; i < 8; i++, left >>= 8)
        writer_char(writer, (char)(left & 0xff));
    writer_octets(writer, at, len);
    writer_char(writer, '\n');
}

/* Fields as NAME=value lines; a value that may hold anything as its name, 64 bits of length (little-endian) and itself. */
void sink_frame_journal(struct sink *sink, const struct sink_line *line, struct writer *writer)
{
    (void)sink;
    writer_format(writer, "PRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=smtpscope\n", priorities[line->severity],
                  LOG_FAC(LOG_MAIL));
    if (line->kind.len)
        put_field(writer, "SMTPSCOPE_EVENT", line->kind.at, line->kind.len);
    put_field(writer, "MESSAGE", line->text.at, line->text.len - 1);
}

/* A sealed file in memory with all of the message: what the journal takes when a datagram is too small. */
static int sealed_file(const char *at, size_t len)
{
    int fd = memfd_create("smtpscope-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    size_t done = 0;

    while (fd >= 0 && done < len) {
        ssize_t written = write(fd, at + done, len - done);

        if (written <= 0)
            break;
        done += (size_t)written;
    }
    if (fd >= 0 && done == len && !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int send_descriptor(int socket, int fd)
{
    union {
        struct cmsghdr head;
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

ssize_t sink_send_journal(struct sink *sink, const char *at, size_t len)
{
    ssize_t sent = send(sink->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    int fd, error;

    if (sent >= 0 || errno != EMSGSIZE)
        return sent;
    fd = sealed_file(at, len);
    if (fd < 0)
        return -1;
    error = send_descriptor(sink->fd, fd) ? errno : 0;
    close(fd);
    errno = error;
    return error ? -1 : (ssize_t)len;
}
