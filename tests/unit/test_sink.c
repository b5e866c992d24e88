/* SPDX-License-Identifier: BSD-2-Clause */
/* Sinks: what a reader gets, octet by octet, and what is counted when it is slow, gone, or the disk is full. */
#define _GNU_SOURCE /* unshare(2) */
#include "unit.h"

#include "output/sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define PATIENCE_MS 20000
#define TEXT_SIZE 512

/* --- helpers */

static char folder[] = "/tmp/smtpscope-sink-XXXXXX";

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *path_of(const char *name)
{
    static char paths[4][TEXT_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, TEXT_SIZE, "%s/%s", folder, name);
    return path;
}

static struct sink *opened(const struct sink_config *config)
{
    char error[SINK_ERROR_SIZE] = "";
    struct sink *sink = sink_open(config, error, sizeof error);

    if (!sink)
        fail_msg("%s was not opened: %s", config->spec, error);
    assert_string_equal(sink_name(sink), config->spec);
    return sink;
}

static struct sink *opened_at(const char *prefix, const char *rest)
{
    char spec[TEXT_SIZE];

    snprintf(spec, sizeof spec, "%s:%s", prefix, rest);
    return opened(&(struct sink_config){.spec = spec});
}

static bool put(struct sink *sink, const char *line)
{
    return sink_put(sink, SMTPSCOPE_WARNING, "finding", line, strlen(line));
}

static bool put_number(struct sink *sink, unsigned number)
{
    char line[32];

    snprintf(line, sizeof line, "line %u", number);
    return put(sink, line);
}

static struct sink_stats stats_of(struct sink *sink)
{
    struct sink_stats stats;

    sink_stats(sink, &stats);
    return stats;
}

/* Looks again until `is` or the patience is over. */
#define wait_for(sink, is)                                                                                                     \
    do {                                                                                                                       \
        int64_t until_ = now_ms() + PATIENCE_MS;                                                                               \
        struct sink_stats stats = stats_of(sink);                                                                              \
        for (; !(is); stats = stats_of(sink)) {                                                                                \
            if (now_ms() > until_)                                                                                             \
                fail_msg("never: %s; lines %llu, dropped %llu, queued %llu, failures %llu, %s", #is,                           \
                         (unsigned long long)stats.lines, (unsigned long long)stats.dropped,                                   \
                         (unsigned long long)stats.queued_lines, (unsigned long long)stats.failures, stats.error);             \
            poll(NULL, 0, 1);                                                                                                  \
        }                                                                                                                      \
    } while (0)

/* What `fd` has, `want` octets or until its end; terminated, to be freed. */
static char *read_octets(int fd, size_t want)
{
    char *octets = calloc(1, want + 1);
    size_t len = 0;

    assert_non_null(octets);
    while (len < want) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t got;

        if (poll(&ready, 1, PATIENCE_MS) != 1)
            fail_msg("%zu octets wanted, %zu came: %s", want, len, octets);
        got = read(fd, octets + len, want - len);
        if (got < 0 && errno == ECONNRESET)
            got = 0;
        assert_true(got >= 0);
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return octets;
}

static void assert_reads(int fd, const char *want)
{
    char *got = read_octets(fd, strlen(want));

    assert_string_equal(got, want);
    free(got);
}

static char *file_text(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text;

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    assert_int_equal(fstat(fd, &status), 0);
    text = read_octets(fd, (size_t)status.st_size);
    close(fd);
    return text;
}

static void assert_file(const char *path, const char *want)
{
    char *got = file_text(path);

    assert_string_equal(got, want);
    free(got);
}

/* Lines "line N" in `text`, whole and one more each: returns the number behind the last. */
static unsigned assert_numbers(const char *text, unsigned first)
{
    while (*text) {
        char want[32];
        int len = snprintf(want, sizeof want, "line %u\n", first);

        if (strncmp(text, want, (size_t)len))
            fail_msg("wanted %.*s, got %.40s", len - 1, want, text);
        text += len;
        first++;
    }
    return first;
}

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
    assert_in_range(time(NULL) - timegm(&tm), 0, 60);
    gethostname(host, sizeof host - 1);
    sprintf(want, "%s%.27s %s smtpscope %ld %s - %s", head, got + len, host, (long)getpid(), kind, text);
    assert_string_equal(got, want);
    free(want);
}

static int folder_make(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
    char command[TEXT_SIZE];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* --- standard output */

/* Standard output is a pipe while the test runs; cmocka writes to the old one again afterwards. */
struct redirected {
    int saved, reader;
};

static struct redirected redirect(void)
{
    struct redirected redirected;
    int ends[2];

    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    redirected.saved = dup(STDOUT_FILENO);
    redirected.reader = ends[0];
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    return redirected;
}

static void restore(struct redirected *redirected)
{
    dup2(redirected->saved, STDOUT_FILENO);
    close(redirected->saved);
    if (redirected->reader >= 0)
        close(redirected->reader);
}

/* A reader that does not read: putting goes on at once, and every line is either delivered later or counted. */
static void test_blocked_reader(void **state)
{
    struct redirected out = redirect();
    struct sink *sink = opened(&(struct sink_config){.spec = "-", .queue_octets = 65536});
    struct sink_stats stats, last;
    uint64_t dropped = 0, kept = 0;
    unsigned next = 0;
    int64_t begin = now_ms();
    size_t total = 0;
    char *got;

    (void)state;
    while (dropped < 1000) {
        if (put_number(sink, next)) {
            next++;
            kept++;
        } else {
            dropped++;
        }
    }
    assert_in_range(now_ms() - begin, 0, PATIENCE_MS / 2);
    stats = stats_of(sink);
    assert_int_equal(stats.dropped, dropped);
    assert_int_equal(stats.lines + stats.queued_lines, kept);
    assert_true(stats.queued_max <= stats.queue_size && stats.queued_max > stats.queue_size - 128);

    for (unsigned i = 0; i < kept; i++)
        total += (size_t)snprintf(NULL, 0, "line %u\n", i);
    got = read_octets(out.reader, total);
    assert_int_equal(assert_numbers(got, 0), kept);
    free(got);
    sink_close(sink, PATIENCE_MS, &last);
    restore(&out);
    assert_int_equal(last.lines, kept);
    assert_int_equal(last.octets, total);
    assert_int_equal(last.dropped, dropped);
    assert_int_equal(last.queued_lines, 0);
}

static void test_reader_of_standard_output_goes(void **state)
{
    struct redirected out = redirect();
    struct sink *sink = opened(&(struct sink_config){.spec = "-"});
    struct sink_stats last;

    (void)state;
    put(sink, "one\n");
    put(sink, "nobody reads this");
    wait_for(sink, stats.lines == 2);
    assert_reads(out.reader, "one\n");
    close(out.reader);
    out.reader = -1;
    wait_for(sink, stats.broken);
    assert_false(put(sink, "two"));
    sink_close(sink, 0, &last);
    restore(&out);
    assert_int_equal(last.lines, 2);
    assert_int_equal(last.unread, strlen("nobody reads this\n"));
    assert_int_equal(last.dropped, 1);
    assert_false(last.connected);
    assert_string_equal(last.error, strerror(EPIPE));
}

/* Closing waits for a reader that has stopped as long as it was told, and says what is left. */
static void test_deadline(void **state)
{
    struct redirected out = redirect();
    struct sink *sink = opened(&(struct sink_config){.spec = "-"});
    int64_t begin;
    struct sink_stats last;
    unsigned put_lines = 20000;

    (void)state;
    for (unsigned i = 0; i < put_lines; i++)
        assert_true(put_number(sink, i));
    begin = now_ms();
    sink_close(sink, 50, &last);
    assert_in_range(now_ms() - begin, 50, 5000);
    restore(&out);
    assert_true(last.lines > 0 && last.queued_lines > 0);
    assert_int_equal(last.lines + last.queued_lines, put_lines);
    assert_int_equal(last.dropped, 0);
}

/* --- files */

static void test_file(void **state)
{
    const char *path = path_of("plain");
    struct sink *sink;
    struct stat status;
    struct sink_stats last;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    /* What a killed program left is not joined with what comes. */
    assert_int_equal(write(fd, "whole\nhal", 9), 9);
    close(fd);
    sink = opened_at("file", path);
    put(sink, "one");
    put(sink, "two\n");
    put(sink, "");
    sink_close(sink, PATIENCE_MS, &last);
    assert_file(path, "whole\nhal\none\ntwo\n\n");
    assert_int_equal(last.lines, 3);
    assert_int_equal(last.octets, 9);
    assert_int_equal(last.failures, 0);

    path = path_of("new");
    sink_close(opened_at("file", path), PATIENCE_MS, NULL);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07, 0);
}

static void test_rotation(void **state)
{
    char spec[TEXT_SIZE];
    struct sink_config config = {.spec = spec, .rotate_octets = 20, .rotate_count = 2};
    struct sink *sink;
    struct sink_stats last;

    (void)state;
    snprintf(spec, sizeof spec, "file:%s", path_of("rotated"));
    sink = opened(&config);
    for (unsigned i = 0; i < 7; i++)
        put_number(sink, i); /* 7 octets each: two fit */
    put(sink, "longer than all of a file may be");
    put_number(sink, 7);
    sink_close(sink, PATIENCE_MS, &last);
    assert_file(path_of("rotated"), "line 7\n");
    assert_file(path_of("rotated.1"), "longer than all of a file may be\n");
    assert_file(path_of("rotated.2"), "line 6\n");
    assert_int_equal(access(path_of("rotated.3"), F_OK), -1);
    assert_int_equal(last.rotations, 5);
    assert_int_equal(last.lines, 9);

    /* What stands there at the start counts, and with no old files kept it is gone. */
    config.rotate_count = 0;
    sink = opened(&config);
    put_number(sink, 8);
    put_number(sink, 9);
    sink_close(sink, PATIENCE_MS, &last);
    assert_file(path_of("rotated"), "line 9\n");
    assert_int_equal(last.rotations, 1);
}

/* As logrotate does it: what was put before the request is in the old file, what comes after it in the new one. */
static void test_reopen(void **state)
{
    const char *path = path_of("log"), *old = path_of("log.old");
    struct sink *sink = opened_at("file", path);

    (void)state;
    put(sink, "before");
    assert_int_equal(rename(path, old), 0);
    sink_reopen(sink);
    put(sink, "after");
    wait_for(sink, stats.lines == 2);
    assert_file(old, "before\n");
    assert_file(path, "after\n");

    assert_int_equal(rename(path, old), 0);
    sink_reopen(sink);
    wait_for(sink, stats.reopens >= 2);
    assert_file(path, "");
    sink_close(sink, PATIENCE_MS, NULL);
}

static void test_reopen_storm(void **state)
{
    const char *path = path_of("storm");
    struct sink *sink = opened_at("file", path);
    struct sink_stats last;
    unsigned files = 0, next = 0, lines = 5000;
    char name[TEXT_SIZE + 16];

    (void)state;
    for (unsigned i = 0; i < lines; i++) {
        assert_true(put_number(sink, i));
        for (unsigned again = 0; again < 20; again++)
            sink_reopen(sink);
        if (i % 50)
            continue;
        wait_for(sink, access(path, F_OK) == 0);
        snprintf(name, sizeof name, "%s.%u", path, files++);
        assert_int_equal(rename(path, name), 0);
    }
    wait_for(sink, access(path, F_OK) == 0);
    sink_close(sink, PATIENCE_MS, &last);
    assert_int_equal(last.lines, lines);
    assert_int_equal(last.dropped, 0);
    assert_true(last.reopens > 0 && last.reopens <= 2 * lines + 1);
    for (unsigned i = 0; i <= files; i++) {
        char *text;

        snprintf(name, sizeof name, i < files ? "%s.%u" : "%s", path, i);
        text = file_text(name);
        next = assert_numbers(text, next);
        free(text);
    }
    assert_int_equal(next, lines);
}

/* A disk of a few pages: nobody sees half a line, what has no room in the queue is counted, and it goes on. */
static void test_disk_full(void **state)
{
    const char *disk = path_of("disk"), *path = path_of("disk/log"), *filler = path_of("disk/filler");
    char line[1001], spec[TEXT_SIZE];
    struct sink_config config = {.spec = spec, .queue_octets = 16384};
    struct sink_stats last;
    struct sink *sink;
    struct stat status;
    uint64_t kept = 0, dropped = 0;
    char *text;
    int fd;

    (void)state;
    if (geteuid() || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mkdir(disk, 0700) ||
        mount("smtpscope", disk, "tmpfs", 0, "size=64k")) {
        print_message("NOT TESTED: a full disk; a tmpfs in a mount namespace of its own wants root\n");
        skip();
    }
    fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    memset(line, 'x', sizeof line);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(write(fd, line, 1000), 1000);
    close(fd);

    snprintf(spec, sizeof spec, "file:%s", path);
    sink = opened(&config);
    memset(line, 'y', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    while (dropped < 10) {
        if (put(sink, line)) {
            kept++;
            wait_for(sink, stats.failures || stats.lines == kept);
        } else {
            dropped++;
        }
    }
    wait_for(sink, stats.failures >= 2);
    assert_string_equal(stats_of(sink).error, strerror(ENOSPC));
    assert_int_equal(stats_of(sink).dropped, dropped);
    assert_int_equal(stats_of(sink).lines + stats_of(sink).queued_lines, kept);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size > 0);
    text = file_text(path);
    assert_int_equal(strlen(text), stats_of(sink).lines * sizeof line);
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);

    assert_int_equal(unlink(filler), 0);
    wait_for(sink, stats.lines == kept);
    assert_true(put(sink, "and on"));
    sink_close(sink, PATIENCE_MS, &last);
    assert_int_equal(last.lines, kept + 1);
    assert_int_equal(last.dropped, dropped);
    text = file_text(path);
    assert_int_equal(strlen(text), kept * sizeof line + strlen("and on\n"));
    for (uint64_t i = 0; i < kept; i++)
        assert_int_equal(text[(i + 1) * sizeof line - 1], '\n');
    assert_string_equal(text + kept * sizeof line, "and on\n");
    free(text);
    umount(disk);
}

/* A FIFO without a reader is an absent reader. */
static void test_fifo(void **state)
{
    const char *path = path_of("fifo");
    struct sink *sink;
    struct sink_stats last;
    int fd;

    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    sink = opened_at("file", path);
    put(sink, "one");
    wait_for(sink, stats.failures > 0);
    assert_false(stats_of(sink).connected);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    sink_reopen(sink); /* not to wait for the next attempt */
    assert_reads(fd, "one\n");
    close(fd);
    wait_for(sink, stats.disconnects == 1);
    sink_close(sink, 0, &last);
    assert_int_equal(last.lines, 1);
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
    uint64_t len = strlen(value);
    size_t head = (size_t)sprintf(at, "%s\n", name);

    for (unsigned i = 0; i < 8; i++)
        at[head + i] = (char)(len >> 8 * i & 0xff);
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
    assert_in_range(len, SINK_UDP_MAX - 1, SINK_UDP_MAX);
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

/* --- what is no output */

static void test_refused(void **state)
{
    static const struct {
        const char *spec, *want;
    } rows[] = {
        {"", "not an output"},
        {"-:", NULL},
        {"-x", "not an output"},
        {"file", "not an output"},
        {"file:", "not an output"},
        {"file:/nonexistent/log", "No such file or directory"},
        {"file:/", "Is a directory"},
        {"unix:", "not an output"},
        {"syslog:tpc:host:514", "not an output"},
        {"syslog:udp", "not an output"},
        {"syslog:udp:host", "not an output"},
        {"syslog:udp::514", "not an output"},
        {"syslog:tcp:host:", "not an output"},
        {"syslog:tcp:[]:514", "not an output"},
        {"journal", "not an output"},
        {"journald:relative", "not an output"},
    };

    (void)state;
    for (size_t i = 0; i < unit_count(rows); i++) {
        char error[SINK_ERROR_SIZE] = "";
        struct sink *sink = sink_open(&(struct sink_config){.spec = rows[i].spec}, error, sizeof error);

        if (!!sink != !rows[i].want || (rows[i].want && !strstr(error, rows[i].want)))
            fail_msg("'%s': got '%s', wanted '%s'", rows[i].spec, sink ? "a sink" : error,
                     rows[i].want ? rows[i].want : "a sink");
        sink_close(sink, 0, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocked_reader),
        cmocka_unit_test(test_reader_of_standard_output_goes),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_reopen_storm),
        cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_unix_reader_killed_and_back),
        cmocka_unit_test(test_idle_reader_goes),
        cmocka_unit_test(test_unix_datagrams),
        cmocka_unit_test(test_syslog_local),
        cmocka_unit_test(test_datagrams_blocked),
        cmocka_unit_test(test_journal),
        cmocka_unit_test(test_syslog_udp),
        cmocka_unit_test(test_syslog_tcp),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_disk_full), /* last: it leaves the mount namespace */
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
