/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Live capture in a network namespace of the test's own: two ends of a veth pair, frames written at one of them or both.
 * Exits with 77 where there are no namespaces to be had.
 */
#define _GNU_SOURCE 1 /* unshare */
#include "live_frames.h"

#include "app/process/privileges.h"
#include "capture/interfaces.h"
#include "capture/live.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define DEADLINE_SECONDS 10.0
enum { SKIPPED = 77, MARKS = 4096, WORKERS = 2, SLL2 = 276 };

/* Which workers saw a connection's frames, by the direction: bit w for worker w. */
struct seen {
    uint32_t frames;
    uint8_t workers[MARKS][2];
    uint64_t number;
    smtpscope_time time;
    int link_type;
    struct live *breaks;
};

static bool is_root; /* not only of a namespace */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void ip(const char *arguments)
{
    char command[256];
    snprintf(command, sizeof command, "ip %s", arguments);
    int status = system(command);
    if (status != 0)
        fail_msg("%s: %d", command, status);
}

static void link_add(void)
{
    ip("link add v0 type veth peer name v1");
    ip("link set v0 up");
    ip("link set v1 up");
}

static int setup(void **state)
{
    (void)state;
    link_add();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (if_nametoindex("v0") != 0)
        ip("link del v0");
    return 0;
}

/* Kept open: the kernel takes its time to close a packet socket. */
static int sender = -1;

static void send_from(const char *interface, const struct made *made)
{
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface), .sll_halen = 6};
    if (sender < 0)
        sender = socket(AF_PACKET, SOCK_RAW, 0);
    to.sll_protocol = htons((uint16_t)(made->octets[12] << 8 | made->octets[13]));
    ssize_t sent = sendto(sender, made->octets, made->len, 0, (struct sockaddr *)&to, sizeof to);
    if (sent != (ssize_t)made->len)
        fail_msg("%s: %s", interface, strerror(errno));
}

/* Workers that share v0. */
struct worker {
    struct live *live;
    struct seen *seen;
    unsigned bit;
};

static struct live *open_live(const struct live_config *config)
{
    struct live *live = NULL;
    char error[512] = "";
    if (live_open(&live, config, error, sizeof error) != 0)
        fail_msg("%s: %s", config->interface, error);
    return live;
}

static void expect_refusal(const struct live_config *config, const char *want)
{
    struct live *live = NULL;
    char error[512] = "";
    assert_int_equal(live_open(&live, config, error, sizeof error), -1);
    if (strstr(error, want) == NULL || strchr(error, '\n') != NULL)
        fail_msg("got \"%s\", want one line with \"%s\"", error, want);
}

/* The mark of a segment is its sequence number, which is the last word of a frame's TCP header but three. */
static uint32_t mark_of(const struct frame *frame)
{
    uint32_t mark;
    assert_true(frame->caplen >= TCP_LEN);
    memcpy(&mark, frame->data + frame->caplen - TCP_LEN + 4, sizeof mark);
    return ntohl(mark);
}

static void take(void *ctx, const struct frame *frame)
{
    struct seen *seen = ctx;
    seen->frames++;
    seen->number = frame->number;
    seen->time = frame->time;
    seen->link_type = frame->link_type;
    if (seen->breaks != NULL)
        live_break(seen->breaks);
}

/* Dispatches until `frames` were seen; a deadline fails the test. */
static void expect_frames(struct live *live, struct seen *seen, uint32_t frames)
{
    for (double end = now() + DEADLINE_SECONDS; seen->frames < frames;) {
        int got = live_dispatch(live, 0, take, seen);
        if (got < 0 || now() > end)
            fail_msg("%u frames, want %u: %s", seen->frames, frames, live_error(live));
    }
}

static void expect_result(struct live *live, struct seen *seen, int want)
{
    double end = now() + DEADLINE_SECONDS;
    int got;
    while ((got = live_dispatch(live, 0, take, seen)) != want)
        if (now() > end)
            fail_msg("got %d, want %d: %s", got, want, live_error(live));
}

static const struct live_config v0 = {.interface = "v0", .filter = "tcp port 25", .buffer_kib = 4096};

static void test_frames(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct live *live = open_live(&v0);
    struct made mail = made_tcp4((struct ends){1, 2, 40000, 25}, 0), web = made_tcp4((struct ends){1, 2, 40000, 80}, 0);
    smtpscope_time before = (smtpscope_time)time(NULL) * SMTPSCOPE_SECOND;
    send_from("v1", &web);
    send_from("v1", &mail);
    send_from("v0", &mail);
    send_from("v0", &web);
    expect_frames(live, &seen, 2);
    assert_int_equal(live_dispatch(live, 0, take, &seen), 0);
    assert_int_equal(seen.frames, 2);
    assert_int_equal(seen.number, 2);
    assert_int_equal(seen.link_type, 1);
    assert_true(seen.time >= before && seen.time < before + 60 * SMTPSCOPE_SECOND);
    assert_true(seen.time % 1000 != 0 || seen.time % 1000000 != 0);
    struct live_stats stats;
    live_stats(live, &stats);
    assert_int_equal(stats.received, 2);
    assert_int_equal(stats.dropped, 0);
    assert_string_equal(live_error(live), "");
    live_close(live);
}

/* It returns by itself while nothing comes, and at most so many frames at once. */
static void test_most(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct live *live = open_live(&v0);
    struct made mail = made_tcp4((struct ends){1, 2, 40000, 25}, 0);
    double start = now();
    assert_int_equal(live_dispatch(live, 0, take, &seen), 0);
    assert_true(now() - start < 5);
    for (int i = 0; i < 10; i++)
        send_from("v1", &mail);
    for (double end = now() + DEADLINE_SECONDS; seen.frames < 10;) {
        int got = live_dispatch(live, 3, take, &seen);
        assert_between(got, 0, 3);
        assert_true(now() < end);
    }
    live_close(live);
}

static void test_any(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct live_config any = v0;
    any.interface = "any";
    any.promiscuous = true;
    struct live *live = open_live(&any);
    struct made mail = made_tcp4((struct ends){1, 2, 40000, 25}, 0);
    send_from("v1", &mail);
    expect_frames(live, &seen, 2); /* leaving at v1, coming at v0 */
    assert_int_equal(seen.link_type, SLL2);
    live_close(live);
}

static void test_refusals(void **state)
{
    (void)state;
    struct live_config config = v0;
    config.interface = "nosuch0";
    expect_refusal(&config, "-D lists");
    config = v0;
    config.expression = "port 25 or ) host";
    expect_refusal(&config, "the filter \"port 25 or ) host\" is wrong");
    config.expression = "host 10.0.0.1) or (tcp";
    expect_refusal(&config, "is wrong");
    ip("link set v0 down");
    config = v0;
    expect_refusal(&config, "is down");
}

static void test_expression(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct live_config config = v0;
    config.expression = "src host 10.0.0.7 or src host 10.0.0.8";
    struct live *live = open_live(&config);
    for (uint32_t client = 5; client < 9; client++) {
        struct made mail = made_tcp4((struct ends){client, 2, 40000, 25}, 0),
                    web = made_tcp4((struct ends){client, 2, 40000, 80}, 0);
        send_from("v1", &mail);
        send_from("v1", &web);
    }
    expect_frames(live, &seen, 2);
    assert_int_equal(live_dispatch(live, 0, take, &seen), 0);
    assert_int_equal(seen.frames, 2);
    live_close(live);
}

static void *break_it(void *live)
{
    live_break(live);
    return NULL;
}

static void test_break(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct live *live = open_live(&v0);
    pthread_t thread;
    pthread_create(&thread, NULL, break_it, live);
    pthread_join(thread, NULL);
    double start = now();
    assert_int_equal(live_dispatch(live, 0, take, &seen), 0);
    assert_true(now() - start < 0.09);
    start = now();
    assert_int_equal(live_dispatch(live, 0, take, &seen), 0); /* once only */
    assert_true(now() - start >= 0.09);
    struct made mail = made_tcp4((struct ends){1, 2, 40000, 25}, 0);
    for (int i = 0; i < 3; i++)
        send_from("v1", &mail);
    seen.breaks = live;
    for (uint32_t i = 1; i <= 3; i++) { /* within the frames, after each */
        expect_frames(live, &seen, i);
        assert_int_equal(seen.frames, i);
    }
    live_close(live);
}

/* Down and up again: the same handle goes on. */
static void test_down(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct live *live = open_live(&v0);
    struct made mail = made_tcp4((struct ends){1, 2, 40000, 25}, 0);
    send_from("v1", &mail);
    expect_frames(live, &seen, 1);
    ip("link set v0 down");
    expect_result(live, &seen, LIVE_DOWN);
    assert_string_equal(live_error(live), "the interface is down");
    double start = now();
    assert_int_equal(live_dispatch(live, 0, take, &seen), LIVE_DOWN);
    assert_true(now() - start >= 0.09);
    ip("link set v0 up");
    expect_result(live, &seen, 0);
    send_from("v1", &mail);
    expect_frames(live, &seen, 2);
    live_close(live);
}

/* Removed and made anew: it is opened again, with its filter, and the totals and the numbers go on. */
static void test_gone(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct live_stats stats;
    struct live *live = open_live(&v0);
    struct made mail = made_tcp4((struct ends){1, 2, 40000, 25}, 0), web = made_tcp4((struct ends){1, 2, 40000, 80}, 0);
    send_from("v1", &mail);
    expect_frames(live, &seen, 1);
    ip("link del v0");
    expect_result(live, &seen, LIVE_DOWN);
    assert_string_equal(live_error(live), "the interface is gone");
    assert_int_equal(live_dispatch(live, 0, take, &seen), LIVE_DOWN);
    link_add();
    expect_result(live, &seen, 0);
    send_from("v1", &web);
    send_from("v1", &mail);
    expect_frames(live, &seen, 2);
    assert_int_equal(seen.number, 2);
    live_stats(live, &stats);
    assert_int_equal(stats.received, 2);
    live_close(live);
}

static void send_connection(uint32_t mark, int kind)
{
    struct ends ends = {10 + mark % 200, 2, (uint16_t)(32768 + 2 * mark), 25};
    for (int back = 0; back < 2; back++) {
        struct ends way = back ? ends_turned(ends) : ends;
        uint32_t value = mark << 1 | (uint32_t)back;
        struct made made = kind == 0   ? made_tcp4(way, value)
                           : kind == 1 ? made_tcp6(way, value)
                           : kind == 2 ? made_qinq(way, value)
                                       : made_vxlan(way, value, back != 0);
        /* both as a tap has them, or one as received and one as sent, as a host has its own */
        send_from(back && mark % 2 && kind != 2 ? "v0" : "v1", &made);
    }
}

static void take_marked(void *ctx, const struct frame *frame)
{
    struct worker *worker = ctx;
    uint32_t mark = mark_of(frame);
    assert_true(mark >> 1 < MARKS);
    worker->seen->workers[mark >> 1][mark & 1] |= (uint8_t)worker->bit;
    worker->seen->frames++;
}

static void open_workers(struct worker workers[WORKERS], const char *filter)
{
    struct live_config config = {
        .interface = "v0", .filter = filter, .buffer_kib = 4096, .spread = true, .fanout_group = LIVE_NEW_GROUP};
    struct seen *seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){open_live(&config), seen, 1u << i};
        config.fanout_group = live_fanout_group(workers[i].live);
        assert_true(config.fanout_group >= 0);
    }
}

static void close_workers(struct worker workers[WORKERS])
{
    for (int i = 0; i < WORKERS; i++)
        live_close(workers[i].live);
    free(workers[0].seen);
}

static void drain(struct worker workers[WORKERS], uint32_t frames)
{
    for (double end = now() + DEADLINE_SECONDS; workers[0].seen->frames < frames && now() < end;)
        for (int i = 0; i < WORKERS; i++)
            if (live_dispatch(workers[i].live, 0, take_marked, &workers[i]) < 0)
                fail_msg("%s", live_error(workers[i].live));
}

/* Each of `count` connections: all its frames, both directions, at one worker. How many the first one had. */
static uint32_t expect_together(const struct seen *seen, uint32_t count)
{
    uint32_t first = 0;
    assert_int_equal(seen->frames, 2 * count);
    for (uint32_t mark = 0; mark < count; mark++) {
        uint8_t there = seen->workers[mark][0], back = seen->workers[mark][1];
        if (there != back || (there != 1 && there != 2))
            fail_msg("connection %u: one direction at %u, the other at %u", mark, there, back);
        first += there == 1;
    }
    return first;
}

static void test_spread(void **state)
{
    (void)state;
    enum { CONNECTIONS = 400 };
    const struct {
        const char *label, *filter;
        int kind;
        uint32_t want_least; /* of a worker */
    } rows[] = {
        {"IPv4", "tcp port 25", 0, 100},
        {"IPv6", "tcp port 25", 1, 100},
        {"QinQ", "not (ip or ip6 or arp)", 2, 100},
        {"one VXLAN tunnel, one worker", "udp port 4789", 3, 0},
    };
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct worker workers[WORKERS];
        open_workers(workers, rows[i].filter);
        for (uint32_t mark = 0; mark < CONNECTIONS; mark++)
            send_connection(mark, rows[i].kind);
        drain(workers, 2 * CONNECTIONS);
        uint32_t first = expect_together(workers[0].seen, CONNECTIONS);
        print_message("%s: %u and %u connections\n", rows[i].label, first, CONNECTIONS - first);
        assert_between(first, rows[i].want_least, CONNECTIONS - rows[i].want_least);
        close_workers(workers);
    }
}

/* The segment in two fragments, of 16 octets and of 4. */
static void send_fragments(struct ends ends, uint32_t mark)
{
    struct made segment = {.len = 0};
    put_tcp(&segment, ends, mark);
    for (size_t at = 0; at < TCP_LEN; at += 16) {
        struct made part = {.len = 0};
        size_t len = TCP_LEN - at < 16 ? TCP_LEN - at : 16;
        put_ethernet(&part, 0x0800);
        put_ipv4(&part, ends, TCP, (uint16_t)(at / 8 | (at + len < TCP_LEN ? 0x2000 : 0)), len);
        for (size_t i = 0; i < len; i++)
            put(&part, segment.octets[at + i], 1);
        send_from("v1", &part);
    }
}

/* Fragments, which the kernel puts together first, go where their connection goes. */
static void test_spread_fragments(void **state)
{
    (void)state;
    enum { CONNECTIONS = 40 };
    struct worker workers[WORKERS];
    open_workers(workers, "ip proto 6");
    for (uint32_t mark = 0; mark < CONNECTIONS; mark++) {
        struct ends ends = {10 + mark, 2, (uint16_t)(32768 + 2 * mark), 25};
        struct made whole = made_tcp4(ends, mark << 1);
        send_from("v1", &whole);
        send_fragments(ends, mark << 1 | 1);
    }
    drain(workers, 2 * CONNECTIONS);
    expect_together(workers[0].seen, CONNECTIONS);
    close_workers(workers);
}

/* All workers have seen that it is up. */
static void expect_all_up(struct worker workers[WORKERS])
{
    bool back[WORKERS] = {false};
    for (double end = now() + DEADLINE_SECONDS; !(back[0] && back[1]);) {
        for (int i = 0; i < WORKERS; i++)
            back[i] = live_dispatch(workers[i].live, 0, take_marked, &workers[i]) >= 0;
        assert_true(now() < end);
    }
}

/* A connection stays with its worker when the interface was down meanwhile. */
static void test_spread_down(void **state)
{
    (void)state;
    enum { CONNECTIONS = 100 };
    struct worker workers[WORKERS];
    open_workers(workers, "tcp port 25");
    for (int back = 0; back < 2; back++) {
        for (uint32_t mark = 0; mark < CONNECTIONS; mark++) {
            struct ends ends = {10 + mark, 2, (uint16_t)(32768 + 2 * mark), 25};
            struct made made = made_tcp4(back ? ends_turned(ends) : ends, mark << 1 | (uint32_t)back);
            send_from("v1", &made);
        }
        drain(workers, CONNECTIONS * (1 + (uint32_t)back));
        ip("link set v0 down");
        expect_result(workers[0].live, workers[0].seen, LIVE_DOWN);
        ip("link set v0 up");
        expect_all_up(workers);
    }
    expect_together(workers[0].seen, CONNECTIONS);
    close_workers(workers);
}

/* All workers of an interface that is made anew come back, into one group. */
static void test_spread_gone(void **state)
{
    (void)state;
    enum { CONNECTIONS = 100 };
    struct worker workers[WORKERS];
    open_workers(workers, "tcp port 25");
    ip("link del v0");
    expect_result(workers[0].live, workers[0].seen, LIVE_DOWN);
    expect_result(workers[1].live, workers[0].seen, LIVE_DOWN);
    link_add();
    expect_all_up(workers);
    for (uint32_t mark = 0; mark < CONNECTIONS; mark++)
        send_connection(mark, 0);
    drain(workers, 2 * CONNECTIONS);
    uint32_t first = expect_together(workers[0].seen, CONNECTIONS);
    assert_between(first, 20, CONNECTIONS - 20);
    close_workers(workers);
}

/* --- what has dropped its privileges: only the ends of this pair of pipes can still be talked to */

struct confined {
    pid_t pid;
    int results; /* of live_dispatch(), an int each, when one differs from the one before */
};

/* Dispatches until it fails, with no capability and in the filter on system calls. */
static void confined_run(int results)
{
    struct seen seen = {0};
    struct live_stats stats;
    struct privileges privileges;
    struct live *live = open_live(&v0);
    if (!privileges_lookup(&privileges, "nobody") || !privileges_drop(&privileges, true))
        _exit(1);
    for (int got = 0, before = 1; got != LIVE_FAILED; before = got) {
        got = live_dispatch(live, 0, take, &seen);
        live_stats(live, &stats);
        if (got != before && write(results, &got, sizeof got) != sizeof got)
            _exit(2);
    }
    fprintf(stderr, "%s\n", live_error(live));
    _exit(strstr(live_error(live), "a restart is needed: no permission") != NULL && stats.received == 1 ? 0 : 3);
}

static struct confined confined_start(void)
{
    int results[2];
    assert_int_equal(pipe(results), 0);
    struct confined confined = {.pid = fork(), .results = results[0]};
    assert_true(confined.pid >= 0);
    if (confined.pid == 0)
        confined_run(results[1]);
    close(results[1]);
    return confined;
}

static void expect_confined(const struct confined *confined, int want)
{
    int got = 1;
    while (got != want)
        if (read(confined->results, &got, sizeof got) != sizeof got)
            fail_msg("it ended before it came to %d", want);
}

/* For longer than it takes to try several times. */
static void expect_no_change(const struct confined *confined)
{
    struct pollfd changed = {.fd = confined->results, .events = POLLIN};
    assert_int_equal(poll(&changed, 1, 500), 0);
}

/* It goes on after "down" and "up". What was removed it may not open again: it says so, rather than to die of the filter. */
static void test_confined(void **state)
{
    (void)state;
    if (!is_root) {
        print_message("skipped: only root has privileges to drop\n");
        return;
    }
    int status = -1;
    struct confined confined = confined_start();
    expect_confined(&confined, 0);
    struct made mail = made_tcp4((struct ends){1, 2, 40000, 25}, 0);
    send_from("v1", &mail);
    expect_confined(&confined, 1);
    ip("link set v0 down");
    expect_confined(&confined, LIVE_DOWN);
    ip("link set v0 up");
    expect_confined(&confined, 0);
    ip("link del v0");
    expect_confined(&confined, LIVE_DOWN);
    expect_no_change(&confined);
    link_add();
    expect_confined(&confined, LIVE_FAILED);
    close(confined.results);
    assert_int_equal(waitpid(confined.pid, &status, 0), confined.pid);
    if (status != 0)
        fail_msg("status %#x", status);
}

struct listed {
    bool v0, any, loopback;
};

static void note_interface(void *ctx, const struct interface *interface)
{
    struct listed *listed = ctx;
    if (strcmp(interface->name, "v0") == 0) {
        listed->v0 = interface->up && interface->address_count >= 1;
        assert_string_equal(interface->addresses[0], "192.0.2.1");
    }
    listed->any |= strcmp(interface->name, "any") == 0;
    listed->loopback |= interface->loopback && strcmp(interface->name, "lo") == 0;
    assert_int_not_equal(strcmp(interface->name, "nflog"), 0);
}

static void test_list(void **state)
{
    (void)state;
    struct listed listed = {0};
    char error[256] = "";
    ip("addr add 192.0.2.1/24 dev v0");
    assert_true(interfaces_list(note_interface, &listed, error, sizeof error) >= 4);
    assert_true(listed.v0);
    assert_true(listed.any);
    assert_true(listed.loopback);
}

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

/* A network of our own: as root, or as root of a user namespace of our own where everyone may have one. */
static bool enter_namespace(void)
{
    char map[64];
    uid_t uid = getuid();
    gid_t gid = getgid();
    is_root = uid == 0;
    if (is_root)
        return unshare(CLONE_NEWNET) == 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    write_file("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", gid);
    bool mapped = write_file("/proc/self/gid_map", map);
    snprintf(map, sizeof map, "0 %u 1", uid);
    return mapped && write_file("/proc/self/uid_map", map);
}

static bool can_test(void)
{
    if (!enter_namespace()) {
        fprintf(stderr, "SKIPPED: no network namespace: %s\n", strerror(errno));
        return false;
    }
    if (system("ip link add v0 type veth peer name v1 && ip link del v0 && ip link set lo up") != 0) {
        fprintf(stderr, "SKIPPED: ip(8) makes no veth pair here\n");
        return false;
    }
    return true;
}

#define LIVE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(test_frames),      LIVE_TEST(test_most),
        LIVE_TEST(test_any),         LIVE_TEST(test_refusals),
        LIVE_TEST(test_expression),  LIVE_TEST(test_break),
        LIVE_TEST(test_down),        LIVE_TEST(test_gone),
        LIVE_TEST(test_spread),      LIVE_TEST(test_spread_fragments),
        LIVE_TEST(test_spread_gone), LIVE_TEST(test_spread_down),
        LIVE_TEST(test_list),        LIVE_TEST(test_confined),
    };
    return can_test() ? cmocka_run_group_tests(tests, NULL, NULL) : SKIPPED;
}
