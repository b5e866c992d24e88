/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a command and prints what it took: status, ns of wall time, ns of processor time, kB of its highest resident set, ns up
 * to its first octet of output (-1: not asked for). A small program of its own, because what a child is charged with as its
 * highest resident set begins with its parent's, and an interpreter's is larger than what is measured here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t timeval_ns(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000000 + time->tv_usec * 1000;
}

/* In the child: never returns. */
static void command_run(int in, int out, char **command)
{
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
        execvp(command[0], command);
    fprintf(stderr, "measure: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

/* Reads until the end. Returns when the first octet came, or -1 when none did. */
static int64_t output_drain(int fd)
{
    static char buffer[1 << 16];
    int64_t first = -1;
    ssize_t len;

    while ((len = read(fd, buffer, sizeof buffer)) > 0 || (len < 0 && errno == EINTR))
        if (first < 0 && len > 0)
            first = now_ns();
    return first;
}

static int command_measure(const char *file, char **command)
{
    bool wants_first = strcmp(file, "-f") == 0;
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC), ends[2] = {-1, -1}, status;
    int64_t begin, first = -1;
    struct rusage usage;
    pid_t child;

    if (!wants_first)
        ends[1] = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    else if (pipe(ends) != 0)
        return -1;
    if (in < 0 || ends[1] < 0)
        return -1;
    begin = now_ns();
    child = fork();
    if (child < 0)
        return -1;
    if (child == 0)
        command_run(in, ends[1], command);
    close(ends[1]);
    if (wants_first)
        first = output_drain(ends[0]);
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR)
            return -1;
    printf("%d %lld %lld %ld %lld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
           (long long)(now_ns() - begin), (long long)(timeval_ns(&usage.ru_utime) + timeval_ns(&usage.ru_stime)),
           usage.ru_maxrss, (long long)(first < 0 ? -1 : first - begin));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: measure FILE COMMAND...    the command's output goes to FILE\n"
              "       measure -f COMMAND...      the command's first octet is waited for\n",
              stderr);
        return 2;
    }
    if (command_measure(argv[1], argv + 2) != 0) {
        perror("measure");
        return 1;
    }
    return 0;
}
