/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sandbox_probe USER FILTER ACTION [PATH]: becomes USER ("-": the default) as smtpscope does, with the filter on system calls
 * when FILTER is "filter", then does ACTION. Status 0: it was done; 1: it failed, and "errno NAME" is printed; a signal else.
 */
#define _GNU_SOURCE /* unshare(2), strerrorname_np(3) */
#include "app/options/options.h"
#include "app/process/notify.h"
#include "app/process/privileges.h"
#include "output/metrics/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AF_PACKET_FAMILY 17
#define AF_NETLINK_FAMILY 16
#define AF_ALG_FAMILY 38

static const char *path = "/nonexistent";
static pthread_barrier_t dropped;
static struct metrics *metrics;

/* 0, or -1 with errno, as system calls. */
static int act_wait(void)
{
    char c;

    puts("ready");
    fflush(stdout);
    return read(STDIN_FILENO, &c, 1) < 0 ? -1 : 0;
}

static int act_execve(void)
{
    char *argv[] = {(char[]){"true"}, NULL};

    return execv("/bin/true", argv);
}

static int act_fork(void)
{
    pid_t child = fork();

    if (!child)
        _exit(0);
    return child < 0 || waitpid(child, NULL, 0) < 0 ? -1 : 0;
}

static int open_socket(int family, int type)
{
    int fd = socket(family, type, 0);

    return fd < 0 ? -1 : close(fd);
}

static int act_packet(void)
{
    return open_socket(AF_PACKET_FAMILY, SOCK_RAW);
}

static int act_netlink(void)
{
    return open_socket(AF_NETLINK_FAMILY, SOCK_RAW);
}

static int act_alg(void)
{
    return open_socket(AF_ALG_FAMILY, SOCK_SEQPACKET);
}

static int act_sockets(void)
{
    return open_socket(AF_INET, SOCK_DGRAM) || open_socket(AF_INET6, SOCK_STREAM) || open_socket(AF_UNIX, SOCK_DGRAM) ? -1 : 0;
}

static int act_bind(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    return fd < 0 ? -1 : bind(fd, (struct sockaddr *)&any, sizeof any);
}

static int act_ptrace(void)
{
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int act_mount(void)
{
    return mount("none", "/mnt", "tmpfs", 0, NULL);
}

static int act_bpf(void)
{
    return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int act_setuid(void)
{
    return setuid(0);
}

static int act_unshare(void)
{
    return unshare(CLONE_NEWUSER);
}

static int act_kill(void)
{
    return kill(getppid(), 0);
}

static int act_chmod(void)
{
    return chmod(path, 0777);
}

static int act_setrlimit(void)
{
    return setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

static int act_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

/* As an output does: made, written, rotated, opened again, removed. */
static int act_files(void)
{
    char old[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

    snprintf(old, sizeof old, "%s.1", path);
    if (fd < 0 || write(fd, "x\n", 2) != 2 || ftruncate(fd, 1) || fsync(fd) || close(fd) || rename(path, old))
        return -1;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0640);
    return fd < 0 || close(fd) || unlink(path) || unlink(old) ? -1 : 0;
}

static void *work(void *memory)
{
    memset(memory, 1, 1 << 20);
    return memory;
}

static int act_threads(void)
{
    const struct timespec moment = {.tv_nsec = 1000};
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, work, malloc(1 << 20)))
            return -1;
    for (int i = 0; i < 4; i++) {
        void *memory;

        pthread_join(threads[i], &memory);
        free(memory);
    }
    return nanosleep(&moment, NULL);
}

/* A name that the files of the name service have, and one that it has to ask for. */
static int act_names(void)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;

    if (getaddrinfo("localhost", "514", &hints, &found))
        return -1;
    freeaddrinfo(found);
    if (!getaddrinfo("name.invalid", "514", &hints, &found))
        freeaddrinfo(found);
    return 0;
}

static int act_notify(void)
{
    notify_ready("status of the probe");
    notify_reloading();
    notify_watchdog();
    notify_stopping(NULL);
    return notify_watchdog_interval() == 4 * SMTPSCOPE_SECOND ? 0 : -1;
}

/* One output as the program has it: `path` is its spec. Its lines, a rotation, and a reopening. */
static int act_output(void)
{
    char error[SINK_ERROR_SIZE];
    struct sink_stats last;
    struct sink *sink =
        sink_open(&(struct sink_config){.spec = path, .rotate_octets = 64, .rotate_count = 2}, error, sizeof error);

    if (!sink)
        return -1;
    for (int i = 0; i < 8; i++)
        sink_put(sink, SMTPSCOPE_INFO, "stats", "{\"a line\": \"of thirty octets\"}", 30);
    sink_reopen(sink);
    sink_put(sink, SMTPSCOPE_INFO, "stats", "{}", 2);
    sink_close(sink, 5000, &last);
    return last.lines == 9 && !last.queued_lines ? 0 : -1;
}

/* Serves until standard input ends. */
static int act_metrics(void)
{
    if (!metrics || !metrics_serve(metrics))
        return -1;
    metrics_publish(metrics, &(struct metrics_snapshot){.summary.packets = 1});
    printf("%u\n", metrics_port(metrics));
    fflush(stdout);
    return getchar() == EOF ? 0 : -1;
}

/* The configuration `path` read anew, as at SIGHUP. */
static int act_reload(void)
{
    char *argv[] = {(char[]){"probe"}, (char[]){"-c"}, (char *)(uintptr_t)path, NULL};
    struct options options;

    if (!options_reload(&(struct options){0}, &options, 3, argv))
        return -1;
    options_fini(&options);
    return 0;
}

static int act_abort(void)
{
    abort();
}

static void *fork_in_thread(void *unused)
{
    pthread_barrier_wait(&dropped);
    act_fork();
    return unused;
}

static const struct {
    const char *name;
    int (*act)(void);
} actions[] = {
    {"wait", act_wait},           {"execve", act_execve},   {"fork", act_fork},
    {"packet", act_packet},       {"netlink", act_netlink}, {"alg", act_alg},
    {"sockets", act_sockets},     {"bind", act_bind},       {"ptrace", act_ptrace},
    {"mount", act_mount},         {"bpf", act_bpf},         {"setuid", act_setuid},
    {"unshare", act_unshare},     {"kill", act_kill},       {"chmod", act_chmod},
    {"code", act_code},           {"files", act_files},     {"threads", act_threads},
    {"names", act_names},         {"notify", act_notify},   {"abort", act_abort},
    {"setrlimit", act_setrlimit}, {"reload", act_reload},   {"output", act_output},
    {"metrics", act_metrics},
};

/* A thread that was there before is in the filter, too. */
static int run_in_thread(const struct privileges *privileges)
{
    pthread_t thread;

    pthread_barrier_init(&dropped, NULL, 2);
    if (pthread_create(&thread, NULL, fork_in_thread, NULL) || !privileges_drop(privileges, true))
        return 2;
    pthread_barrier_wait(&dropped);
    pthread_join(thread, NULL);
    return 0;
}

int main(int argc, char **argv)
{
    struct privileges privileges;
    bool done;

    if (argc < 4 || !privileges_lookup(&privileges, strcmp(argv[1], "-") ? argv[1] : NULL))
        return 2;
    if (argc > 4)
        path = argv[4];
    if (!strcmp(argv[3], "metrics"))
        metrics = metrics_open("127.0.0.1:0", (char[SINK_ERROR_SIZE]){0}, SINK_ERROR_SIZE);
    if (!strcmp(argv[3], "thread"))
        return run_in_thread(&privileges);
    if (!privileges_drop(&privileges, !strcmp(argv[2], "filter")))
        return 2;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(argv[3], actions[i].name))
            continue;
        done = !actions[i].act();
        if (!done)
            printf("errno %s\n", strerrorname_np(errno));
        metrics_stop(metrics);
        return !done;
    }
    return 2;
}
