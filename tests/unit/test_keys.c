/* SPDX-License-Identifier: BSD-2-Clause */
/* Key logs as they are written, in one piece and in many, and the store's bound. */
#include "unit.h"

#include "smtpscope/tls.h"

#define RANDOM_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define RANDOM_B "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SECRET_32 "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
#define SECRET_48 SECRET_32 "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"

struct row {
    const char *label, *log;
    unsigned want_kinds; /* of RANDOM_A, a bit each */
    uint64_t want_secrets, want_ignored;
};

#define BIT(kind) (1u << SMTPSCOPE_SECRET_##kind)
static const struct row rows[] = {
    {"nothing", "", 0, 0, 0},
    {"a master secret", "CLIENT_RANDOM " RANDOM_A " " SECRET_48 "\n", BIT(MASTER), 1, 0},
    {"no line end", "CLIENT_RANDOM " RANDOM_A " " SECRET_48, BIT(MASTER), 1, 0},
    {"CRLF", "# log\r\nCLIENT_RANDOM " RANDOM_A " " SECRET_48 "\r\n\r\n", BIT(MASTER), 1, 1},
    {"large letters", "CLIENT_TRAFFIC_SECRET_0 " RANDOM_A " A0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF\n",
     BIT(CLIENT_TRAFFIC), 1, 0},
    {"all of 1.3",
     "CLIENT_EARLY_TRAFFIC_SECRET " RANDOM_A " " SECRET_32 "\nCLIENT_HANDSHAKE_TRAFFIC_SECRET " RANDOM_A " " SECRET_32
     "\nSERVER_HANDSHAKE_TRAFFIC_SECRET " RANDOM_A " " SECRET_32 "\nCLIENT_TRAFFIC_SECRET_0 " RANDOM_A " " SECRET_48
     "\nSERVER_TRAFFIC_SECRET_0 " RANDOM_A " " SECRET_48 "\nEXPORTER_SECRET " RANDOM_A " " SECRET_48
     "\nEARLY_EXPORTER_SECRET " RANDOM_A " " SECRET_48 "\n",
     BIT(CLIENT_EARLY) | BIT(CLIENT_HANDSHAKE) | BIT(SERVER_HANDSHAKE) | BIT(CLIENT_TRAFFIC) | BIT(SERVER_TRAFFIC), 5, 2},
    {"key updates of OpenSSL",
     "CLIENT_TRAFFIC_SECRET_N " RANDOM_A " " SECRET_48 "\nSERVER_TRAFFIC_SECRET_N " RANDOM_A " " SECRET_48 "\n", 0, 0, 2},
    {"again", "CLIENT_RANDOM " RANDOM_A " " SECRET_48 "\nCLIENT_RANDOM " RANDOM_A " " SECRET_48 "\n", BIT(MASTER), 1, 0},
    {"another one", "CLIENT_RANDOM " RANDOM_B " " SECRET_48 "\n", 0, 1, 0},
    {"white space", "  CLIENT_RANDOM\t" RANDOM_A "   " SECRET_48 " \n", BIT(MASTER), 1, 0},
    {"rubbish",
     "CLIENT_RANDOM\nCLIENT_RANDOM " RANDOM_A "\nCLIENT_RANDOM " RANDOM_A " " SECRET_32 "\nCLIENT_RANDOM " RANDOM_A
     " x" SECRET_48 "\nCLIENT_RANDOM 00 " SECRET_48 "\nclient_random " RANDOM_A " " SECRET_48 "\nCLIENT_RANDOM " RANDOM_A
     " " SECRET_48 "00\nCLIENT_RANDOM " RANDOM_A " " SECRET_48 " more\nRSA 0011223344556677 " SECRET_48 "\n",
     0, 0, 9},
    {"a line longer than any",
     "CLIENT_RANDOM " RANDOM_A " " SECRET_48 SECRET_48 SECRET_48 "\nCLIENT_RANDOM " RANDOM_A " " SECRET_48 "\n", BIT(MASTER), 1,
     1},
};

static void random_read(uint8_t random[SMTPSCOPE_RANDOM_LEN], const char *text)
{
    for (size_t i = 0; i < SMTPSCOPE_RANDOM_LEN; i++) {
        unsigned octet;

        assert_int_equal(sscanf(text + 2 * i, "%2x", &octet), 1);
        random[i] = (uint8_t)octet;
    }
}

static void keys_feed(struct smtpscope_keys *keys, const char *log, size_t cut)
{
    struct smtpscope_keylog *keylog = smtpscope_keylog_new(keys);

    for (size_t at = 0, len = strlen(log), take; at < len; at += take) {
        struct unit_guarded guarded;

        take = len - at < cut ? len - at : cut;
        guarded = unit_guarded_init(log + at, take);
        smtpscope_keylog_read(keylog, guarded.data, take);
        unit_guarded_fini(&guarded);
    }
    smtpscope_keylog_end(keylog);
    smtpscope_keylog_free(keylog);
}

static void test_lines(void **unused)
{
    static const size_t cuts[] = {10000, 1, 13, 64};

    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++)
        for (size_t j = 0; j < unit_count(cuts); j++) {
            struct smtpscope_keys *keys = smtpscope_keys_new(&(struct smtpscope_keys_config){.hash_seed = i});
            struct smtpscope_keys_stats stats;
            uint8_t random[SMTPSCOPE_RANDOM_LEN];
            unsigned kinds = 0;

            keys_feed(keys, rows[i].log, cuts[j]);
            random_read(random, RANDOM_A);
            for (unsigned kind = 0; kind < SMTPSCOPE_SECRET_KINDS; kind++) {
                struct smtpscope_secret secret;

                if (!smtpscope_keys_find(keys, (enum smtpscope_secret_kind)kind, random, &secret))
                    continue;
                kinds |= 1u << kind;
                for (size_t k = 0; k < secret.len; k++)
                    assert_int_equal(secret.octets[k], 0xa0 + k);
            }
            smtpscope_keys_stats(keys, &stats);
            if (kinds != rows[i].want_kinds || stats.secrets != rows[i].want_secrets || stats.ignored != rows[i].want_ignored)
                fail_msg("%s, cut to %zu: kinds %x, want %x; %ju secrets, %ju ignored", rows[i].label, cuts[j], kinds,
                         rows[i].want_kinds, (uintmax_t)stats.secrets, (uintmax_t)stats.ignored);
            smtpscope_keys_free(keys);
        }
}

/* The later one of two secrets that differ. */
static void test_mended(void **unused)
{
    struct smtpscope_keys *keys = smtpscope_keys_new(&(struct smtpscope_keys_config){0});
    struct smtpscope_secret secret;
    uint8_t random[SMTPSCOPE_RANDOM_LEN];
    uint64_t before;

    (void)unused;
    keys_feed(keys, "SERVER_TRAFFIC_SECRET_0 " RANDOM_A " " RANDOM_B "\n", 1000);
    before = smtpscope_keys_generation(keys);
    keys_feed(keys, "SERVER_TRAFFIC_SECRET_0 " RANDOM_A " " SECRET_32 "\n", 1000);
    assert_true(smtpscope_keys_generation(keys) > before);
    random_read(random, RANDOM_A);
    assert_true(smtpscope_keys_find(keys, SMTPSCOPE_SECRET_SERVER_TRAFFIC, random, &secret));
    assert_int_equal(secret.octets[0], 0xa0);
    smtpscope_keys_free(keys);
}

/* Of many secrets the newest are there, as many as may be, and the others are counted. */
static void test_bound(void **unused)
{
    enum { MANY = 5000, BOUND = 700 };
    struct smtpscope_keys *keys = smtpscope_keys_new(&(struct smtpscope_keys_config){.max = BOUND, .hash_seed = 3});
    struct smtpscope_keys_stats stats;
    size_t found = 0;

    (void)unused;
    for (unsigned i = 0; i < MANY; i++) {
        char line[256];

        snprintf(line, sizeof line, "CLIENT_RANDOM %064x %s\n", i, SECRET_48);
        keys_feed(keys, line, sizeof line);
    }
    for (unsigned i = 0; i < MANY; i++) {
        char text[65];
        uint8_t random[SMTPSCOPE_RANDOM_LEN];
        struct smtpscope_secret secret;

        snprintf(text, sizeof text, "%064x", i);
        random_read(random, text);
        if (!smtpscope_keys_find(keys, SMTPSCOPE_SECRET_MASTER, random, &secret))
            continue;
        found++;
        assert_true(i >= MANY - BOUND);
    }
    smtpscope_keys_stats(keys, &stats);
    assert_int_equal(found, BOUND);
    assert_int_equal(stats.secrets, MANY);
    assert_int_equal(stats.evicted, MANY - BOUND);
    smtpscope_keys_free(keys);
}

/* Every request for memory fails once. */
static void test_no_memory(void **unused)
{
    (void)unused;
    for (size_t n = 0;; n++) {
        struct unit_failing failing = {.countdown = n};
        struct smtpscope_allocator allocator = {unit_failing_resize, &failing};
        struct smtpscope_keys *keys = smtpscope_keys_new(&(struct smtpscope_keys_config){.allocator = &allocator});
        struct smtpscope_keylog *keylog = keys ? smtpscope_keylog_new(keys) : NULL;

        for (unsigned i = 0; keylog && i < 300; i++) {
            char line[256];

            smtpscope_keylog_read(keylog, (const uint8_t *)line,
                                  (size_t)snprintf(line, sizeof line, "CLIENT_RANDOM %064x %s\n", i, SECRET_48));
        }
        smtpscope_keylog_free(keylog);
        smtpscope_keys_free(keys);
        assert_int_equal(failing.blocks, 0);
        if (failing.requests <= n)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_mended),
                                       cmocka_unit_test(test_bound), cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
