/* SPDX-License-Identifier: BSD-2-Clause */
/* Sinks of an analysis of files: who puts waits for room, and nothing is lost but what no waiting would save. */
#include "test_sink.h"

#include <pthread.h>

#define QUEUE_OCTETS 4096
#define LINES 2000
#define LINE_OCTETS 300

struct reader {
    struct sink *sink;
    int fd;
    size_t octets, lines;
};

/* Begins to read when the queue is as full as it gets; until the writer closes. */
static void *read_late(void *ctx)
{
    struct reader *reader = ctx;
    char octets[8192];
    ssize_t got;

    wait_for(reader->sink, stats.queued + LINE_OCTETS > QUEUE_OCTETS / 2);
    while ((got = read(reader->fd, octets, sizeof octets)) > 0) {
        reader->octets += (size_t)got;
        for (ssize_t i = 0; i < got; i++)
            reader->lines += octets[i] == '\n';
    }
    return NULL;
}

/* More than queue and pipe hold goes through both, whole. */
static void test_late_reader(void **state)
{
    const char *path = path_of("late");
    char spec[TEXT_SIZE], line[LINE_OCTETS];
    struct reader reader = {0};
    struct sink_stats last;
    pthread_t thread;

    (void)state;
    snprintf(spec, sizeof spec, "file:%s", path);
    memset(line, 'x', sizeof line);
    assert_int_equal(mkfifo(path, 0600), 0);
    reader.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    reader.sink = opened(&(struct sink_config){.spec = spec, .queue_octets = QUEUE_OCTETS});
    assert_int_equal(fcntl(reader.fd, F_SETFL, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, read_late, &reader), 0);
    for (int i = 0; i < LINES; i++)
        assert_true(sink_put_wait(reader.sink, SMTPSCOPE_INFO, "session", line, sizeof line));
    assert_true(sink_drain(reader.sink));
    sink_close(reader.sink, 0, &last);
    pthread_join(thread, NULL);
    close(reader.fd);
    assert_int_equal(last.lines, LINES);
    assert_int_equal(last.dropped, 0);
    assert_int_equal(reader.lines, LINES);
    assert_int_equal(reader.octets, LINES * (LINE_OCTETS + 1));
}

/* A full disk gets no room by waiting: it is given up at once, and counted. */
static void test_no_room(void **state)
{
    struct sink *sink = opened(&(struct sink_config){.spec = "file:/dev/full", .queue_octets = QUEUE_OCTETS});
    int64_t begin = now_ms();
    char line[LINE_OCTETS];
    uint64_t kept = 0;
    struct sink_stats last;

    (void)state;
    memset(line, 'x', sizeof line);
    for (int i = 0; i < LINES; i++)
        kept += sink_put_wait(sink, SMTPSCOPE_INFO, "session", line, sizeof line);
    assert_true(kept > 0 && kept < LINES);
    assert_false(sink_drain(sink));
    assert_between(now_ms() - begin, 0, SINK_WAIT_MS / 2);
    sink_close(sink, 0, &last);
    assert_int_equal(last.lines, 0);
    assert_int_equal(last.dropped + last.queued_lines, LINES);
    assert_string_equal(last.error, strerror(ENOSPC));
}

static void test_line_beyond_the_queue(void **state)
{
    const char *path = path_of("large");
    char spec[TEXT_SIZE], *line = calloc(1, QUEUE_OCTETS * 2);
    struct sink_stats last;
    struct sink *sink;

    (void)state;
    snprintf(spec, sizeof spec, "file:%s", path);
    memset(line, 'x', QUEUE_OCTETS * 2);
    sink = opened(&(struct sink_config){.spec = spec, .queue_octets = QUEUE_OCTETS});
    assert_true(sink_put_wait(sink, SMTPSCOPE_INFO, "session", "before", 6));
    assert_false(sink_put_wait(sink, SMTPSCOPE_INFO, "session", line, QUEUE_OCTETS * 2));
    assert_true(sink_put_wait(sink, SMTPSCOPE_INFO, "session", "behind", 6));
    assert_true(sink_drain(sink));
    assert_file(path, "before\nbehind\n");
    sink_close(sink, 0, &last);
    assert_int_equal(last.dropped, 1);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_reader),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_line_beyond_the_queue),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
