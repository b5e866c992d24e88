/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches: that their frames stay, come in time, may be long, and are the ones that libpcap would give. */
#include "test_capture.h"

#include <pcap/pcap.h>
#include <signal.h>
#include <sys/time.h>

/* The same octets through libpcap: frame for frame, and the same words at the end. */
static void compare(const uint8_t *octets, size_t len)
{
    char reason[PCAP_ERRBUF_SIZE] = "", error[256] = "";
    struct savefile *savefile;
    struct frame frame;
    struct pcap_pkthdr *header;
    const uint8_t *data;
    uint64_t number = 0;
    int more;
    file_write(octets, len);
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, reason);
    assert_int_equal(savefile_open_first(&savefile, path, error, sizeof error), pcap == NULL ? -1 : 0);
    if (pcap == NULL) {
        bool cut = strstr(reason, "truncated dump file") != NULL;

        if (strcmp(error, cut ? "ends within its header" : reason) != 0 && strstr(reason, "unknown file format") == NULL &&
            len >= 4)
            fail_msg("\"%s\", libpcap says \"%s\"", error, reason);
        return;
    }
    while ((more = pcap_next_ex(pcap, &header, &data)) == 1) {
        number++;
        if (savefile_next(savefile, &frame) != 1)
            fail_msg("packet %d of %d octets: %s", (int)number, (int)len, savefile_error(savefile));
        uint64_t fraction = (uint64_t)(frame.time - (smtpscope_time)(uint32_t)header->ts.tv_sec * SMTPSCOPE_SECOND);
        if (header->ts.tv_usec >= 0)
            assert_int_equal((unsigned long)fraction, (unsigned long)header->ts.tv_usec); /* as many bits as it has */
        assert_int_equal(frame.caplen, header->caplen);
        assert_int_equal(frame.len, header->len);
        assert_int_equal(frame.link_type, pcap_datalink(pcap));
        assert_memory_equal(frame.data, data, frame.caplen);
    }
    assert_int_equal(savefile_next(savefile, &frame), more == PCAP_ERROR_BREAK ? 0 : -1);
    bool cut = strstr(pcap_geterr(pcap), "truncated dump file") != NULL;
    snprintf(error, sizeof error, "packet %d: %s", (int)number + 1,
             cut ? "the file ends in the middle of it" : pcap_geterr(pcap));
    assert_string_equal(savefile_error(savefile), more == PCAP_ERROR_BREAK ? "" : error);
    savefile_close(savefile);
    pcap_close(pcap);
}

/* What is read here and what libpcap reads for us, whole, cut and damaged anywhere, are what libpcap alone would read. */
static void test_as_libpcap(void **state)
{
    (void)state;
    static const struct {
        uint32_t magic, minor, link_type, snaplen;
        bool big;
    } cases[] = {
        {0xa1b2c3d4, 4, ETHERNET, 65535, false}, {0xa1b2c3d4, 4, LINKTYPE_RAW, 65535, true},
        {0xa1b23c4d, 4, ETHERNET, 0, false},     {0xa1b23c4d, 4, 113, UINT32_MAX, true},
        {0xa1b2c3d4, 4, ETHERNET, 100, false},   {0xa1b2c3d4, 3, ETHERNET, 65535, false},
        {0xa1b2c3d4, 2, ETHERNET, 65535, true},  {0xa1b2cd34, 4, ETHERNET, 65535, false},
        {0xa1b2c3d4, 4, 189, 1 << 20, true},     {0xa1b2c3d4, 4, ETHERNET | 0x24000000, 65535, false},
        {0xa1b2c3d4, 5, ETHERNET, 65535, false},
    };
    for (size_t i = 0; i < unit_count(cases); i++) {
        bool modified = cases[i].magic == 0xa1b2cd34;
        file_start(&file, cases[i].big);
        pcap_header(&file, cases[i].magic, cases[i].link_type);
        file.len = 6;
        put(&file, cases[i].minor, 2);
        file.len = 16;
        put(&file, cases[i].snaplen, 4);
        file.len = 24;
        for (uint32_t len = 0; len < 240; len += 70)
            (modified ? modified_packet : pcap_packet)(&file, 4000000000, 999999, len, len + 100);
        compare(file.octets, file.len);
        for (size_t len = 0; len < file.len; len += 3)
            compare(file.octets, len);
        for (size_t at = 0; at < file.len; at += at < 60 ? 1 : 7) {
            uint8_t old = file.octets[at];
            file.octets[at] = (uint8_t)~old;
            compare(file.octets, file.len);
            file.octets[at] = old;
        }
    }
}

/* A pipe that brings a packet now and then: each is there at once, and what stands behind it is not waited for. */
static void test_slow_pipe(void **state)
{
    (void)state;
    struct itimerval deadline = {.it_value = {5, 0}}, never = {{0, 0}, {0, 0}};
    for (int kind = 0; kind < 3; kind++) {
        struct savefile *savefile;
        char error[256];
        int to = pipe_stdin(-1);
        file_start(&file, false);
        if (kind == 0)
            ng_section(&file), ng_interface(&file, ETHERNET, 0, 6, 0);
        else
            pcap_header(&file, kind == 1 ? 0xa1b2c3d4 : 0xa1b2cd34, ETHERNET);
        assert_int_equal(write(to, file.octets, file.len), file.len);
        signal(SIGALRM, SIG_DFL);
        setitimer(ITIMER_REAL, &deadline, NULL); /* waiting longer than it may, the test dies */
        assert_int_equal(savefile_open_first(&savefile, "-", error, sizeof error), 0);
        for (uint32_t i = 1; i <= 3; i++) {
            file_start(&file, false);
            if (kind == 0)
                ng_packet(&file, 0, i, 60), ng_other(&file, 5, 100);
            else if (kind == 1)
                pcap_packet(&file, 0, i, 60, 160);
            else
                modified_packet(&file, 0, i, 60, 160);
            assert_int_equal(write(to, file.octets, file.len), file.len);
            expect_frame(savefile, i, i * 1000, ETHERNET, 60, 160);
        }
        pipe_stdin(to);
        expect_end(savefile);
        setitimer(ITIMER_REAL, &never, NULL);
    }
}

/* Many batches of one file, all of them kept: each frame stays what it was, wherever a block ends. */
static void test_kept_batches(void **state)
{
    (void)state;
    enum { BATCHES = 64 };
    for (int kind = 0; kind < 3; kind++) {
        struct batch *batches[BATCHES];
        size_t count = 0;
        uint64_t number = 0;
        file_start(&file, kind == 2);
        if (kind == 0)
            ng_section(&file), ng_interface(&file, ETHERNET, 0, 6, 0);
        else
            pcap_header(&file, 0xa1b2c3d4, ETHERNET);
        for (uint32_t i = 1; file.len < ROOM - 70000; i++) {
            uint32_t len = i % 300 == 0 ? 65535 : i * 7 % 1500;
            if (kind == 0)
                ng_packet(&file, 0, i, len);
            else
                pcap_packet(&file, 0, i, len, len + 100);
        }
        struct savefile *savefile = open_file(&file);
        do
            assert_non_null(batches[count] = batch_new());
        while (savefile_batch(savefile, batches[count++]) == 1 && count < BATCHES);
        assert_true(count > 4 && count < BATCHES);
        assert_string_equal(savefile_error(savefile), "");
        savefile_close(savefile);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < batches[i]->count; j++) {
                const struct frame *frame = &batches[i]->frames[j];
                uint32_t want = ++number % 300 == 0 ? 65535 : (uint32_t)number * 7 % 1500;
                if (frame->number != number || frame->caplen != want || frame->time != (smtpscope_time)number * 1000)
                    fail_msg("packet %d: number %d, %u octets for %u", (int)number, (int)frame->number, frame->caplen, want);
                for (uint32_t at = 0; at < want; at++)
                    assert_int_equal(frame->data[at], (uint8_t)want);
            }
            batch_free(batches[i]);
        }
        assert_true(number > 3000);
    }
}

/* The longest packets of either format: longer than a block. */
static void test_long_packets(void **state)
{
    (void)state;
    enum { PCAP_MOST = 262144, PCAPNG_MOST = (1 << 20) - 48 };
    for (int kind = 0; kind < 3; kind++) {
        uint32_t len = kind == 0 ? PCAPNG_MOST : PCAP_MOST;
        file_start(&file, false);
        if (kind == 0)
            ng_section(&file), ng_interface(&file, ETHERNET, 0, 6, 0);
        else
            pcap_header(&file, kind == 1 ? 0xa1b2c3d4 : 0xa1b2cd34, ETHERNET);
        memset(file.octets + (kind == 0 ? file.len : 16), 0, kind == 0 ? 0 : 4); /* no snapshot length: the most there is */
        for (uint32_t i = 1; i <= 5; i++) {
            uint32_t each = i % 2 == 0 ? len : 50;
            if (kind == 0)
                ng_packet(&file, 0, i, each);
            else if (kind == 1)
                pcap_packet(&file, 0, i, each, each + 100);
            else
                modified_packet(&file, 0, i, each, each + 100);
        }
        struct savefile *savefile = open_file(&file);
        for (uint32_t i = 1; i <= 5; i++)
            expect_frame(savefile, i, i * 1000, ETHERNET, i % 2 == 0 ? len : 50, (i % 2 == 0 ? len : 50) + 100);
        expect_end(savefile);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_libpcap),
        cmocka_unit_test(test_slow_pipe),
        cmocka_unit_test(test_kept_batches),
        cmocka_unit_test(test_long_packets),
    };
    return cmocka_run_group_tests_name("batch", tests, setup, teardown);
}
