/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a message and its look-alikes, at every cut; oddities, offsets, transparency, line lengths; the reference agrees,
 * and all versions of the sweep with each other.
 */
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
    {"the end", TEXT("a\r\n.\r\nQ"), SCAN_END, SMTPSCOPE_LOOKALIKE_NONE, 6},
    {"the end of an empty message", TEXT(".\r\nQ"), SCAN_END, SMTPSCOPE_LOOKALIKE_NONE, 3},
    {"the end behind an empty line", TEXT("\r\n.\r\nQ"), SCAN_END, SMTPSCOPE_LOOKALIKE_NONE, 5},
    {"the end behind a lone CR", TEXT("a\r\r\n.\r\nQ"), SCAN_END, SMTPSCOPE_LOOKALIKE_NONE, 7},
    {"LF.LF", TEXT("a\n.\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_LF_LF, 4},
    {"LF.CRLF", TEXT("a\n.\r\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_LF_CRLF, 5},
    {"LF.CR", TEXT("a\n.\rQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_LF_CR, 4},
    {"CRLF.LF", TEXT("a\r\n.\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CRLF_LF, 5},
    {"CRLF.CR", TEXT("a\r\n.\rQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CRLF_CR, 5},
    {"CR.CRLF", TEXT("a\r.\r\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CR_CRLF, 5},
    {"CR.LF", TEXT("a\r.\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CR_LF, 4},
    {"CR.CR", TEXT("a\r.\rQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_CR_CR, 4},
    {"CRLF.CRLF with a NUL before the dot", TEXT("a\r\n\0.\r\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_NUL, 7},
    {"CRLF.CRLF with NULs behind the dot", TEXT("a\r\n.\0\0\r\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_NUL, 8},
    {"LF.LF with a NUL", TEXT("a\n.\0\nQ"), SCAN_LOOKALIKE, SMTPSCOPE_LOOKALIKE_NUL, 5},
    {"a stuffed dot", TEXT("a\r\n..\r\nb"), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 8},
    {"a dot with a space", TEXT("a\r\n. \r\nb"), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 8},
    {"a dot inside a line", TEXT("a.\r\nb"), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 5},
    {"a dot, then nothing", TEXT("a\r\n."), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 4},
    {"a dot and a CR, then nothing", TEXT("a\r\n.\r"), SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, 5},
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
    {"plain text", TEXT("one\r\nthree\r\n.\r\n"), 0, 0, 7, 0},
    {"bare LF", TEXT("one\ntwo\r\n.\r\n"), SMTPSCOPE_DATA_BARE_LF, 3, 5, 0},
    {"bare CR", TEXT("one\rtwo\r\n.\r\n"), SMTPSCOPE_DATA_BARE_CR, 3, 9, 0},
    {"two CRs before LF", TEXT("one\r\r\n.\r\n"), SMTPSCOPE_DATA_BARE_CR, 3, 6, 0},
    {"NUL", TEXT("a\0b\r\n.\r\n"), SMTPSCOPE_DATA_NUL, 1, 5, 0},
    {"NUL behind CR", TEXT("ab\r\0\r\n.\r\n"), SMTPSCOPE_DATA_NUL | SMTPSCOPE_DATA_BARE_CR, 2, 6, 0},
    {"eighth bit", TEXT("na\xc3\xafve\r\n.\r\n"), SMTPSCOPE_DATA_EIGHT_BIT, 2, 8, 0},
    {"eighth bit at the start", TEXT("\xff\r\n.\r\n"), SMTPSCOPE_DATA_EIGHT_BIT, 0, 3, 0},
    {"stuffed dots", TEXT("..a\r\n..\r\n.b\r\n.\r\n"), 0, 0, 4, 3},
    {"a look-alike ended by CR", TEXT("\r\n.\rabc\r\n.\r\n"), SMTPSCOPE_DATA_BARE_CR | SMTPSCOPE_DATA_LOOKALIKE, 3, 5, 0},
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
    {"998 and CRLF", 998, false},
    {"999 and CRLF", 999, true},
    {"one more than a block", 1009, true},
    {"a megabyte", 1 << 20, true},
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

/* Text of `len` octets against a guard page, at its end and at its beginning. */
static void compare_guarded(const uint8_t *text, size_t len, size_t cut)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct unit_guarded behind = unit_guarded_init(text, len), before = unit_guarded_init(text, page * 2);

    assert_true(len <= page);
    reference_compare(behind.data, len, cut);
    assert_int_equal(mprotect(before.data, page, PROT_NONE), 0);
    reference_compare(before.data + page, len, cut);
    unit_guarded_fini(&behind);
    unit_guarded_fini(&before);
}

/* Lines of 70 octets and CRLF; as much more than `len` as a block of guarded pages wants. */
static uint8_t *clean_text(size_t len)
{
    uint8_t *text = malloc(len);

    assert_non_null(text);
    for (size_t at = 0; at < len; at++)
        text[at] = at % 72 == 70 ? '\r' : at % 72 == 71 ? '\n' : 'x';
    return text;
}

static void test_guard_pages(void **unused)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *text = clean_text(3 * page);

    (void)unused;
    memcpy(text + page, text, page);
    for (size_t len = 1; len < 400; len++)
        compare_guarded(text + page - 36 * (len & 1), len, len);
    free(text);
}

/* What the vectors must not run over: each telling octet, alone and before each other one, at every place, from every begin. */
static void test_every_place(void **unused)
{
    static const uint8_t telling[] = {'\r', '\n', '.', 0, 0x80, 0xff, 'x'};
    enum { LEN = 300, FIRST = 60, LAST = 210 };
    uint8_t *text = clean_text(LEN);

    (void)unused;
    for (size_t at = FIRST; at < LAST; at++)
        for (size_t i = 0; i < sizeof telling * sizeof telling; i++) {
            uint8_t kept[2] = {text[at], text[at + 1]};

            text[at] = telling[i / sizeof telling];
            text[at + 1] = telling[i % sizeof telling];
            reference_compare(text, LEN, LEN);
            reference_compare(text + at % 7, LEN - at % 7, 66 + i);
            memcpy(text + at, kept, 2);
        }
    free(text);
}

/* Once an oddity is noted, more of its kind are for the vectors too. */
static void test_every_place_again(void **unused)
{
    static const char *const noted[] = {"a\nb", "a\xe4z", "a\n\xe4z", "a\rb"};
    static const uint8_t telling[] = {'\r', '\n', '.', 0, 0xe4};
    enum { LEN = 300 };

    (void)unused;
    for (size_t i = 0; i < unit_count(noted); i++)
        for (size_t at = 65; at < 210; at++)
            for (size_t j = 0; j < sizeof telling * sizeof telling; j++) {
                uint8_t *text = clean_text(LEN);

                memcpy(text, noted[i], strlen(noted[i]));
                text[at] = telling[j / sizeof telling];
                text[at + 1] = telling[j % sizeof telling];
                reference_compare(text, LEN, LEN);
                free(text);
            }
}

static size_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)*state;
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

/* The same with clean blocks before and behind, cut once, around it. */
static void test_lookalikes_among_blocks(void **unused)
{
    enum { BEFORE = 2 * 72, LEN = BEFORE + 140 };
    uint8_t *text = clean_text(LEN);

    (void)unused;
    for (size_t i = 0; i < unit_count(lookalikes); i++) {
        const struct lookalike_row *row = &lookalikes[i];
        unsigned want_events = row->want_event != SCAN_MORE;

        memset(text + BEFORE, 'x', LEN - BEFORE);
        memcpy(text + BEFORE, row->text, row->len);
        for (size_t cut = BEFORE - 1; cut <= BEFORE + row->len; cut++)
            if (reference_compare(text, LEN, cut) < want_events) /* one row's text goes on here and becomes a look-alike */
                fail_msg("%s, cut at %zu", row->label, cut);
    }
    free(text);
}

/* Long texts, clean but for a place here and there; short lines, long ones, and some that are too long. */
static void test_mostly_clean(void **unused)
{
    static const uint8_t odd[] = "\r\n.\0\xe4\xff.\r\n";
    uint64_t state = 88172645463325252u;
    enum { LEN = 6000 };
    uint8_t *text = malloc(LEN);

    (void)unused;
    assert_non_null(text);
    for (unsigned round = 0; round < 3000; round++) {
        size_t longest = (size_t[]){3, 30, 63, 64, 80, 200, 1100}[random_next(&state) % 7], at = 0;
        size_t odds = random_next(&state) % 4 ? random_next(&state) % 12 : 0;

        while (at < LEN) {
            size_t line = random_next(&state) % longest;

            for (; line > 0 && at < LEN; line--)
                text[at++] = 'x';
            for (const char *end = "\r\n"; *end != '\0' && at < LEN; end++)
                text[at++] = (uint8_t)*end;
        }
        for (; odds > 0; odds--)
            text[random_next(&state) % LEN] = odd[random_next(&state) % (sizeof odd - 1)];
        reference_compare(text, LEN, round & 1 ? LEN : 1 + random_next(&state) % 1500);
    }
    free(text);
}

/* The vectors are used at all: a version that the machine has is there, and the portable one is the last. */
static void test_versions(void **unused)
{
    unsigned count = 0;

    (void)unused;
    while (scan_version(count) != NULL)
        count++;
    assert_string_equal(scan_version_name(scan_version(count - 1)), "portable");
#ifdef __x86_64__
    assert_int_equal(count, __builtin_cpu_supports("avx2") ? 3 : 2);
    assert_string_equal(scan_version_name(scan_version(0)), __builtin_cpu_supports("avx2") ? "avx2" : "sse2");
#endif
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
        cmocka_unit_test(test_lookalikes_at_every_cut),
        cmocka_unit_test(test_oddities),
        cmocka_unit_test(test_line_length),
        cmocka_unit_test(test_guard_pages),
        cmocka_unit_test(test_every_place),
        cmocka_unit_test(test_every_place_again),
        cmocka_unit_test(test_lookalikes_among_blocks),
        cmocka_unit_test(test_mostly_clean),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_agrees_with_reference),
        cmocka_unit_test(test_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
