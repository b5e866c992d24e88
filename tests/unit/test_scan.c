/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a message and its look-alikes, at every cut; oddities, offsets, transparency, line lengths; the reference agrees. */
#include "unit.h"

#include "scan_reference.h"

#define TEXT(text) (text), sizeof(text) - 1

static const struct lookalike_row {
    const char *label, *text;
    size_t len;
    enum scan_event want_event;
    enum smtpscope_lookalike want_lookalike;
    size_t want_used; /* up to and with the line end behind the dot */
} lookalikes[] = {
    { "the end", TEXT("a\r\n.\r\nQ"), SCAN_END, SMTPSCOPE_LOOKALIKE_NONE, 6 },
    { "the end of an empty message", TEXT(".\r\nQ"), SCAN_END, SMTPSCOPE_LOOKALIKE_NONE, 3 },
    { "the end behind an empty line", TEXT("\r\n.\r\nQ"), SCAN_END, SMTPSCOPE_LOOKALIKE_NONE, 5 },
    { "the end behind a lone CR", TEXT("a\r\r\n.\r\nQ"), SCAN_END, SMTPSCOPE_LOOKALIKE_NONE, 7 },
    { "LF.LF", TEXT("a\n.\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_LF_LF, 4 },
    { "LF.CRLF", TEXT("a\n.\r\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_LF_CRLF, 5 },
    { "LF.CR", TEXT("a\n.\rQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_LF_CR, 4 },
    { "CRLF.LF", TEXT("a\r\n.\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CRLF_LF, 5 },
    { "CRLF.CR", TEXT("a\r\n.\rQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CRLF_CR, 5 },
    { "CR.CRLF", TEXT("a\r.\r\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CR_CRLF, 5 },
    { "CR.LF", TEXT("a\r.\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CR_LF, 4 },
    { "CR.CR", TEXT("a\r.\rQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CR_CR, 4 },
    { "CRLF.CRLF with a NUL before the dot", TEXT("a\r\n\0.\r\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_NUL, 7 },
    { "CRLF.CRLF with NULs behind the dot", TEXT("a\r\n.\0\0\r\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_NUL, 8 },
    { "LF.LF with a NUL", TEXT("a\n.\0\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_NUL, 5 },
    { "a stuffed dot", TEXT("a\r\n..\r\nb"), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 8 },
    { "a dot with a space", TEXT("a\r\n. \r\nb"), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 8 },
    { "a dot inside a line", TEXT("a.\r\nb"), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 5 },
    { "a dot, then nothing", TEXT("a\r\n."), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 4 },
    { "a dot and a CR, then nothing", TEXT("a\r\n.\r"), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 5 },
};

static enum scan_event sweep_pieces(struct scan *scan, const uint8_t *text, size_t len, size_t cut, size_t *at)
{
    enum scan_event event = SCAN_MORE;

    for (*at = 0; *at < len && event == SCAN_MORE;) {
        size_t piece = *at < cut ? cut - *at : len - *at, used;

        event = scan_sweep(scan, text + *at, piece, &used);
        *at += used;
    }
    return event;
}

static void test_lookalikes_at_every_cut(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(lookalikes); i++) {
        const struct lookalike_row *row = &lookalikes[i];
        struct unit_guarded text = unit_guarded_init(row->text, row->len);

        for (size_t cut = 0; cut <= row->len; cut++) {
            struct scan scan;
            size_t used;

            scan_start(&scan);
            if (sweep_pieces(&scan, text.data, row->len, cut, &used) != row->want_event || used != row->want_used ||
                (row->want_event == SCAN_LOOKALIKE && scan.lookalike != row->want_lookalike))
                fail_msg("%s, cut at %zu: look-alike %u, %zu octets", row->label, cut, scan.lookalike, used);
        }
        unit_guarded_fini(&text);
    }
}

static const struct oddity_row {
    const char *label, *text;
    size_t len;
    uint32_t want_oddities;
    uint64_t want_odd_at, want_longest, want_stuffed;
} oddities[] = {
    { "plain text", TEXT("one\r\nthree\r\n.\r\n"), 0, 0, 7, 0 },
    { "bare LF", TEXT("one\ntwo\r\n.\r\n"), SMTPSCOPE_DATA_BARE_LF, 3, 5, 0 },
    { "bare CR", TEXT("one\rtwo\r\n.\r\n"), SMTPSCOPE_DATA_BARE_CR, 3, 9, 0 },
    { "two CRs before LF", TEXT("one\r\r\n.\r\n"), SMTPSCOPE_DATA_BARE_CR, 3, 6, 0 },
    { "NUL", TEXT("a\0b\r\n.\r\n"), SMTPSCOPE_DATA_NUL, 1, 5, 0 },
    { "NUL behind CR", TEXT("ab\r\0\r\n.\r\n"), SMTPSCOPE_DATA_NUL | SMTPSCOPE_DATA_BARE_CR, 2, 6, 0 },
    { "eighth bit", TEXT("na\xc3\xafve\r\n.\r\n"), SMTPSCOPE_DATA_EIGHT_BIT, 2, 8, 0 },
    { "eighth bit at the start", TEXT("\xff\r\n.\r\n"), SMTPSCOPE_DATA_EIGHT_BIT, 0, 3, 0 },
    { "stuffed dots", TEXT("..a\r\n..\r\n.b\r\n.\r\n"), 0, 0, 4, 3 },
    { "a look-alike ended by CR", TEXT("\r\n.\rabc\r\n.\r\n"), SMTPSCOPE_DATA_BARE_CR | SMTPSCOPE_DATA_LOOKALIKE, 3, 5, 0 },
};

static void test_oddities(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(oddities); i++) {
        const struct oddity_row *row = &oddities[i];

        for (size_t cut = 0; cut <= row->len; cut++) {
            struct scan scan;
            size_t at = 0, used;

            scan_start(&scan);
            while (at < row->len) {
                size_t piece = at < cut ? cut - at : row->len - at;

                scan_sweep(&scan, (const uint8_t *)row->text + at, piece, &used);
                at += used;
            }
            if (scan.oddities != row->want_oddities || scan.odd_at != row->want_odd_at || scan.longest != row->want_longest ||
                scan.stuffed != row->want_stuffed)
                fail_msg("%s, cut at %zu: oddities %#x at %llu, longest %llu, stuffed %llu", row->label, cut, scan.oddities,
                         (unsigned long long)scan.odd_at, (unsigned long long)scan.longest, (unsigned long long)scan.stuffed);
        }
    }
}

static const struct line_row {
    const char *label;
    size_t octets; /* of text, without the line end */
    bool want_too_long;
} lines[] = {
    { "998 and CRLF", 998, false },
    { "999 and CRLF", 999, true },
    { "one more than a block", 1009, true },
    { "a megabyte", 1 << 20, true },
};

static void test_line_length(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(lines); i++) {
        size_t len = lines[i].octets + 5, used;
        uint8_t *text = malloc(len);
        struct scan scan;

        assert_non_null(text);
        memset(text, 'x', len);
        memcpy(text + lines[i].octets, "\r\n.\r\n", 5);
        scan_start(&scan);
        assert_int_equal(scan_sweep(&scan, text, len, &used), SCAN_END);
        assert_int_equal(used, len);
        assert_int_equal(scan.longest, lines[i].octets + 2);
        assert_int_equal(!!(scan.oddities & SMTPSCOPE_DATA_LINE_TOO_LONG), lines[i].want_too_long);
        free(text);
    }
}

/* Octets that the vector search must not run over, at every distance from a block's edge. */
static void test_every_alignment(void **unused)
{
    static const uint8_t telling[] = { '\r', '\n', 0, 0x80, 0xff };
    uint8_t text[80];

    (void)unused;
    for (size_t begin = 0; begin < 17; begin++)
        for (size_t at = begin; at < 60; at++)
            for (size_t i = 0; i < sizeof telling; i++) {
                memset(text, 'x', sizeof text);
                text[at] = telling[i];
                text[at + 1] = 'y';
                reference_compare(text + begin, sizeof text - begin, sizeof text);
            }
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void test_agrees_with_reference(void **unused)
{
    static const uint8_t dense[] = "\r\n.\r\n.\r\n.\0ax\xe4";
    uint64_t state = 88172645463325252u;
    unsigned events = 0;
    uint8_t text[160];

    (void)unused;
    for (unsigned round = 0; round < 30000; round++) {
        size_t len = random_next(&state) % sizeof text;

        for (size_t i = 0; i < len; i++)
            text[i] = random_next(&state) % 3 ? dense[random_next(&state) % (sizeof dense - 1)] : 'x';
        events += reference_compare(text, len, 1 + random_next(&state) % 40);
    }
    assert_true(events > 10000); /* the texts do contain what is looked for */
}

/* Behind a gap nothing is known of the line: no end is seen until a line end was. */
static void test_resume(void **unused)
{
    struct scan scan;
    size_t used;

    (void)unused;
    scan_start(&scan);
    assert_int_equal(scan_sweep(&scan, (const uint8_t *)"abc\r\n", 5, &used), SCAN_MORE);
    scan_resume(&scan, 100);
    assert_int_equal(scan_sweep(&scan, (const uint8_t *)".\r\nx\r\n", 6, &used), SCAN_MORE);
    assert_int_equal(scan_sweep(&scan, (const uint8_t *)".\r\n", 3, &used), SCAN_END);
    assert_int_equal(scan.at, 114);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookalikes_at_every_cut), cmocka_unit_test(test_oddities),
        cmocka_unit_test(test_line_length), cmocka_unit_test(test_every_alignment),
        cmocka_unit_test(test_agrees_with_reference), cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
