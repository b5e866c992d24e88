/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of sinks share: opening one, waiting for what its thread does, reading what it wrote, a folder for all of
 * it.
 */
#ifndef SMTPSCOPE_TESTS_SINK_H
#define SMTPSCOPE_TESTS_SINK_H

#include "unit.h"

#include "output/sink/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#define PATIENCE_MS 20000
#define TEXT_SIZE 512

static char folder[] = "/tmp/smtpscope-sink-XXXXXX";

static inline int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline const char *path_of(const char *name)
{
    static char paths[4][TEXT_SIZE];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, TEXT_SIZE, "%s/%s", folder, name);
    return path;
}

static inline struct sink *opened(const struct sink_config *config)
{
    char error[SINK_ERROR_SIZE] = "";
    struct sink *sink = sink_open(config, error, sizeof error);

    if (!sink)
        fail_msg("%s was not opened: %s", config->spec, error);
    assert_string_equal(sink_name(sink), config->spec);
    return sink;
}

static inline struct sink *opened_at(const char *prefix, const char *rest)
{
    char spec[TEXT_SIZE];

    snprintf(spec, sizeof spec, "%s:%s", prefix, rest);
    return opened(&(struct sink_config){.spec = spec});
}

static inline bool put(struct sink *sink, const char *line)
{
    return sink_put(sink, SMTPSCOPE_WARNING, "finding", line, strlen(line));
}

static inline bool put_number(struct sink *sink, unsigned number)
{
    char line[32];

    snprintf(line, sizeof line, "line %u", number);
    return put(sink, line);
}

static inline struct sink_stats stats_of(struct sink *sink)
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
static inline char *read_octets(int fd, size_t want)
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

static inline void assert_reads(int fd, const char *want)
{
    char *got = read_octets(fd, strlen(want));

    assert_string_equal(got, want);
    free(got);
}

static inline char *file_text(const char *path)
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

static inline void assert_file(const char *path, const char *want)
{
    char *got = file_text(path);

    assert_string_equal(got, want);
    free(got);
}

/* Lines "line N" in `text`, whole and one more each: returns the number behind the last. */
static inline unsigned assert_numbers(const char *text, unsigned first)
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

static inline int folder_make(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int folder_remove(void **state)
{
    char command[TEXT_SIZE];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

#endif
