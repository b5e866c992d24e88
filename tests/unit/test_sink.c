/* SPDX-License-Identifier: BSD-2-Clause */
/* Sinks that are files or standard output: what is in them, and what is counted when nobody reads or the disk is full. */
#define _GNU_SOURCE /* unshare(2) */
#include "test_sink.h"

#include <sched.h>
#include <sys/mount.h>

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
    assert_between(now_ms() - begin, 0, PATIENCE_MS / 2);
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
    assert_between(now_ms() - begin, 50, 5000);
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

/* The folder of the log is gone for a while: what is put meanwhile waits. */
static void test_reopen_without_folder(void **state)
{
    const char *place = path_of("place"), *path = path_of("place/log"), *away = path_of("away");
    struct sink *sink;
    struct sink_stats last;

    (void)state;
    assert_int_equal(mkdir(place, 0700), 0);
    sink = opened_at("file", path);
    put(sink, "one");
    wait_for(sink, stats.lines == 1);
    assert_int_equal(rename(place, away), 0);
    sink_reopen(sink);
    wait_for(sink, stats.failures > 0);
    assert_false(stats_of(sink).connected);
    assert_string_equal(stats_of(sink).error, strerror(ENOENT));
    put(sink, "two");
    assert_int_equal(mkdir(place, 0700), 0);
    sink_reopen(sink);
    put(sink, "three");
    sink_close(sink, PATIENCE_MS, &last);
    assert_int_equal(last.lines, 3);
    assert_file(path, "two\nthree\n");
    assert_file(path_of("away/log"), "one\n");
}

/* A file that cannot be renamed goes on growing. */
static void test_rotation_fails(void **state)
{
    const char *path = path_of("stays");
    char spec[TEXT_SIZE];
    struct sink_config config = {.spec = spec, .rotate_octets = 10, .rotate_count = 1};
    struct sink *sink;
    struct sink_stats last;

    (void)state;
    assert_int_equal(mkdir(path_of("stays.1"), 0700), 0);
    snprintf(spec, sizeof spec, "file:%s", path);
    sink = opened(&config);
    for (unsigned i = 0; i < 4; i++)
        put_number(sink, i);
    sink_close(sink, PATIENCE_MS, &last);
    assert_file(path, "line 0\nline 1\nline 2\nline 3\n");
    assert_int_equal(last.rotations, 0);
    assert_true(last.failures > 0 && last.failures < 4);
    assert_int_equal(last.lines, 4);
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

/* --- a full disk: a tmpfs of a few pages */

#define DISK_OCTETS "size=64k"
#define FILLER_OCTETS 40000
#define LINE_LEN 1000

static bool disk_mount(const char *disk)
{
    static bool own_namespace;

    if (geteuid())
        return false;
    own_namespace = own_namespace || (!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    return own_namespace && (!mkdir(disk, 0700) || errno == EEXIST) && !mount("smtpscope", disk, "tmpfs", 0, DISK_OCTETS);
}

static void fill_disk(const char *filler)
{
    char *octets = calloc(1, FILLER_OCTETS);
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, octets, FILLER_OCTETS), FILLER_OCTETS);
    close(fd);
    free(octets);
}

/* Puts lines until ten did not go into the queue; says how many did. */
static uint64_t put_until_dropped(struct sink *sink)
{
    char line[LINE_LEN];
    uint64_t kept = 0, dropped = 0;

    memset(line, 'y', sizeof line);
    while (dropped < 10) {
        if (sink_put(sink, SMTPSCOPE_INFO, "session", line, sizeof line)) {
            kept++;
            wait_for(sink, stats.failures || stats.lines == kept);
        } else {
            dropped++;
        }
    }
    assert_int_equal(stats_of(sink).dropped, dropped);
    return kept;
}

/* `whole` lines of LINE_LEN at least, and nothing else before `end`. */
static void assert_whole_lines(const char *path, uint64_t whole, const char *end)
{
    char *text = file_text(path);

    assert_true(strlen(text) >= whole * (LINE_LEN + 1));
    for (uint64_t i = 0; i < whole; i++)
        assert_int_equal(strcspn(text + i * (LINE_LEN + 1), "\n"), LINE_LEN);
    if (end)
        assert_string_equal(text + whole * (LINE_LEN + 1), end);
    free(text);
}

/* What has no room in the queue is counted, and it goes on. Of a file of our own nobody ever sees half a line. */
static void check_disk_full(struct sink *sink, const char *path, const char *filler, const char *while_full)
{
    uint64_t kept = put_until_dropped(sink);
    struct sink_stats last;

    wait_for(sink, stats.failures >= 2);
    assert_string_equal(stats_of(sink).error, strerror(ENOSPC));
    assert_int_equal(stats_of(sink).lines + stats_of(sink).queued_lines, kept);
    assert_true(stats_of(sink).lines > 0);
    assert_whole_lines(path, stats_of(sink).lines, while_full);

    assert_int_equal(unlink(filler), 0);
    wait_for(sink, stats.lines == kept);
    assert_true(put(sink, "and on"));
    sink_close(sink, PATIENCE_MS, &last);
    assert_int_equal(last.lines, kept + 1);
    assert_int_equal(last.dropped, 10);
    assert_whole_lines(path, kept, "and on\n");
}

static void test_disk_full(void **state)
{
    const char *disk = path_of("disk"), *path = path_of("disk/log"), *filler = path_of("disk/filler");
    char spec[TEXT_SIZE];

    (void)state;
    if (!disk_mount(disk)) {
        print_message("NOT TESTED: a full disk; a tmpfs in a mount namespace of its own wants root\n");
        skip();
    }
    fill_disk(filler);
    snprintf(spec, sizeof spec, "file:%s", path);
    check_disk_full(opened(&(struct sink_config){.spec = spec, .queue_octets = 16384}), path, filler, "");
    umount(disk);
}

/* Standard output may be written to by others as well, and is not cut back: half a line is finished when there is room. */
static void test_disk_full_behind_standard_output(void **state)
{
    const char *disk = path_of("disk"), *path = path_of("disk/log"), *filler = path_of("disk/filler");
    int saved, fd;

    (void)state;
    if (!disk_mount(disk)) {
        print_message("NOT TESTED: a full disk; a tmpfs in a mount namespace of its own wants root\n");
        skip();
    }
    fill_disk(filler);
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    dup2(fd, STDOUT_FILENO);
    close(fd);
    check_disk_full(opened(&(struct sink_config){.spec = "-", .queue_octets = 16384}), path, filler, NULL);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    umount(disk);
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
        cmocka_unit_test(test_reopen_without_folder),
        cmocka_unit_test(test_rotation_fails),
        cmocka_unit_test(test_fifo),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_disk_full), /* last: these leave the mount namespace */
        cmocka_unit_test(test_disk_full_behind_standard_output),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
