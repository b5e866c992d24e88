/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sinks and metrics behind the filter on system calls: everything that they do after the start, in a child that dies of
 * whatever the filter lacks.
 */
#include "unit.h"

#include "app/process/sandbox.h"
#include "output/metrics/metrics.h"
#include "output/sink/sink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define PATIENCE_MS 20000
#define PATH_SIZE 100 /* a socket's holds 108 */
#define SPEC_SIZE 128
#define LONG_LINE ((size_t)300000) /* more than a datagram holds; ten fit into the queue */

static char folder[] = "/tmp/smtpscope-sandbox-XXXXXX";

struct places {
    char file[SPEC_SIZE], journal[SPEC_SIZE], socket[SPEC_SIZE], tcp[SPEC_SIZE];
};

/* --- the child: a number of the step that failed, or 0 */

static bool wait_lines(struct sink *sink, uint64_t lines)
{
    struct sink_stats stats;

    for (int ms = 0; ms < PATIENCE_MS; ms++) {
        sink_stats(sink, &stats);
        if (stats.lines >= lines)
            return true;
        poll(NULL, 0, 1);
    }
    fprintf(stderr, "%s: wanted %llu lines, got %llu: %s\n", sink_name(sink), (unsigned long long)lines,
            (unsigned long long)stats.lines, stats.error);
    return false;
}

static struct sink *opened(const char *spec)
{
    const struct sink_config config = {.spec = spec, .rotate_octets = 64, .rotate_count = 2};
    char error[SINK_ERROR_SIZE];
    struct sink *sink = sink_open(&config, error, sizeof error);

    if (!sink)
        fprintf(stderr, "%s\n", error);
    return sink;
}

static bool use(struct sink *sink, const char *line, size_t len)
{
    for (unsigned i = 0; i < 10; i++) {
        sink_put(sink, SMTPSCOPE_NOTICE, "finding", line, len);
        if (i % 3 == 0)
            sink_reopen(sink);
    }
    return wait_lines(sink, 10);
}

static int child_run(const struct places *places, int port_to, int end)
{
    struct sink *file = opened(places->file), *journal = opened(places->journal), *local = opened(places->socket),
                *tcp = opened(places->tcp);
    struct metrics_snapshot *snapshot = calloc(1, sizeof *snapshot);
    char *line = calloc(1, LONG_LINE), error[256], octet;
    struct metrics *metrics = metrics_open("127.0.0.1:0", error, sizeof error);
    uint16_t port;
    struct sink_stats last;

    if (!file || !journal || !local || !tcp || !metrics || !metrics_serve(metrics) || !snapshot || !line)
        return 1;
    if (!sandbox_enter())
        return 2;
    memset(line, 'l', LONG_LINE);
    port = metrics_port(metrics);
    if (write(port_to, &port, sizeof port) != sizeof port)
        return 3;
    if (!use(file, line, 30) || !use(journal, line, LONG_LINE) || !use(local, line, 30) || !use(tcp, line, 30))
        return 4;
    metrics_output(snapshot, tcp);
    metrics_publish(metrics, snapshot);
    if (read(end, &octet, 1) != 1) /* until the parent has scraped */
        return 5;
    metrics_stop(metrics);
    sink_close(file, PATIENCE_MS, &last);
    sink_close(journal, PATIENCE_MS, NULL);
    sink_close(local, PATIENCE_MS, NULL);
    sink_close(tcp, PATIENCE_MS, NULL);
    free(line);
    free(snapshot);
    return last.rotations && last.reopens ? 0 : 6;
}

/* --- the parent: the readers */

static int local_socket(const char *path, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static int tcp_listener(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static pid_t child;
static int child_lives; /* hangs up when it does not */

static void assert_ended(void)
{
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        fail_msg("the child died of signal %d%s", WTERMSIG(status),
                 WTERMSIG(status) == SIGSYS ? ": a system call is missing" : "");
    if (WEXITSTATUS(status))
        fail_msg("the child failed at step %d", WEXITSTATUS(status));
}

static void wait_ready(int fd, const char *what)
{
    struct pollfd ready[2] = {{.fd = fd, .events = POLLIN}, {.fd = child_lives}};

    if (poll(ready, 2, PATIENCE_MS) < 1)
        fail_msg("nothing came: %s", what);
    if (!ready[0].revents)
        assert_ended();
    assert_int_not_equal(ready[0].revents, 0);
}

static int accepted(int listener, const char *what)
{
    int fd;

    wait_ready(listener, what);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void read_some(int fd, const char *what)
{
    char octets[256];

    wait_ready(fd, what);
    assert_true(read(fd, octets, sizeof octets) > 0);
}

static void scrape(uint16_t port)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[64] = "";

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    wait_ready(fd, "metrics");
    assert_int_equal(recv(fd, answer, 15, MSG_WAITALL), 15);
    assert_string_equal(answer, "HTTP/1.1 200 OK");
    close(fd);
}

static void test_everything_behind_the_filter(void **state)
{
    struct places places;
    char path[PATH_SIZE];
    int port_ends[2], end_ends[2], journal, local, tcp, fd, reader;
    uint16_t port;

    (void)state;
    assert_int_equal(pipe(port_ends), 0);
    assert_int_equal(pipe(end_ends), 0);
    snprintf(places.file, SPEC_SIZE, "file:%s/file", folder);
    snprintf(path, PATH_SIZE, "%s/journal", folder);
    snprintf(places.journal, SPEC_SIZE, "journald:%s", path);
    journal = local_socket(path, SOCK_DGRAM);
    tcp = tcp_listener(&port);
    snprintf(places.tcp, SPEC_SIZE, "syslog:tcp:localhost:%u", port);
    snprintf(path, PATH_SIZE, "%s/socket", folder);
    snprintf(places.socket, SPEC_SIZE, "unix:%s", path);

    fflush(NULL);
    child = fork();
    if (child == 0)
        _exit(child_run(&places, port_ends[1], end_ends[0]));
    assert_true(child > 0);
    close(port_ends[1]);
    close(end_ends[0]);

    child_lives = port_ends[0];
    wait_ready(port_ends[0], "the child's port");
    if (read(port_ends[0], &port, sizeof port) != sizeof port)
        assert_ended();
    for (unsigned i = 0; i < 10; i++) {
        char octet, control[CMSG_SPACE(sizeof(int))];
        struct iovec part = {&octet, 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

        wait_ready(journal, "the journal's long lines");
        assert_true(recvmsg(journal, &message, 0) >= 0);
        assert_non_null(CMSG_FIRSTHDR(&message));
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
        close(fd);
    }
    local = local_socket(path, SOCK_STREAM); /* only now: it was tried before */
    reader = accepted(local, "the local socket");
    read_some(reader, "lines on the local socket");
    fd = accepted(tcp, "syslog");
    read_some(fd, "lines of syslog");
    close(fd); /* and connected to again, by name */
    fd = accepted(tcp, "syslog, again");
    close(fd);
    scrape(port);
    assert_int_equal(write(end_ends[1], "", 1), 1);
    assert_ended();
    close(reader);
    close(local);
    close(tcp);
    close(journal);
    close(port_ends[0]);
    close(end_ends[1]);
}

static int folder_make(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
    char command[PATH_SIZE];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_everything_behind_the_filter)};

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
