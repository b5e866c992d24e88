/* SPDX-License-Identifier: BSD-2-Clause */
/* Capture files in each format, compression and state of damage. */
#include "test_capture.h"

#include "decode/decode.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

static struct file packed;
static const smtpscope_time noon = 1700000000 * SMTPSCOPE_SECOND;

/* Three packets: one cut, one without octets, one whole after 2038. */
static void three_packets(struct file *to, bool nano)
{
    pcap_packet(to, 1700000000, nano ? 123456789 : 123456, 60, 1500);
    pcap_packet(to, 1700000001, 0, 0, 0);
    pcap_packet(to, 4000000000, 999999, 300, 300);
}

static void expect_three(struct savefile *savefile, bool nano, int link_type)
{
    expect_frame(savefile, 1, noon + (nano ? 123456789 : 123456000), link_type, 60, 1500);
    expect_frame(savefile, 2, noon + SMTPSCOPE_SECOND, link_type, 0, 0);
    expect_frame(savefile, 3, 4000000000 * SMTPSCOPE_SECOND + (nano ? 999999 : 999999000), link_type, 300, 300);
}

static void test_pcap(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool big = i & 1, nano = i & 2;
        file_start(&file, big);
        pcap_header(&file, nano ? 0xa1b23c4d : 0xa1b2c3d4, i ? ETHERNET : LINKTYPE_RAW);
        three_packets(&file, nano);
        struct savefile *savefile = open_file(&file);
        assert_int_equal(savefile_octets(savefile), file.len);
        expect_three(savefile, nano, i ? ETHERNET : RAW);
        assert_int_equal(savefile_octets_read(savefile), file.len);
        expect_end(savefile);
    }
}

static void pcap_of_three(void)
{
    file_start(&file, false);
    pcap_header(&file, 0xa1b2c3d4, ETHERNET);
    three_packets(&file, false);
}

static void test_no_packets(void **state)
{
    (void)state;
    smtpscope_time time;
    file_start(&file, false);
    pcap_header(&file, 0xa1b2c3d4, ETHERNET);
    struct savefile *savefile = open_file(&file);
    assert_false(savefile_first_time(savefile, &time));
    expect_end(savefile);
    file_start(&file, false);
    ng_section(&file);
    expect_end(open_file(&file));
}

/* What cannot be opened, and the words for it. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *octets;
        size_t len;
        const char *want_error;
    } cases[] = {
        {"", 0, "is empty"},
        {"abc", 3, "is no capture file: pcap or pcapng, as it is or in gzip or zstd"},
        {"220 mail.example.org ESMTP\r\n250 nothing of the kind\r\n", 52,
         "is no capture file: pcap or pcapng, as it is or in gzip or zstd"},
        {"\xd4\xc3\xb2\xa1\2\0\4\0\0\0", 10, "ends within its header"},
        {"\x1f\x8b\x08\0\0\0\0\0\0", 9, "the gzip data ends too early"},
        {"\x1f\x8b\x09\0\0\0\0\0\0\3zz", 12, "the gzip data is damaged: unknown compression method"},
        {"\x28\xb5\x2f\xfd", 4, "the zstd data ends too early"},
    };
    struct savefile *savefile;
    char error[256];
    for (size_t i = 0; i < unit_count(cases); i++) {
        file_write((const uint8_t *)cases[i].octets, cases[i].len);
        assert_int_equal(savefile_open_first(&savefile, path, error, sizeof error), -1);
        assert_string_equal(error, cases[i].want_error);
    }
    assert_int_equal(savefile_open_first(&savefile, "/nowhere/at/all", error, sizeof error), -1);
    assert_string_equal(error, "No such file or directory");
    assert_int_equal(savefile_open_first(&savefile, "/", error, sizeof error), -1);
    assert_string_equal(error, "is a directory");
    assert_int_equal(savefile_open_first(&savefile, "/dev/null", error, sizeof error), -1);
    assert_string_equal(error, "is empty");
}

static void test_cut_short(void **state)
{
    (void)state;
    pcap_of_three();
    struct savefile *savefile = open_octets(file.octets, file.len - 1);
    expect_frame(savefile, 1, noon + 123456000, ETHERNET, 60, 1500);
    expect_frame(savefile, 2, noon + SMTPSCOPE_SECOND, ETHERNET, 0, 0);
    expect_damage(savefile, "packet 3: the file ends in the middle of it");
    expect_damage(open_octets(file.octets, 24 + 15), "packet 1: the file ends in the middle of it");
}

static void test_lying_pcap(void **state)
{
    (void)state;
    pcap_of_three();
    memset(file.octets + 24 + 8, 0xff, 4);
    struct savefile *savefile = open_file(&file);
    struct frame frame;
    assert_int_equal(savefile_next(savefile, &frame), -1);
    assert_memory_equal(savefile_error(savefile), "packet 1: ", 10);
    savefile_close(savefile);
}

static void test_gzip(void **state)
{
    (void)state;
    pcap_of_three();
    file_start(&packed, false);
    compress_gzip(&packed, file.octets, 100); /* two members, */
    compress_gzip(&packed, file.octets + 100, file.len - 100);
    put(&packed, 0, 8); /* and the padding of a block */
    struct savefile *savefile = open_file(&packed);
    expect_three(savefile, false, ETHERNET);
    expect_end(savefile);

    savefile = open_octets(packed.octets, packed.len - 8 - 3); /* the checksum is cut */
    expect_three(savefile, false, ETHERNET);
    expect_damage(savefile, "packet 4: the gzip data ends too early");

    packed.octets[packed.len - 8 - 6] ^= 1; /* the checksum is wrong */
    savefile = open_octets(packed.octets, packed.len);
    expect_three(savefile, false, ETHERNET);
    expect_damage(savefile, "packet 4: the gzip data is damaged: incorrect data check");
}

static void test_zstd(void **state)
{
    (void)state;
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3};
    pcap_of_three();
    file_start(&packed, false);
    put_octets(&packed, skippable, sizeof skippable);
    compress_zstd(&packed, file.octets, 100);
    compress_zstd(&packed, file.octets + 100, file.len - 100);
    struct savefile *savefile = open_file(&packed);
    expect_three(savefile, false, ETHERNET);
    expect_end(savefile);

    savefile = open_octets(packed.octets, packed.len - 1);
    struct frame frame;
    int more;
    while ((more = savefile_next(savefile, &frame)) == 1)
        continue;
    assert_int_equal(more, -1);
    assert_non_null(strstr(savefile_error(savefile), "the zstd data ends too early"));
    savefile_close(savefile);

    put_octets(&packed, "junk", 4);
    savefile = open_file(&packed);
    expect_three(savefile, false, ETHERNET);
    expect_damage(savefile, "packet 4: the zstd data is damaged: Unknown frame descriptor");
}

/* A pcapng inside either, larger than every buffer. */
static void test_compressed_pcapng(void **state)
{
    (void)state;
    enum { PACKETS = 600, LEN = 1400 };
    file_start(&file, false);
    ng_section(&file);
    ng_interface(&file, ETHERNET, 0, 9, 0);
    for (uint32_t i = 0; i < PACKETS; i++)
        ng_packet(&file, 0, i, LEN);
    for (int kind = 0; kind < 3; kind++) {
        file_start(&packed, false);
        if (kind == 0)
            compress_gzip(&packed, file.octets, file.len);
        else if (kind == 1)
            compress_zstd(&packed, file.octets, file.len);
        else
            put_octets(&packed, file.octets, file.len);
        struct savefile *savefile = open_file(&packed);
        for (uint32_t i = 0; i < PACKETS; i++)
            expect_frame(savefile, i + 1, i, ETHERNET, LEN, LEN + 100);
        assert_int_equal(savefile_octets_read(savefile), packed.len);
        expect_end(savefile);
    }
}

/* Interfaces of other link types, snapshot lengths and clocks; what libpcap refuses. Then another section, of its own. */
static void build_pcapng(bool big)
{
    file_start(&file, big);
    ng_section(&file);
    ng_other(&file, 4, 24);
    ng_interface(&file, ETHERNET, 65535, 6, 0);
    ng_interface(&file, LINKTYPE_RAW, 96, 9, 0);
    ng_packet(&file, 0, UINT64_C(1700000000123456), 61);
    ng_other(&file, 0x0bad, 0);
    ng_packet(&file, 1, UINT64_C(1700000000123456789), 40);
    ng_interface(&file, 276, 0, 0x80 | 10, (uint64_t)-1000);
    ng_packet(&file, 2, (UINT64_C(1700001000) << 10) + 512, 0);
    ng_obsolete(&file, 1, UINT64_C(1700000001000000001), 33);
    ng_simple(&file, 70, 70);
    ng_other(&file, 5, 100);
    file.big = !big;
    ng_section(&file);
    ng_interface(&file, 113, 64, 3, 0);
    ng_packet(&file, 0, UINT64_C(1700000000123), 7);
    ng_simple(&file, 64, 1000);
}

static void expect_pcapng(struct savefile *savefile)
{
    expect_frame(savefile, 1, noon + 123456000, ETHERNET, 61, 161);
    expect_frame(savefile, 2, noon + 123456789, RAW, 40, 140);
    expect_frame(savefile, 3, noon + 500000000, 276, 0, 100);
    expect_frame(savefile, 4, noon + 1000000001, RAW, 33, 33);
    expect_frame(savefile, 5, noon + 1000000001, ETHERNET, 70, 70);
    expect_frame(savefile, 6, noon + 123000000, 113, 7, 107);
    expect_frame(savefile, 7, noon + 123000000, 113, 64, 1000);
    expect_end(savefile);
}

static void test_pcapng(void **state)
{
    (void)state;
    for (int big = 0; big < 2; big++) {
        build_pcapng(big);
        expect_pcapng(open_file(&file));
    }
}

/* The clocks that if_tsresol can name, all at 1.5 s; and times that no clock can mean. */
static void test_resolutions(void **state)
{
    (void)state;
    static const struct {
        uint8_t resolution;
        uint64_t ticks, offset;
        smtpscope_time want;
    } cases[] = {
        {0, 2, 0, 2 * SMTPSCOPE_SECOND},
        {1, 15, 0, 1500000000},
        {6, 1500000, 0, 1500000000},
        {7, 15000000, 0, 1500000000},
        {9, 1500000000, 0, 1500000000},
        {12, UINT64_C(1500000000000), 0, 1500000000},
        {18, UINT64_C(1500000000000000000), 0, 1500000000},
        {19, UINT64_C(15000000000000000000), 0, 1500000000},
        {0x7f, UINT64_C(15000000000000000000), 0, 1500000000},
        {0x80, 2, 0, 2 * SMTPSCOPE_SECOND},
        {0x80 | 1, 3, 0, 1500000000},
        {0x80 | 32, UINT64_C(3) << 31, 0, 1500000000},
        {0x80 | 40, UINT64_C(3) << 39, 0, 1500000000},
        {0x80 | 62, UINT64_C(3) << 61, 0, 1500000000},
        {0xff, UINT64_C(3) << 62, 0, 1500000000},
        {6, 1500000, 10, 11500000000},
        {6, 1500000, (uint64_t)-1, 500000000},
        {0, UINT64_MAX, 0, INT64_C(7258118400) * SMTPSCOPE_SECOND},
        {0, UINT64_MAX, INT64_MAX, INT64_C(7258118400) * SMTPSCOPE_SECOND},
        {0, 5, (uint64_t)INT64_MIN, 0},
    };
    for (size_t i = 0; i < unit_count(cases); i++) {
        file_start(&file, false);
        ng_section(&file);
        ng_interface(&file, ETHERNET, 0, cases[i].resolution, cases[i].offset);
        ng_packet(&file, 0, cases[i].ticks, 1);
        struct savefile *savefile = open_file(&file);
        expect_frame(savefile, 1, cases[i].want, ETHERNET, 1, 101);
        expect_end(savefile);
    }
}

/* One packet, then an enhanced packet block of 40 octets at `packet` in which one field lies. */
static void test_lying_pcapng(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        const char *want_error;
    } cases[] = {
        {4, 0, "packet 2: a block's length cannot be"},
        {4, 41, "packet 2: a block's length cannot be"},
        {4, 0xfffffffc, "packet 2: a block is longer than any packet"},
        {4, 400, "packet 2: the file ends in the middle of a block"},
        {4, 28, "packet 2: a block's two lengths differ"},
        {8, 1, "packet 2: a packet of an interface that was not described"},
        {20, 0xffffffff, "packet 2: a packet is longer than its block"},
        {20, 24, "packet 2: a packet is longer than its block"},
    };
    for (size_t i = 0; i < unit_count(cases); i++) {
        file_start(&file, false);
        ng_section(&file);
        ng_interface(&file, ETHERNET, 0, 6, 0);
        ng_packet(&file, 0, 0, 5);
        size_t packet = file.len;
        ng_packet(&file, 0, 0, 5);
        size_t end = file.len;
        file.len = packet + cases[i].at;
        put(&file, cases[i].value, 4);
        file.len = end;
        struct savefile *savefile = open_file(&file);
        expect_frame(savefile, 1, 0, ETHERNET, 5, 105);
        expect_damage(savefile, cases[i].want_error);
    }
    file_start(&file, false);
    ng_section(&file);
    memset(file.octets + 8, 0, 4);
    expect_damage(open_file(&file), "packet 1: a section has no byte order");
}

/* A block that is not looked into may be of any size, and lie about it. */
static void test_skipped_block(void **state)
{
    (void)state;
    file_start(&file, false);
    ng_section(&file);
    ng_other(&file, 0x80000001, 700000);
    ng_interface(&file, ETHERNET, 0, 6, 0);
    ng_packet(&file, 0, 0, 5);
    size_t packet = file.len;
    ng_other(&file, 0x80000001, 8);
    struct savefile *savefile = open_file(&file);
    expect_frame(savefile, 1, 0, ETHERNET, 5, 105);
    expect_end(savefile);
    memset(file.octets + packet + 5, 0xff, 3);
    savefile = open_file(&file);
    expect_frame(savefile, 1, 0, ETHERNET, 5, 105);
    expect_damage(savefile, "packet 2: the file ends in the middle of a block");
}

/* Reads what can be read. Whatever the file says, it ends, and each frame's octets are there. */
static int drain(const uint8_t *octets, size_t len)
{
    struct savefile *savefile;
    struct frame frame;
    char error[256];
    unsigned sum = 0;
    int more;
    file_write(octets, len);
    if (savefile_open_first(&savefile, path, error, sizeof error) != 0)
        return -1;
    while ((more = savefile_next(savefile, &frame)) == 1)
        for (uint32_t i = 0; i < frame.caplen; i++)
            sum += frame.data[i];
    savefile_close(savefile);
    return more + (sum == 1);
}

static void test_every_damage(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        build_pcapng(kind & 1);
        if (kind == 2)
            pcap_of_three();
        if (kind == 3) {
            file_start(&packed, false);
            compress_zstd(&packed, file.octets, file.len);
            file = packed;
        }
        for (size_t len = 0; len < file.len; len++)
            drain(file.octets, len);
        for (size_t at = 0; at < file.len; at++) {
            uint8_t old = file.octets[at];
            file.octets[at] = (uint8_t)~old;
            drain(file.octets, file.len);
            file.octets[at] = old;
        }
    }
}

/* Makes `from` standard input, through a pipe that brings it in small pieces from a child. */
static pid_t feed_stdin(const struct file *from, size_t piece)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        for (size_t at = 0; at < from->len; at += piece)
            if (write(fds[1], from->octets + at, from->len - at < piece ? from->len - at : piece) < 0)
                _exit(1);
        _exit(0);
    }
    close(fds[1]);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    return child;
}

static void test_standard_input(void **state)
{
    (void)state;
    int kept = dup(STDIN_FILENO);
    for (int kind = 0; kind < 3; kind++) {
        struct savefile *savefile;
        char error[256];
        smtpscope_time time = 0;
        build_pcapng(false);
        if (kind > 0)
            pcap_of_three();
        file_start(&packed, false);
        if (kind == 2)
            compress_gzip(&packed, file.octets, file.len);
        pid_t child = feed_stdin(kind == 2 ? &packed : &file, kind == 2 ? 1 : 7);
        assert_int_equal(savefile_open_first(&savefile, "-", error, sizeof error), 0);
        assert_int_equal(savefile_octets(savefile), 0);
        assert_true(savefile_first_time(savefile, &time));
        assert_true(savefile_first_time(savefile, &time));
        assert_int_equal(time, noon + 123456000);
        if (kind == 0) {
            expect_pcapng(savefile);
        } else {
            expect_three(savefile, false, ETHERNET);
            assert_true(savefile_first_time(savefile, &time));
            assert_int_equal(time, noon + 123456000);
            expect_end(savefile);
        }
        waitpid(child, NULL, 0);
    }
    dup2(kept, STDIN_FILENO);
    close(kept);
}

static void on_alarm(int number)
{
    (void)number;
}

/* A pipe that falls silent in the middle of a packet: a signal ends it, and it is not damaged. */
static void test_interrupted(void **state)
{
    (void)state;
    struct savefile *savefile;
    char error[256];
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval soon = {.it_interval = {0, 20000}, .it_value = {0, 20000}}, never = {{0, 0}, {0, 0}};
    pcap_of_three();
    int to = pipe_stdin(-1);
    assert_int_equal(write(to, file.octets, 150), 150);
    assert_int_equal(savefile_open_first(&savefile, "-", error, sizeof error), 0);
    expect_frame(savefile, 1, noon + 123456000, ETHERNET, 60, 1500);
    expect_frame(savefile, 2, noon + SMTPSCOPE_SECOND, ETHERNET, 0, 0);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    expect_end(savefile);
    setitimer(ITIMER_REAL, &never, NULL);
    pipe_stdin(to);
}

/* Real captures, when they are there: what tshark counts in them. */
static const struct {
    const char *name;
    uint64_t frames, segments, octets, missing;
    const char *want_error;
} captures[] = {
    {"fmt_base.pcap", 127, 127, 3290, 0, ""},
    {"fmt_bigendian.pcap", 127, 127, 3290, 0, ""},
    {"fmt_cut_file.pcap", 78, 78, 2156, 0, "packet 79: the file ends in the middle of it"},
    {"fmt_empty.pcap", 0, 0, 0, 0, ""},
    {"fmt_nano.pcap", 126, 126, 3290, 0, ""},
    {"fmt_noise.pcap", 161, 127, 3290, 0, ""},
    {"fmt_pcap_gz.pcap.gz", 127, 127, 3290, 0, ""},
    {"fmt_pcapng.pcapng", 127, 127, 3290, 0, ""},
    {"fmt_pcapng_gz.pcapng.gz", 127, 127, 3290, 0, ""},
    {"fmt_sll.pcap", 127, 127, 3290, 0, ""},
    {"fmt_sll2.pcap", 127, 127, 3290, 0, ""},
    {"fmt_snap96.pcap", 126, 126, 1427, 1863, ""},
    {"fmt_snap96_derived.pcap", 127, 127, 1427, 1863, ""},
    {"enc_gre.pcap", 127, 127, 3290, 0, ""},
    {"enc_gretap.pcap", 127, 127, 3290, 0, ""},
    {"enc_ipfrag.pcap", 150, 127, 3290, 0, ""},
    {"enc_ipip.pcap", 127, 127, 3290, 0, ""},
    {"enc_null.pcap", 127, 127, 3290, 0, ""},
    {"enc_pppoe.pcap", 127, 127, 3290, 0, ""},
    {"enc_qinq.pcap", 127, 127, 3290, 0, ""},
    {"enc_raw_ip.pcap", 127, 127, 3290, 0, ""},
    {"enc_tcprewrite_vlan.pcap", 127, 127, 3290, 0, ""},
    {"enc_vlan.pcap", 127, 127, 3290, 0, ""},
    {"enc_vlan_prio_dei.pcap", 127, 127, 3290, 0, ""},
    {"enc_vxlan.pcap", 127, 127, 3290, 0, ""},
    {"ipv6.pcap", 255, 255, 5257, 0, ""},
    {"smtps465.pcap", 64, 35, 3661, 0, ""},
    {"tso_offload.pcap", 79, 79, 308164, 0, ""},
    {"large20mb.pcap.gz", 19880, 19880, 20468704, 0, ""},
};

static const char *capture_folder(void)
{
    static const char *const folders[] = {"../shared/captures", "../../shared/captures", "../../../shared/captures"};
    const char *named = getenv("SMTPSCOPE_CAPTURES");
    if (named != NULL)
        return named;
    for (size_t i = 0; i < unit_count(folders); i++)
        if (access(folders[i], R_OK) == 0)
            return folders[i];
    return NULL;
}

static void check_capture(const char *folder, size_t index)
{
    static uint8_t ports[8192] = {[25 / 8] = 1 << 25 % 8, [587 / 8] = 1 << 587 % 8};
    char name[512], error[256];
    struct savefile *savefile;
    struct frame frame;
    struct smtpscope_segment segment;
    uint64_t octets = 0, missing = 0;
    snprintf(name, sizeof name, "%s/%s", folder, captures[index].name);
    if (savefile_open_first(&savefile, name, error, sizeof error) != 0)
        fail_msg("%s: %s", name, error);
    struct decoder *decoder = decoder_new(&(struct decoder_config){.ports = ports});
    assert_non_null(decoder);
    while (savefile_next(savefile, &frame) == 1)
        if (decoder_frame(decoder, frame.link_type, frame.data, frame.caplen, frame.len, frame.time, frame.number, &segment)) {
            octets += segment.len;
            missing += segment.missing;
        }
    struct decoder_stats stats;
    decoder_stats(decoder, &stats);
    if (stats.frames != captures[index].frames || stats.segments != captures[index].segments)
        fail_msg("%s: %ju frames, %ju segments", name, (uintmax_t)stats.frames, (uintmax_t)stats.segments);
    assert_int_equal(octets, captures[index].octets);
    assert_int_equal(missing, captures[index].missing);
    assert_string_equal(savefile_error(savefile), captures[index].want_error);
    decoder_free(decoder);
    savefile_close(savefile);
}

static void test_captures(void **state)
{
    (void)state;
    const char *folder = capture_folder();
    if (folder == NULL) {
        print_message("SKIPPED: no ../shared/captures; SMTPSCOPE_CAPTURES may name the folder\n");
        skip();
    }
    for (size_t i = 0; i < unit_count(captures); i++)
        check_capture(folder, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcap),         cmocka_unit_test(test_no_packets),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut_short),    cmocka_unit_test(test_lying_pcap),        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_zstd),         cmocka_unit_test(test_compressed_pcapng), cmocka_unit_test(test_pcapng),
        cmocka_unit_test(test_resolutions),  cmocka_unit_test(test_lying_pcapng),      cmocka_unit_test(test_skipped_block),
        cmocka_unit_test(test_every_damage), cmocka_unit_test(test_standard_input),    cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_captures),
    };
    return cmocka_run_group_tests_name("capture", tests, setup, teardown);
}
