/* SPDX-License-Identifier: BSD-2-Clause */
/* Local sockets, and syslog over UDP and TCP. Connecting does not wait; only looking a name up may. */
#include "output/sink/sink_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A receiver that vanished without a word is given up after as long: the queue holds more than a burst, not more. */
#define TCP_SILENCE_MS 30000

static int socket_new(struct sink *sink, int family, int type, int protocol)
{
    int flags;

    sink->fd = socket(family, type, protocol);
    if (sink->fd < 0)
        return errno;
    flags = fcntl(sink->fd, F_GETFL);
    if (fcntl(sink->fd, F_SETFD, FD_CLOEXEC) || flags < 0 || fcntl(sink->fd, F_SETFL, flags | O_NONBLOCK))
        return errno;
    sink->datagram = type == SOCK_DGRAM;
    sink->regular = sink->pipe = sink->connecting = false;
    sink->unconfirmed = 0;
    return 0;
}

static int socket_connect(struct sink *sink, const struct sockaddr *address, socklen_t len)
{
    if (!connect(sink->fd, address, len))
        return 0;
    sink->connecting = errno == EINPROGRESS;
    return sink->connecting ? 0 : errno;
}

static int local_try(struct sink *sink, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(sink->address.path);
    int error;

    if (len >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(address.sun_path, sink->address.path, len);
    error = socket_new(sink, AF_UNIX, type, 0);
    if (!error)
        error = socket_connect(sink, (const struct sockaddr *)&address, sizeof address);
    if (error)
        sink_disconnect(sink);
    return error;
}

static int local_open(struct sink *sink, int first, int second)
{
    int error = local_try(sink, first);

    return error == EPROTOTYPE ? local_try(sink, second) : error;
}

static int unix_open(struct sink *sink)
{
    return local_open(sink, SOCK_STREAM, SOCK_DGRAM);
}

/* Where systemd runs, journald listens behind /dev/log, and hands on to rsyslog. */
#define JOURNAL_SOCKET "/systemd/journal/dev-log"

static bool is_journal(const char *path)
{
    char *real = realpath(path, NULL);
    size_t len = real ? strlen(real) : 0, suffix = sizeof JOURNAL_SOCKET - 1;
    bool journal = len >= suffix && !strcmp(real + len - suffix, JOURNAL_SOCKET);

    free(real);
    return journal;
}

static int log_open(struct sink *sink)
{
    sink->journal = is_journal(sink->address.path);
    return local_open(sink, SOCK_DGRAM, SOCK_STREAM);
}

static int journal_open(struct sink *sink)
{
    return local_try(sink, SOCK_DGRAM);
}

static void tcp_options(struct sink *sink)
{
#ifdef TCP_USER_TIMEOUT
    unsigned silence = TCP_SILENCE_MS;

    setsockopt(sink->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof silence);
#endif
    setsockopt(sink->fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
}

static int inet_try(struct sink *sink, const struct addrinfo *to)
{
    int error = socket_new(sink, to->ai_family, to->ai_socktype, to->ai_protocol);

    if (!error && to->ai_socktype == SOCK_STREAM)
        tcp_options(sink);
    if (!error)
        error = socket_connect(sink, to->ai_addr, to->ai_addrlen);
    if (error)
        sink_disconnect(sink);
    return error;
}

/* One address an attempt, each in its turn: the next attempt takes the next one. */
static int inet_open(struct sink *sink, int type)
{
    struct addrinfo hints = {.ai_socktype = type}, *found = NULL;
    const struct addrinfo *to;
    unsigned count = 0;
    int error = getaddrinfo(sink->address.host, sink->address.port, &hints, &found);

    if (error) {
        sink->why = error == EAI_SYSTEM ? NULL : gai_strerror(error);
        return error == EAI_SYSTEM ? errno : EHOSTUNREACH;
    }
    for (to = found; to; to = to->ai_next)
        count++;
    to = found;
    for (unsigned i = sink->attempt++ % count; i > 0; i--)
        to = to->ai_next;
    error = inet_try(sink, to);
    freeaddrinfo(found);
    return error;
}

static int udp_open(struct sink *sink)
{
    return inet_open(sink, SOCK_DGRAM);
}

static int tcp_open(struct sink *sink)
{
    return inet_open(sink, SOCK_STREAM);
}

static ssize_t socket_send(struct sink *sink, const char *at, size_t len)
{
    return send(sink->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A reader that has gone leaves nothing unread behind: of it the system forgets what there was, and says so first. */
static bool hung_up(const struct sink *sink)
{
    struct pollfd polled = {.fd = sink->fd};

    return poll(&polled, 1, 0) != 0;
}

void sink_confirm(struct sink *sink)
{
    int left = 0;

    if (!sink->unconfirmed || ioctl(sink->fd, TIOCOUTQ, &left))
        return;
    if (sink->transport->acknowledges)
        sink->unconfirmed = (uint64_t)left;
    else if (!left && !hung_up(sink)) /* more than none is the memory in use, and so no measure of octets */
        sink->unconfirmed = 0;
}

uint64_t sink_socket_room(const struct sink *sink)
{
    int room = 0;
    socklen_t len = sizeof room;

    return getsockopt(sink->fd, SOL_SOCKET, SO_SNDBUF, &room, &len) || room < 0 ? UINT64_MAX : (uint64_t)room;
}

bool sink_peer_gone(struct sink *sink)
{
    char ignored[256];
    ssize_t len;

    do
        len = recv(sink->fd, ignored, sizeof ignored, MSG_DONTWAIT);
    while (len > 0);
    return len == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ENOTSOCK);
}

int sink_connect_result(struct sink *sink)
{
    int error = 0;
    socklen_t len = sizeof error;

    return getsockopt(sink->fd, SOL_SOCKET, SO_ERROR, &error, &len) ? errno : error;
}

static void frame_local(struct sink *sink, const struct sink_line *line, struct writer *writer)
{
    if (sink->journal)
        sink_frame_syslog_journal(line, writer);
    else
        sink_frame_syslog(sink, line, writer, 0);
    if (!sink->datagram)
        writer_char(writer, '\n');
}

/* Cut here and not by the network, so that it is known. */
static ssize_t log_send(struct sink *sink, const char *at, size_t len)
{
    ssize_t sent = socket_send(sink, at, len);

    if (sent >= 0 || errno != EMSGSIZE || len <= SINK_UDP_MAX)
        return sent;
    if (socket_send(sink, at, sink_fitting(at, len, SINK_UDP_MAX)) < 0)
        return -1;
    sink->batch.truncated = true;
    return (ssize_t)len;
}

static void frame_udp(struct sink *sink, const struct sink_line *line, struct writer *writer)
{
    sink->batch.truncated = sink_frame_syslog(sink, line, writer, SINK_UDP_MAX);
}

static void frame_tcp(struct sink *sink, const struct sink_line *line, struct writer *writer)
{
    writer_clear(&sink->scratch);
    sink_frame_syslog(sink, line, &sink->scratch, 0);
    writer->failed |= sink->scratch.failed;
    sink->scratch.failed = false;
    writer_unsigned(writer, sink->scratch.len);
    writer_char(writer, ' ');
    writer_octets(writer, sink->scratch.at, sink->scratch.len);
}

const struct sink_transport sink_unix = {
    .prefix = "unix", .socket = true, .open = unix_open, .frame = sink_frame_line, .send = socket_send};
const struct sink_transport sink_syslog_local = {
    .prefix = "syslog", .default_path = "/dev/log", .socket = true, .open = log_open, .frame = frame_local, .send = log_send};
const struct sink_transport sink_syslog_udp = {.prefix = "syslog:udp",
                                               .by_host = true,
                                               .socket = true,
                                               .loses = true,
                                               .open = udp_open,
                                               .frame = frame_udp,
                                               .send = socket_send};
const struct sink_transport sink_syslog_tcp = {.prefix = "syslog:tcp",
                                               .by_host = true,
                                               .socket = true,
                                               .acknowledges = true,
                                               .open = tcp_open,
                                               .frame = frame_tcp,
                                               .send = socket_send};
const struct sink_transport sink_journald = {.prefix = "journald",
                                             .default_path = "/run/systemd/journal/socket",
                                             .socket = true,
                                             .open = journal_open,
                                             .frame = sink_frame_journal,
                                             .send = sink_send_journal};
