/* SPDX-License-Identifier: BSD-2-Clause */
/* Evidence: what is kept and what gives way, what is taken and in which order, and the files that it is written to. */
#include "unit.h"

#include "capture/evidence.h"
#include "capture/evidence_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <sys/resource.h>

#define ROOM ((size_t)1 << 20)
#define OCTETS 200

static char folder[] = "/tmp/smtpscope-evidence-XXXXXX";
static uint64_t ordinal;

static void put_sized(struct evidence *evidence, uint64_t connection, uint32_t syn, smtpscope_time time, uint32_t size)
{
    static uint8_t octets[65536];
    struct frame frame = {.time = time, .data = octets, .link_type = DLT_EN10MB, .caplen = size, .len = size};

    ordinal++;
    memcpy(octets, &ordinal, sizeof ordinal);
    evidence_frame(evidence, &(struct evidence_place){.connection = connection, .ordinal = ordinal, .opens = syn, .seq = syn},
                   &frame);
}

/* `syn`: 0 for a frame that opens nothing. Returns its ordinal. */
static uint64_t put(struct evidence *evidence, uint64_t connection, uint32_t syn)
{
    put_sized(evidence, connection, syn, (smtpscope_time)ordinal, OCTETS);
    return ordinal;
}

static uint64_t frame_ordinal(const struct frame *frame)
{
    uint64_t found;

    memcpy(&found, frame->data, sizeof found);
    return found;
}

static void number_all(struct evidence *evidence, struct evidence_batch *batch, uint64_t first)
{
    for (size_t i = 0; i < batch->count; i++)
        batch->numbers[i] = first + i;
    evidence_written(evidence, batch);
}

static struct evidence_stats stats_of(struct evidence *evidence)
{
    struct evidence_stats stats;

    evidence_stats(evidence, &stats);
    return stats;
}

static struct evidence *made(size_t octets, smtpscope_time linger)
{
    struct evidence *evidence = evidence_new(&(struct evidence_config){.octets = octets, .linger = linger});

    assert_non_null(evidence);
    return evidence;
}

static void test_in_order_and_later(void **state)
{
    struct evidence *evidence = made(ROOM, 0);
    struct evidence_batch batch;
    uint64_t first = put(evidence, 1, 7), other = put(evidence, 2, 7), second = put(evidence, 1, 0), later;

    (void)state;
    assert_true(evidence_take(evidence, 1, second, &batch));
    assert_int_equal(batch.count, 2);
    assert_int_equal(frame_ordinal(batch.frames[0]), first);
    assert_int_equal(frame_ordinal(batch.frames[1]), second);
    later = put(evidence, 1, 0); /* while it is being written */
    number_all(evidence, &batch, 100);
    assert_int_equal(evidence_number(evidence, 1, first, first), 100);
    assert_int_equal(evidence_number(evidence, 1, second, second), 101);
    assert_int_equal(evidence_number(evidence, 1, later, later), 0);
    assert_int_equal(evidence_number(evidence, 2, other, other), 0);
    assert_false(evidence_take_due(evidence, 1, &batch));
    evidence_round(evidence);
    assert_true(evidence_take_due(evidence, 1, &batch));
    assert_int_equal(batch.count, 1);
    number_all(evidence, &batch, 500);
    assert_int_equal(evidence_number(evidence, 1, later, later), 500);
    assert_false(evidence_take(evidence, 1, first, &batch));
    put(evidence, 1, 0);
    assert_false(evidence_take_due(evidence, 1, &batch));
    evidence_closed(evidence, 1, first, 0);
    assert_true(evidence_take_due(evidence, 1, &batch)); /* it has closed: no reason to wait */
    number_all(evidence, &batch, 600);
    assert_false(evidence_take(evidence, 3, ordinal, &batch));
    evidence_free(evidence);
}

static void put_fragment(struct evidence *evidence, uint64_t datagram, uint64_t mark)
{
    uint8_t octets[OCTETS] = {0};

    memcpy(octets, &mark, sizeof mark);
    evidence_fragment(evidence, datagram,
                      &(struct frame){.data = octets, .link_type = DLT_EN10MB, .caplen = OCTETS, .len = OCTETS});
}

static void put_last_fragment(struct evidence *evidence, uint64_t connection, uint64_t datagram)
{
    uint8_t octets[OCTETS] = {0};

    ordinal++;
    memcpy(octets, &ordinal, sizeof ordinal);
    evidence_frame(evidence, &(struct evidence_place){.connection = connection, .ordinal = ordinal, .datagram = datagram},
                   &(struct frame){.data = octets, .link_type = DLT_EN10MB, .caplen = OCTETS, .len = OCTETS});
}

/* Those before the last one stand before it, in the order in which they came; the number is the last one's. */
static void test_fragments(void **state)
{
    struct evidence *evidence = made(ROOM, 0);
    struct evidence_batch batch;
    uint64_t before = stats_of(evidence).octets_now, first = put(evidence, 1, 7), last;

    (void)state;
    put_fragment(evidence, 5, 5001);
    put_fragment(evidence, 6, 6001);
    put_fragment(evidence, 5, 5002);
    put_last_fragment(evidence, 1, 5);
    last = ordinal;
    assert_true(evidence_take(evidence, 1, first, &batch));
    assert_int_equal(batch.count, 4);
    assert_int_equal(frame_ordinal(batch.frames[1]), 5001);
    assert_int_equal(frame_ordinal(batch.frames[2]), 5002);
    assert_int_equal(frame_ordinal(batch.frames[3]), last);
    number_all(evidence, &batch, 100);
    assert_int_equal(evidence_number(evidence, 1, first, first), 100);
    assert_int_equal(evidence_number(evidence, 1, first, last), 103);
    for (int i = 0; i < 1000; i++) /* of datagrams that are never complete: the old ones give way */
        put_fragment(evidence, 7, 7001);
    assert_between(stats_of(evidence).octets_now - before, 1, 1000 * OCTETS);
    put_last_fragment(evidence, 2, 6);
    assert_true(evidence_take(evidence, 2, ordinal, &batch));
    assert_int_equal(batch.count, 1);
    number_all(evidence, &batch, 200);
    evidence_free(evidence);
}

/* What could not be written is gone, and has no number. */
static void test_not_written(void **state)
{
    struct evidence *evidence = made(ROOM, 0);
    struct evidence_batch batch;
    uint64_t first = put(evidence, 1, 7);

    (void)state;
    assert_true(evidence_take(evidence, 1, first, &batch));
    evidence_written(evidence, &batch);
    assert_int_equal(evidence_number(evidence, 1, first, first), 0);
    assert_false(evidence_take(evidence, 1, first, &batch));
    evidence_free(evidence);
}

static void test_port_used_again(void **state)
{
    struct evidence *evidence = made(ROOM, 0);
    struct evidence_batch batch;
    uint64_t old = put(evidence, 1, 7), again = put(evidence, 1, 7), new = put(evidence, 1, 8);

    (void)state;
    evidence_closed(evidence, 1, old, 0);
    put(evidence, 1, 0);
    assert_true(evidence_take(evidence, 1, again, &batch));
    assert_int_equal(batch.count, 2); /* the SYN was sent twice */
    assert_int_equal(frame_ordinal(batch.frames[0]), old);
    number_all(evidence, &batch, 1);
    assert_true(evidence_take(evidence, 1, new, &batch));
    assert_int_equal(batch.count, 2);
    assert_int_equal(frame_ordinal(batch.frames[0]), new);
    number_all(evidence, &batch, 3);
    assert_int_equal(evidence_number(evidence, 1, old, old), 1);
    assert_int_equal(evidence_number(evidence, 1, new, new), 3);
    evidence_free(evidence);
}

/* The capture has the SYN behind the segment that it opened the way for; later it is another connection's. */
static void test_disorder(void **state)
{
    struct evidence *evidence = made(ROOM, 0);
    struct evidence_batch batch;
    uint64_t early = put(evidence, 1, 0), syn = put(evidence, 1, 7), again;

    (void)state;
    again = put(evidence, 1, 7);
    assert_true(evidence_take(evidence, 1, again, &batch));
    assert_int_equal(batch.count, 3);
    assert_int_equal(frame_ordinal(batch.frames[0]), early);
    assert_int_equal(frame_ordinal(batch.frames[1]), syn);
    evidence_written(evidence, &batch);
    put(evidence, 2, 0);
    put_sized(evidence, 2, 7, (smtpscope_time)ordinal + 2 * SMTPSCOPE_SECOND, OCTETS);
    assert_true(evidence_take(evidence, 2, ordinal, &batch));
    assert_int_equal(batch.count, 1);
    evidence_written(evidence, &batch);
    evidence_free(evidence);
}

/* Closed ones first, then the longest silent; what waits to be written never. */
static void test_what_gives_way(void **state)
{
    struct evidence *evidence = made(64 * 1024, 0);
    struct evidence_batch batch;
    uint64_t told = put(evidence, 1, 7), silent = put(evidence, 2, 7), closed = put(evidence, 3, 7), busy = put(evidence, 4, 7);
    bool gone;

    (void)state;
    assert_true(evidence_take(evidence, 1, told, &batch));
    number_all(evidence, &batch, 1);
    put(evidence, 1, 0);
    evidence_closed(evidence, 3, closed, 0);
    for (uint64_t connection = 10; !stats_of(evidence).evicted; connection++) {
        put(evidence, connection, 7);
        put(evidence, 4, 0); /* it goes on talking */
        assert_true(stats_of(evidence).octets_now <= 64 * 1024);
        assert_true(connection < 1000);
    }
    gone = !evidence_take(evidence, 3, closed, &batch);
    assert_true(gone);
    gone = !evidence_take(evidence, 2, silent, &batch);
    assert_true(gone);
    for (uint64_t connection = 2000; connection < 4000; connection++)
        put(evidence, connection, 7);
    assert_true(stats_of(evidence).octets_now <= 64 * 1024);
    assert_true(evidence_take_due(evidence, 0, &batch));
    assert_int_equal(batch.count, 1);
    number_all(evidence, &batch, 2);
    assert_int_equal(evidence_number(evidence, 1, told, told), 1);
    assert_false(evidence_take(evidence, 4, busy, &batch)); /* in the end, it was the longest silent */
    evidence_free(evidence);
}

/* What closed without a finding has an eighth of the room, whatever else there is. */
static void test_closed_share(void **state)
{
    struct evidence *evidence = made(ROOM, 0);
    struct evidence_batch batch;
    uint64_t first = ordinal + 1, last;

    (void)state;
    for (uint64_t connection = 1; connection <= 4000; connection++) {
        last = put(evidence, connection, 7);
        put(evidence, connection, 0);
        evidence_closed(evidence, connection, last, 0);
    }
    assert_true(stats_of(evidence).octets_now < ROOM / 3);
    assert_int_equal(stats_of(evidence).evicted, 0);
    assert_false(evidence_take(evidence, 1, first, &batch));
    assert_true(evidence_take(evidence, 3900, ordinal - 200, &batch));
    assert_int_equal(batch.count, 2);
    evidence_written(evidence, &batch);
    put(evidence, 5000, 7); /* whoever is open is not touched */
    for (uint64_t connection = 6000; connection <= 8000; connection++) {
        last = put(evidence, connection, 7);
        evidence_closed(evidence, connection, last, 0);
    }
    assert_true(evidence_take(evidence, 5000, ordinal, &batch));
    evidence_written(evidence, &batch);
    evidence_free(evidence);
}

static void test_dropped(void **state)
{
    struct evidence *evidence = made(ROOM, 0);
    struct evidence_batch batch;
    uint64_t told = put(evidence, 1, 7), unwanted = put(evidence, 2, 7);

    (void)state;
    assert_true(evidence_take(evidence, 1, told, &batch));
    number_all(evidence, &batch, 9);
    evidence_dropped(evidence, 1, told);
    evidence_dropped(evidence, 2, unwanted);
    evidence_dropped(evidence, 3, unwanted);
    assert_int_equal(evidence_number(evidence, 1, told, told), 9);
    assert_false(evidence_take(evidence, 2, unwanted, &batch));
    assert_int_equal(stats_of(evidence).evicted, 0);
    evidence_free(evidence);
}

static void test_lingers(void **state)
{
    struct evidence *evidence = made(ROOM, 60 * SMTPSCOPE_SECOND);
    uint64_t octets;

    (void)state;
    put_sized(evidence, 1, 7, 0, OCTETS);
    evidence_closed(evidence, 1, ordinal, 0);
    octets = stats_of(evidence).octets_now;
    put_sized(evidence, 2, 7, 59 * SMTPSCOPE_SECOND, OCTETS);
    assert_int_equal(stats_of(evidence).octets_now, 2 * octets);
    put_sized(evidence, 2, 0, 61 * SMTPSCOPE_SECOND, OCTETS);
    assert_true(stats_of(evidence).octets_now < 2 * octets);
    put_sized(evidence, 3, 7, 7200 * SMTPSCOPE_SECOND, OCTETS); /* the open one said nothing for hours */
    assert_int_equal(stats_of(evidence).octets_now, octets);
    assert_int_equal(stats_of(evidence).evicted, 0);
    evidence_free(evidence);
}

/* A long message: its middle is cut, then left out, and its beginning and end are whole. */
static void test_long_message(void **state)
{
    struct evidence *evidence = made((size_t)64 << 20, 0);
    struct evidence_batch batch;
    uint64_t first = put(evidence, 1, 7), last;

    (void)state;
    for (int i = 1; i < 20000; i++)
        put_sized(evidence, 1, 0, 0, 1500);
    last = ordinal;
    assert_true(stats_of(evidence).octets_now < (2u << 20));
    assert_true(evidence_take(evidence, 1, last, &batch));
    assert_true(batch.count <= 4096 && batch.count > 2048);
    assert_int_equal(frame_ordinal(batch.frames[0]), first);
    assert_int_equal(frame_ordinal(batch.frames[batch.count - 1]), last);
    assert_int_equal(batch.frames[1]->caplen, 1500);
    assert_int_equal(batch.frames[100]->caplen, 192);
    assert_int_equal(batch.frames[100]->len, 1500);
    assert_int_equal(batch.frames[batch.count - 1]->caplen, 1500);
    for (size_t i = 1; i < batch.count; i++)
        assert_true(frame_ordinal(batch.frames[i]) > frame_ordinal(batch.frames[i - 1]));
    assert_int_equal(stats_of(evidence).left_out + batch.count, 20000);
    number_all(evidence, &batch, 1);
    /* Once written, the oldest numbers go, and the new frames have theirs. */
    for (int i = 0; i < 10000; i++) {
        put(evidence, 1, 0);
        if (i % 100 == 0 && evidence_take(evidence, 1, ordinal, &batch)) {
            uint64_t now = ordinal;

            number_all(evidence, &batch, (uint64_t)i * 1000 + 1000);
            assert_true(evidence_number(evidence, 1, now, now) >= (uint64_t)i * 1000 + 1000);
        }
    }
    evidence_free(evidence);
}

/* --- files */

struct heard {
    unsigned begun, gone, failed, works;
    uint64_t before;
    char name[512], why[512];
};

static void heard_begun(void *ctx, const char *name, uint64_t before)
{
    struct heard *heard = ctx;

    heard->begun++;
    heard->before = before;
    snprintf(heard->name, sizeof heard->name, "%s", name);
}

static void heard_gone(void *ctx, const char *name)
{
    (void)name;
    ((struct heard *)ctx)->gone++;
}

static void heard_failed(void *ctx, const char *name, const char *why)
{
    struct heard *heard = ctx;

    (void)name;
    if (why) {
        heard->failed++;
        snprintf(heard->why, sizeof heard->why, "%s", why);
    } else {
        heard->works++;
    }
}

static const char *path_of(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static struct evidence_file *opened(const char *path, uint64_t octets, unsigned count, struct heard *heard)
{
    char error[EVIDENCE_ERROR_SIZE] = "";
    struct evidence_file *file;

    *heard = (struct heard){0};
    file = evidence_file_open(&(struct evidence_file_config){.path = path,
                                                             .octets = octets,
                                                             .count = count,
                                                             .begun = heard_begun,
                                                             .gone = heard_gone,
                                                             .failed = heard_failed,
                                                             .ctx = heard},
                              error);
    if (!file)
        fail_msg("%s: %s", path, error);
    return file;
}

/* Frames of this link type and so many octets; the first one's number. */
static uint64_t write_frames(struct evidence_file *file, int link_type, size_t count, uint32_t size)
{
    static uint8_t octets[4096];
    struct frame frame = {.time = 1700000000123456789, .data = octets, .link_type = link_type, .caplen = size, .len = size + 5};
    const struct frame *frames[64] = {0};
    uint64_t numbers[64];

    for (size_t i = 0; i < count; i++)
        frames[i] = &frame;
    evidence_file_write(file, frames, count, numbers);
    for (size_t i = 1; i < count; i++)
        assert_int_equal(numbers[i], numbers[0] ? numbers[0] + i : 0);
    return numbers[0];
}

/* How many frames libpcap reads there; the file is whole. */
static unsigned read_frames(const char *path, int link_type)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
    struct pcap_pkthdr *header;
    const uint8_t *data;
    unsigned count = 0;
    int more;

    if (!pcap)
        fail_msg("%s: %s", path, error);
    assert_int_equal(pcap_datalink(pcap), link_type);
    for (; (more = pcap_next_ex(pcap, &header, &data)) == 1; count++) {
        assert_int_equal(header->ts.tv_sec, 1700000000);
        assert_int_equal(header->ts.tv_usec, 123456789);
        assert_int_equal(header->len, header->caplen + 5);
    }
    assert_int_equal(more, PCAP_ERROR_BREAK);
    pcap_close(pcap);
    return count;
}

static void test_one_file(void **state)
{
    struct heard heard;
    struct evidence_file *file = opened(path_of("one"), 0, 0, &heard);
    struct evidence_stats stats;

    (void)state;
    assert_int_equal(heard.begun, 0);
    assert_int_equal(write_frames(file, DLT_RAW, 3, 100), 1);
    assert_int_equal(read_frames(path_of("one"), DLT_RAW), 3); /* at once: someone may look */
    assert_int_equal(write_frames(file, DLT_RAW, 2, 100), 4);
    assert_string_equal(heard.name, path_of("one"));
    assert_int_equal(heard.before, 0);
    evidence_file_stats(file, &stats);
    assert_int_equal(stats.written, 5);
    evidence_file_close(file);
    assert_int_equal(read_frames(path_of("one"), DLT_RAW), 5);
    assert_int_equal(heard.failed, 0);
}

static void test_nothing(void **state)
{
    struct heard heard;

    (void)state;
    evidence_file_close(opened(path_of("nothing"), 0, 0, &heard));
    assert_int_equal(read_frames(path_of("nothing"), DLT_EN10MB), 0);
}

/* As tcpdump names them. What is written together stays together. */
static void test_names(void **state)
{
    static const struct {
        const char *label;
        unsigned count, writes;
        const char *want[4];
    } cases[] = {
        {"no limit", 0, 4, {"ring", "ring1", "ring2", "ring3"}},
        {"three, around", 3, 5, {"ring0", "ring1", "ring2", NULL}},
        {"eleven", 11, 2, {"ring00", "ring01", NULL}},
        {"one alone", 1, 3, {"ring", NULL}},
    };

    (void)state;
    for (size_t i = 0; i < unit_count(cases); i++) {
        struct heard heard;
        struct evidence_file *file = opened(path_of("ring"), 1000, cases[i].count, &heard);

        for (unsigned at = 0; at < cases[i].writes; at++) {
            uint64_t number = write_frames(file, DLT_EN10MB, 6, 100);

            assert_int_equal(number, at * 6 + 1);
            assert_int_equal(heard.before, at * 6);
            assert_int_equal(heard.begun, at + 1);
        }
        evidence_file_close(file);
        for (size_t name = 0; name < unit_count(cases[i].want) && cases[i].want[name]; name++) {
            if (read_frames(path_of(cases[i].want[name]), DLT_EN10MB) != 6)
                fail_msg("%s: %s", cases[i].label, cases[i].want[name]);
            unlink(path_of(cases[i].want[name]));
        }
        DIR *listing = opendir(folder);
        for (struct dirent *entry; (entry = readdir(listing));)
            if (strstr(entry->d_name, "ring"))
                fail_msg("%s: %s is there", cases[i].label, entry->d_name);
        closedir(listing);
    }
}

static void test_link_types(void **state)
{
    struct heard heard;
    struct evidence_file *file = opened(path_of("types"), 0, 0, &heard);
    uint64_t ether = write_frames(file, DLT_EN10MB, 2, 100), raw = write_frames(file, DLT_RAW, 3, 100);

    (void)state;
    assert_int_equal(write_frames(file, DLT_EN10MB, 1, 100), ether + 2);
    assert_int_equal(write_frames(file, DLT_RAW, 1, 100), raw + 3);
    assert_int_equal(raw, heard.before + 1);
    evidence_file_close(file);
    assert_int_equal(read_frames(path_of("types"), DLT_EN10MB), 3);
    assert_int_equal(read_frames(path_of("types.RAW"), DLT_RAW), 4);
}

/* What was moved away is left alone, and what is where it was goes on. */
static void test_moved(void **state)
{
    struct heard heard;
    struct evidence_file *file = opened(path_of("moved"), 0, 0, &heard);
    char moved[512];

    (void)state;
    snprintf(moved, sizeof moved, "%s", path_of("moved.1"));
    assert_int_equal(rename(path_of("moved"), moved), 0);
    evidence_file_reopen(file); /* still empty, without a link type */
    assert_int_equal(write_frames(file, DLT_RAW, 3, 100), 1);
    evidence_file_reopen(file);
    assert_int_equal(write_frames(file, DLT_RAW, 3, 100), 4);
    assert_int_equal(read_frames(path_of("moved"), DLT_RAW), 6);
    assert_int_equal(rename(path_of("moved"), moved), 0);
    evidence_file_reopen(file);
    assert_int_equal(heard.before, 6);
    assert_int_equal(write_frames(file, DLT_RAW, 2, 100), 7);
    assert_int_equal(read_frames(path_of("moved"), DLT_RAW), 2);
    assert_int_equal(read_frames(moved, DLT_RAW), 6);
    evidence_file_close(file);
    assert_int_equal(read_frames(path_of("moved"), DLT_RAW), 2);
    assert_int_equal(heard.failed, 0);
}

/* The limit on a file's size is a disk that is full: what did not fit is cut off again, and it goes on when there is room. */
static void test_no_room(void **state)
{
    struct heard heard;
    struct evidence_file *file = opened(path_of("full"), 0, 0, &heard);
    struct evidence_stats stats;
    struct rlimit limit, small;

    (void)state;
    assert_int_equal(write_frames(file, DLT_EN10MB, 2, 100), 1);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = (struct rlimit){.rlim_cur = 2000, .rlim_max = limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_int_equal(write_frames(file, DLT_EN10MB, 3, 1000), 0);
    assert_int_equal(write_frames(file, DLT_EN10MB, 3, 1000), 0);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(heard.failed, 1);
    assert_int_equal(heard.works, 0);
    assert_string_equal(heard.why, strerror(EFBIG));
    assert_int_equal(read_frames(path_of("full"), DLT_EN10MB), 2);
    assert_int_equal(write_frames(file, DLT_EN10MB, 3, 1000), 3);
    evidence_file_stats(file, &stats);
    assert_int_equal(stats.lost, 6);
    assert_int_equal(stats.written, 5);
    assert_int_equal(stats.files, 1);
    assert_int_equal(heard.works, 1);
    assert_int_equal(heard.begun, 1);
    evidence_file_close(file);
    assert_int_equal(read_frames(path_of("full"), DLT_EN10MB), 5);
}

static void test_cannot_be_created(void **state)
{
    char error[EVIDENCE_ERROR_SIZE] = "";

    (void)state;
    assert_null(evidence_file_open(&(struct evidence_file_config){.path = path_of("missing/file")}, error));
    assert_string_equal(error, strerror(ENOENT));
}

static void touch(const char *name, time_t when)
{
    struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};

    assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

/* The capture that a run which continues begins, as it finds the folder. */
static const char *begun_by(const char *path, uint64_t octets, unsigned count)
{
    static char begun[512];
    struct heard heard = {0};
    char error[EVIDENCE_ERROR_SIZE] = "";
    struct evidence_file *file = evidence_file_open(&(struct evidence_file_config){.path = path_of(path),
                                                                                   .octets = octets,
                                                                                   .count = count,
                                                                                   .continues = true,
                                                                                   .begun = heard_begun,
                                                                                   .gone = heard_gone,
                                                                                   .failed = heard_failed,
                                                                                   .ctx = &heard},
                                                    error);

    assert_string_equal(error, "");
    write_frames(file, DLT_EN10MB, 1, 100);
    evidence_file_close(file);
    snprintf(begun, sizeof begun, "%s", strrchr(heard.name, '/') + 1);
    return begun;
}

/* What an earlier run has written stays, but for the oldest of a full ring. */
static void test_continues(void **state)
{
    (void)state;
    assert_string_equal(begun_by("again", 0, 0), "again");
    assert_string_equal(begun_by("again", 0, 0), "again1");
    assert_string_equal(begun_by("again", 1000, 0), "again2");
    unlink(path_of("again")); /* the oldest ones were thrown away */
    unlink(path_of("again1"));
    assert_string_equal(begun_by("again", 1000, 0), "again3");
    assert_string_equal(begun_by("round", 1000, 3), "round0");
    touch("round0", 1000);
    assert_string_equal(begun_by("round", 1000, 3), "round1");
    touch("round1", 2000);
    assert_string_equal(begun_by("round", 1000, 3), "round2");
    touch("round2", 3000);
    assert_string_equal(begun_by("round", 1000, 3), "round0");
    assert_string_equal(begun_by("round", 1000, 3), "round1"); /* now the oldest */
    assert_string_equal(begun_by("roundabout", 1000, 3), "roundabout0");
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    DIR *listing = opendir(folder);

    (void)state;
    for (struct dirent *entry; (entry = readdir(listing));)
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(listing), entry->d_name, 0);
    closedir(listing);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_continues),       cmocka_unit_test(test_in_order_and_later),
        cmocka_unit_test(test_fragments),       cmocka_unit_test(test_not_written),
        cmocka_unit_test(test_port_used_again), cmocka_unit_test(test_disorder),
        cmocka_unit_test(test_dropped),         cmocka_unit_test(test_closed_share),
        cmocka_unit_test(test_what_gives_way),  cmocka_unit_test(test_lingers),
        cmocka_unit_test(test_long_message),    cmocka_unit_test(test_one_file),
        cmocka_unit_test(test_nothing),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_link_types),      cmocka_unit_test(test_moved),
        cmocka_unit_test(test_no_room),         cmocka_unit_test(test_cannot_be_created),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
