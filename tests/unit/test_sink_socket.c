/* SPDX-License-Identifier: BSD-2-Clause */
/* Sinks that are sockets: each octet that a reader gets, and readers that are slow, killed or not there. */
#define _GNU_SOURCE /* F_GET_SEALS, unshare(2) */
#include "test_sink.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

/* --- helpers */

static int unix_socket(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    unlink(path);
    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* On the loopback; `*port` 0 is any, and becomes what it is. */
static int inet_socket(int family, int type, uint16_t *port)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons(*port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(*port)};
    struct sockaddr *address = family == AF_INET6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t len = family == AF_INET6 ? sizeof six : sizeof four;
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, address, len)) {
        close(fd);
        return -1;
    }
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, address, &len), 0);
    *port = ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port);
    return fd;
}

static int accepted(int listener)
{
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    int fd;

    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static size_t receive(int fd, char *octets, size_t size)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t len;

    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    len = recv(fd, octets, size - 1, 0);
    assert_true(len >= 0);
    octets[len] = '\0';
    return (size_t)len;
}

/* RFC 5424 with `priority`, `kind` and `text` around a timestamp, which must be one of now. */
static void assert_syslog(const char *got, unsigned priority, const char *kind, const char *text)
{
    char host[256] = "", head[16], *want = malloc(strlen(text) + 600);
    int len = snprintf(head, sizeof head, "<%u>1 ", priority);
    struct tm tm = {0};
    int microseconds = -1, end = 0;

    assert_non_null(want);
    assert_int_equal(strncmp(got, head, (size_t)len), 0);
    assert_int_equal(sscanf(got + len, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                            &tm.tm_min, &tm.tm_sec, &microseconds, &end),
                     7);
    assert_int_equal(end, 27);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    assert_between(time(NULL) + 1 - timegm(&tm), 0, 60); /* time(2) lags behind by a tick */
    gethostname(host, sizeof host - 1);
    sprintf(want, "%s%.27s %s smtpscope %ld %s - %s", head, got + len, host, (long)getpid(), kind, text);
    assert_string_equal(got, want);
    free(want);
}

/* As syslog(3) writes it: a local time, of now, and no host. */
static void assert_for_journal(const char *got, unsigned priority, const char *text)
{
    char want[TEXT_SIZE], stamp[32];
    time_t now = time(NULL) + 1; /* time(2) lags behind by a tick */

    for (time_t at = now; at > now - 60; at--) {
        strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", localtime(&at));
        snprintf(want, sizeof want, "<%u>%s smtpscope[%ld]: %s", priority, stamp, (long)getpid(), text);
        if (!strcmp(got, want))
            return;
    }
    fail_msg("got \"%s\", wanted \"%s\"", got, want);
}

/* --- local sockets */

static void test_unix_reader_killed_and_back(void **state)
{
    const char *path = path_of("socket");
    struct sink *sink = opened_at("unix", path);
    struct sink_stats last;
    char *big = calloc(1, 300001);
    int listener, fd;

    (void)state;
    put(sink, "while nobody is there");
    wait_for(sink, stats.failures > 0);
    listener = unix_socket(path, SOCK_STREAM);
    fd = accepted(listener);
    assert_reads(fd, "while nobody is there\n");
    wait_for(sink, stats.connected);

    /* What it was sent and did not read is lost, and the loss is known. */
    put(sink, "unread");
    wait_for(sink, stats.lines == 2);
    close(fd);
    wait_for(sink, stats.disconnects == 1);
    assert_int_equal(stats_of(sink).unread, strlen("unread\n"));
    fd = accepted(listener);

    /* Killed in the midst of a line that is longer than what the socket holds: the next reader gets it from its beginning. */
    memset(big, 'b', 300000);
    put(sink, big);
    free(read_octets(fd, 1000));
    close(fd);
    close(listener);
    wait_for(sink, stats.disconnects == 2);
    assert_int_equal(stats_of(sink).unread, strlen("unread\n"));
    put(sink, "between");
    listener = unix_socket(path, SOCK_STREAM);
    fd = accepted(listener);
    assert_reads(fd, big);
    assert_reads(fd, "\nbetween\n");
    sink_close(sink, PATIENCE_MS, &last);
    assert_reads(fd, "");
    close(fd);
    close(listener);
    free(big);
    assert_int_equal(last.lines, 4);
    assert_int_equal(last.dropped, 0);
}

/* Nothing has to be put for the loss of a reader to be seen. */
static void test_idle_reader_goes(void **state)
{
    const char *path = path_of("idle");
    int listener = unix_socket(path, SOCK_STREAM), fd;
    struct sink *sink = opened_at("unix", path);

    (void)state;
    fd = accepted(listener);
    wait_for(sink, stats.connected);
    close(fd);
    wait_for(sink, stats.disconnects == 1);
    fd = accepted(listener);
    put(sink, "again");
    assert_reads(fd, "again\n");
    sink_close(sink, PATIENCE_MS, NULL);
    close(fd);
    close(listener);
}

static void test_unix_datagrams(void **state)
{
    const char *path = path_of("datagrams");
    int fd = unix_socket(path, SOCK_DGRAM);
    struct sink *sink = opened_at("unix", path);
    char got[TEXT_SIZE], *huge = calloc(1, 1 << 20);
    struct sink_stats last;

    (void)state;
    put(sink, "one");
    receive(fd, got, sizeof got);
    assert_string_equal(got, "one\n");
    /* What no datagram carries is counted; half of it would be no line. */
    memset(huge, 'h', (1 << 20) - 1);
    put(sink, huge);
    free(huge);
    put(sink, "two");
    receive(fd, got, sizeof got);
    assert_string_equal(got, "two\n");
    sink_close(sink, PATIENCE_MS, &last);
    close(fd);
    assert_int_equal(last.lines, 2);
    assert_int_equal(last.dropped, 1);
    assert_int_equal(last.queued_lines, 0);
}

static void test_syslog_local(void **state)
{
    static const struct {
        enum smtpscope_severity severity;
        unsigned want;
    } rows[] = {{SMTPSCOPE_ERROR, 19}, {SMTPSCOPE_WARNING, 20}, {SMTPSCOPE_NOTICE, 21}, {SMTPSCOPE_INFO, 22}};
    const char *path = path_of("log-socket");
    int fd = unix_socket(path, SOCK_DGRAM);
    struct sink *sink = opened_at("syslog", path);
    char got[TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < unit_count(rows); i++) {
        sink_put(sink, rows[i].severity, "deferral.greylisted", "{\"a\":1}", 7);
        receive(fd, got, sizeof got);
        assert_syslog(got, rows[i].want, "deferral.greylisted", "{\"a\":1}");
    }
    sink_put(sink, SMTPSCOPE_INFO, NULL, "no kind", 7);
    receive(fd, got, sizeof got);
    assert_syslog(got, 22, "-", "no kind");

    /* The daemon is started again: another socket of the same name. */
    close(fd);
    fd = unix_socket(path, SOCK_DGRAM);
    put(sink, "after the restart");
    receive(fd, got, sizeof got);
    assert_syslog(got, 20, "finding", "after the restart");
    sink_close(sink, PATIENCE_MS, NULL);
    close(fd);
}

/* /dev/log leads to journald, which reads another format, and is started again as something else. */
static void test_syslog_is_journald(void **state)
{
    const char *path = path_of("log-link"), *folders[] = {path_of("systemd"), path_of("systemd/journal")};
    const char *behind = path_of("systemd/journal/dev-log");
    char got[TEXT_SIZE];
    struct sink *sink;
    int fd;

    (void)state;
    for (size_t i = 0; i < unit_count(folders); i++)
        assert_int_equal(mkdir(folders[i], 0700), 0);
    assert_int_equal(symlink(behind, path), 0);
    fd = unix_socket(behind, SOCK_DGRAM);
    sink = opened_at("syslog", path);
    put(sink, "to journald");
    receive(fd, got, sizeof got);
    assert_for_journal(got, 20, "to journald");
    close(fd);
    assert_int_equal(unlink(path), 0);
    fd = unix_socket(path, SOCK_DGRAM);
    put(sink, "to another");
    receive(fd, got, sizeof got);
    assert_syslog(got, 20, "finding", "to another");
    sink_close(sink, PATIENCE_MS, NULL);
    close(fd);
}

/* A slow daemon's socket is full: it is waited for, not lost. */
static void test_datagrams_blocked(void **state)
{
    const char *path = path_of("slow");
    int fd = unix_socket(path, SOCK_DGRAM);
    struct sink *sink = opened_at("syslog", path);
    struct sink_stats last;
    char got[TEXT_SIZE], want[32];

    (void)state;
    for (unsigned i = 0; i < 2000; i++)
        assert_true(put_number(sink, i));
    for (unsigned i = 0; i < 2000; i++) {
        receive(fd, got, sizeof got);
        snprintf(want, sizeof want, "line %u", i);
        assert_syslog(got, 20, "finding", want);
    }
    sink_close(sink, PATIENCE_MS, &last);
    close(fd);
    assert_int_equal(last.lines, 2000);
    assert_int_equal(last.failures, 0);
}

/* --- the journal: fields of one line, and those with a length */

static size_t field(char *at, const char *name, const char *value)
{
    size_t len = strlen(value);
    size_t head = (size_t)sprintf(at, "%s\n", name);

    for (unsigned i = 0; i < 8; i++)
        at[head + i] = (char)((uint64_t)len >> 8 * i & 0xff);
    memcpy(at + head + 8, value, len);
    at[head + 8 + len] = '\n';
    return head + 8 + len + 1;
}

static size_t journal_entry(char *at, unsigned priority, const char *kind, const char *text)
{
    size_t len = (size_t)sprintf(at, "PRIORITY=%u\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=smtpscope\n", priority);

    len += field(at + len, "SMTPSCOPE_EVENT", kind);
    return len + field(at + len, "MESSAGE", text);
}

static int received_descriptor(int fd)
{
    char octet, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&octet, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int got;

    assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
    assert_int_equal(recvmsg(fd, &message, 0), 0);
    assert_non_null(CMSG_FIRSTHDR(&message));
    assert_int_equal(CMSG_FIRSTHDR(&message)->cmsg_type, SCM_RIGHTS);
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    return got;
}

static void test_journal(void **state)
{
    const char *path = path_of("journal");
    int fd = unix_socket(path, SOCK_DGRAM), file;
    struct sink *sink = opened_at("journald", path);
    size_t size = 1 << 20, len;
    char *text = calloc(1, size), *want = malloc(2 * size), *got = malloc(2 * size);
    struct sink_stats last;

    (void)state;
    sink_put(sink, SMTPSCOPE_ERROR, "refusal.policy", "{\"a\":1}\n", 8);
    len = journal_entry(want, 3, "refusal.policy", "{\"a\":1}");
    assert_int_equal(receive(fd, got, size), len);
    assert_memory_equal(got, want, len);

    memset(text, 't', size - 1);
    sink_put(sink, SMTPSCOPE_INFO, "session", text, size - 1);
    file = received_descriptor(fd);
    len = journal_entry(want, 6, "session", text);
    assert_int_equal(lseek(file, 0, SEEK_END), len);
    assert_int_equal(pread(file, got, 2 * size, 0), len);
    assert_memory_equal(got, want, len);
    assert_int_not_equal(fcntl(file, F_GET_SEALS) & F_SEAL_WRITE, 0);
    sink_close(sink, PATIENCE_MS, &last);
    assert_int_equal(last.lines, 2);
    close(file);
    close(fd);
    free(text);
    free(want);
    free(got);
}

/* --- syslog in the network */

static void test_syslog_udp(void **state)
{
    uint16_t port = 0;
    int fd = inet_socket(AF_INET, SOCK_DGRAM, &port);
    char rest[64], got[SINK_UDP_MAX + 100], *text = calloc(1, SINK_UDP_MAX + 1);
    struct sink_stats last;
    struct sink *sink;
    size_t len;

    (void)state;
    snprintf(rest, sizeof rest, "127.0.0.1:%u", port);
    sink = opened_at("syslog:udp", rest);
    put(sink, "one");
    receive(fd, got, sizeof got);
    assert_syslog(got, 20, "finding", "one");

    /* Cut at the limit, between two characters. */
    for (size_t i = 0; i + 1 < SINK_UDP_MAX; i += 2)
        memcpy(text + i, "\xc3\xbc", 2);
    put(sink, text);
    len = receive(fd, got, sizeof got);
    assert_between(len, SINK_UDP_MAX - 1, SINK_UDP_MAX);
    assert_int_equal((unsigned char)got[len - 1], 0xbc);
    wait_for(sink, stats.lines == 2 && stats.truncated == 1);

    /* Nobody there: some of it cannot be saved, all that is reported as lost is counted, and it goes on. */
    close(fd);
    for (unsigned i = 0; !stats_of(sink).dropped && i < 1000; i++) {
        uint64_t lines = stats_of(sink).lines;

        put_number(sink, i);
        wait_for(sink, stats.lines > lines || stats.disconnects);
    }
    assert_true(stats_of(sink).dropped > 0);
    fd = inet_socket(AF_INET, SOCK_DGRAM, &port);
    assert_true(fd >= 0);
    put(sink, "back");
    do
        receive(fd, got, sizeof got);
    while (!strstr(got, " back"));
    sink_close(sink, PATIENCE_MS, &last);
    close(fd);
    free(text);
}

static void read_counted(int fd, char *got, size_t size)
{
    char *octet;
    size_t len = 0;

    for (;;) {
        octet = read_octets(fd, 1);
        if (*octet < '0' || *octet > '9')
            break;
        len = len * 10 + (size_t)(*octet - '0');
        free(octet);
    }
    assert_int_equal(*octet, ' ');
    free(octet);
    assert_true(len < size);
    octet = read_octets(fd, len);
    assert_int_equal(strlen(octet), len);
    strcpy(got, octet);
    free(octet);
}

static void check_tcp(int family, const char *host)
{
    uint16_t port = 0;
    int listener = inet_socket(family, SOCK_STREAM, &port), fd;
    char rest[64], got[TEXT_SIZE];
    struct sink_stats last;
    struct sink *sink;

    if (listener < 0) {
        print_message("NOT TESTED: %s, which is not here\n", host);
        return;
    }
    snprintf(rest, sizeof rest, "%s:%u", host, port);
    sink = opened_at("syslog:tcp", rest);
    put(sink, "one");
    put(sink, "t\xc3\xbco");
    fd = accepted(listener);
    read_counted(fd, got, sizeof got);
    assert_syslog(got, 20, "finding", "one");
    read_counted(fd, got, sizeof got);
    assert_syslog(got, 20, "finding", "t\xc3\xbco");

    /* The receiver closes; a line that is put then is not thrown into the dead connection. */
    close(fd);
    wait_for(sink, stats.disconnects == 1);
    put(sink, "three");
    fd = accepted(listener);
    read_counted(fd, got, sizeof got);
    assert_syslog(got, 20, "finding", "three");
    sink_close(sink, PATIENCE_MS, &last);
    close(fd);
    close(listener);
    assert_int_equal(last.lines, 3);
    assert_int_equal(last.dropped, 0);
}

static void test_syslog_tcp(void **state)
{
    (void)state;
    check_tcp(AF_INET, "127.0.0.1");
    check_tcp(AF_INET6, "[::1]");
    check_tcp(AF_INET, "localhost");
}

/* --- a name server that does not answer: the only call in which the thread itself may hang */

static bool loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), failed = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request);

    if (fd >= 0)
        close(fd);
    return !failed;
}

/* `text` in place of `file`, in our mount namespace. */
static bool replace_file(const char *file, const char *name, const char *text)
{
    const char *path = path_of(name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return !mount(path, file, NULL, MS_BIND, NULL);
}

/* Its socket, or -1. */
static int deaf_name_server(void)
{
    uint16_t port = 53;

    if (geteuid() || unshare(CLONE_NEWNS | CLONE_NEWNET) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || !loopback_up())
        return -1;
    if (!replace_file("/etc/resolv.conf", "resolv.conf", "nameserver 127.0.0.1\noptions timeout:20 attempts:1\n") ||
        !replace_file("/etc/nsswitch.conf", "nsswitch.conf", "hosts: dns\n"))
        return -1;
    return inet_socket(AF_INET, SOCK_DGRAM, &port);
}

static unsigned threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    assert_non_null(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* "No such name" (RFC 1035 4.1.1) to whatever is asked within `ms`. */
static void deny_names(int server, int ms)
{
    struct pollfd ready = {.fd = server, .events = POLLIN};
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    unsigned char query[TEXT_SIZE];
    ssize_t got;

    if (poll(&ready, 1, ms) != 1)
        return;
    got = recvfrom(server, query, sizeof query, 0, (struct sockaddr *)&from, &len);
    assert_true(got >= 12);
    query[2] |= 0x80;
    query[3] = 3;
    assert_int_equal(sendto(server, query, (size_t)got, 0, (struct sockaddr *)&from, len), got);
}

static void test_resolver_hangs(void **state)
{
    int server = deaf_name_server();
    struct pollfd asked = {.fd = server, .events = POLLIN};
    unsigned before = threads();
    struct sink_stats last;
    struct sink *sink;
    int64_t begin;

    (void)state;
    if (server < 0) {
        print_message("NOT TESTED: a resolver that hangs; namespaces of its own want root\n");
        skip();
    }
    sink = opened_at("syslog:tcp", "loghost.example:514");
    assert_int_equal(poll(&asked, 1, PATIENCE_MS), 1);
    begin = now_ms();
    for (unsigned i = 0; i < 1000; i++)
        assert_true(put_number(sink, i));
    sink_close(sink, 50, &last);
    assert_between(now_ms() - begin, 50, 5000);
    assert_int_equal(last.queued_lines, 1000);
    assert_int_equal(last.lines, 0);
    assert_false(last.connected);

    /* The thread is left to itself, and clears up when the resolver lets it go. */
    assert_int_equal(threads(), before + 1);
    for (begin = now_ms(); threads() > before; deny_names(server, 1))
        assert_true(now_ms() - begin < PATIENCE_MS);
    close(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unix_reader_killed_and_back),
        cmocka_unit_test(test_idle_reader_goes),
        cmocka_unit_test(test_unix_datagrams),
        cmocka_unit_test(test_syslog_local),
        cmocka_unit_test(test_syslog_is_journald),
        cmocka_unit_test(test_datagrams_blocked),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_syslog_udp),
        cmocka_unit_test(test_syslog_tcp),
        cmocka_unit_test(test_resolver_hangs), /* last: it leaves the namespaces */
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
