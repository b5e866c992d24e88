/* SPDX-License-Identifier: BSD-2-Clause */
/* Sessions of libssl, of every version and kind of cipher, through the stage: said in clear is what was said, and nothing else. */
#include "tls_heard.h"

static const struct peers_talk talks[] = {
    {"1.3 AES-128-GCM", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", 0},
    {"1.3 AES-256-GCM", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", PEERS_GREETING},
    {"1.3 ChaCha20", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", 0},
    {"1.3 CCM", TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256", 0},
    {"1.3 CCM-8", TLS1_3_VERSION, "TLS_AES_128_CCM_8_SHA256", 0},
    {"1.3 another ClientHello", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", PEERS_RETRY},
    {"1.3 client certificate", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", PEERS_CLIENT_CERT},
    {"1.3 key updates", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", PEERS_KEY_UPDATE},
    {"1.3 padding", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", PEERS_PADDING},
    {"1.3 small records", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", PEERS_SPLIT},
    {"1.3 ticket", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", PEERS_TICKET},
    {"1.3 early data", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", PEERS_EARLY},
    {"1.3 early data refused", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", PEERS_EARLY | PEERS_EARLY_REFUSED},
    {"1.2 AES-128-GCM", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", PEERS_GREETING | PEERS_NAME},
    {"1.2 AES-256-GCM", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", PEERS_CLIENT_CERT},
    {"1.2 ChaCha20", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", 0},
    {"1.2 CCM", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", 0},
    {"1.2 CCM-8", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-CCM8", 0},
    {"1.2 ARIA-128", TLS1_2_VERSION, "ECDHE-ECDSA-ARIA128-GCM-SHA256", 0},
    {"1.2 ARIA-256", TLS1_2_VERSION, "ECDHE-ECDSA-ARIA256-GCM-SHA384", 0},
    {"1.2 anonymous", TLS1_2_VERSION, "ADH-AES128-GCM-SHA256", 0},
    {"1.2 RSA", TLS1_2_VERSION, "AES128-GCM-SHA256", PEERS_RSA_KEY},
    {"1.2 CBC SHA-1, encrypt, then MAC", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", 0},
    {"1.2 CBC SHA-1, MAC, then encrypt", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA", PEERS_NO_ETM},
    {"1.2 CBC SHA-256", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", PEERS_NO_ETM},
    {"1.2 CBC SHA-384", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", 0},
    {"1.2 Camellia", TLS1_2_VERSION, "ECDHE-ECDSA-CAMELLIA256-SHA384", 0},
    {"1.2 renegotiation", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", PEERS_RENEGOTIATE},
    {"1.2 renegotiation, CBC", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", PEERS_RENEGOTIATE},
    {"1.2 small records", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", PEERS_SPLIT},
    {"1.2 ticket", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", PEERS_TICKET},
    {"1.2 session id", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", PEERS_SESSION_ID},
    {"1.1", TLS1_1_VERSION, "ECDHE-ECDSA-AES256-SHA", 0},
    {"1.1 MAC, then encrypt", TLS1_1_VERSION, "AES128-SHA", PEERS_NO_ETM | PEERS_RSA_KEY},
    {"1.0", TLS1_VERSION, "ECDHE-ECDSA-AES128-SHA", 0},
    {"1.0 MAC, then encrypt", TLS1_VERSION, "ECDHE-ECDSA-AES256-SHA", PEERS_NO_ETM},
};

/* Said in clear is what was said, however TCP cuts it. */
static void test_all_is_read(void **unused)
{
    static const size_t cuts[] = {0, 1, 7, 1000};

    (void)unused;
    for (size_t i = 0; i < unit_count(talks); i++) {
        struct wire *wires[2];
        size_t count = peers_run(&talks[i], wires);

        for (size_t j = 0; j < count; j++) {
            for (size_t k = 0; k < unit_count(cuts); k++) {
                struct heard *heard = heard_all(wires[j], wires[j]->keys, cuts[k]);

                heard_check(heard, talks[i].label, wires[j]);
                assert_int_equal(heard->handshake.outcome, SMTPSCOPE_HANDSHAKE_DONE);
                assert_int_equal(heard->end.decrypted, SMTPSCOPE_DECRYPTED_YES);
                assert_string_equal(smtpscope_tls_cipher_name(heard->handshake.cipher), wires[j]->cipher);
                assert_int_equal(heard->handshake.version, talks[i].version);
                assert_int_equal(heard->handshake.resumed, j);
                heard_free(heard);
            }
            wire_fini(wires[j]);
        }
    }
}

/* The second session is resumed, up to 1.2, by what the first has: its line in the key log opens both. */
static void test_resumed_by_first_key(void **unused)
{
    static const unsigned by[] = {PEERS_TICKET, PEERS_SESSION_ID};

    (void)unused;
    for (size_t i = 0; i < unit_count(by); i++) {
        struct peers_talk talk = {"first key", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", by[i]};
        struct wire *wires[2];
        struct heard *heard;

        peers_run(&talk, wires);
        heard = heard_all(wires[0], wires[0]->keys, 0);
        heard_again(heard);
        for (size_t j = 0; j < wires[1]->count; j++)
            heard_piece(heard, &wires[1]->pieces[j], 0);
        heard_close(heard, SMTPSCOPE_CLOSE_FIN, SMTPSCOPE_CLIENT);
        heard_check(heard, talk.label, wires[1]);
        assert_true(heard->handshake.resumed);
        heard_free(heard);
        wire_fini(wires[0]);
        wire_fini(wires[1]);
    }
}

/* Changes the secrets of a key log, and leaves the rest as it is. */
static void keys_spoil(char *log)
{
    for (char *line = log; *line; line = strchr(line, '\n') + 1) {
        char *last = strchr(line, '\n') - 1;

        *last = *last == '0' ? '1' : '0';
    }
}

/* No keys at all, no keys of this session, wrong ones: nothing is heard, and it is said why. */
static void test_nothing_without_keys(void **unused)
{
    static const char other[] =
        "CLIENT_RANDOM 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff "
        "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f\n";

    (void)unused;
    for (size_t i = 0; i < unit_count(talks); i++) {
        struct wire *wires[2];
        size_t count = peers_run(&talks[i], wires);

        for (size_t j = 0; j < count; j++) {
            enum smtpscope_decrypted want[] = {SMTPSCOPE_DECRYPTED_NOT, SMTPSCOPE_DECRYPTED_NO_KEYS,
                                               SMTPSCOPE_DECRYPTED_WRONG_KEYS};
            const char *logs[] = {NULL, other, wires[j]->keys};

            keys_spoil(wires[j]->keys);
            for (size_t k = 0; k < unit_count(want); k++) {
                struct heard *heard = heard_all(wires[j], logs[k], 0);

                if (heard->len || heard->end.decrypted != want[k])
                    fail_msg("%s, %zu: %zu octets heard, decrypted %s, want %s", talks[i].label, k, heard->len,
                             smtpscope_decrypted_name(heard->end.decrypted), smtpscope_decrypted_name(want[k]));
                if (heard->handshake.outcome != SMTPSCOPE_HANDSHAKE_DONE || heard->handshakes != 1)
                    fail_msg("%s, %zu, %zu: outcome %d", talks[i].label, j, k, heard->handshake.outcome);
                heard_free(heard);
            }
            wire_fini(wires[j]);
        }
    }
}

/* Each piece behind the handshake is lost once: all that is behind it is found again, but what shared a record with it. */
static void test_behind_a_gap(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(talks); i++) {
        struct wire *wires[2];
        size_t count = peers_run(&talks[i], wires);

        for (size_t j = 0; j < count; j++) {
            struct wire *wire = wires[j];

            for (size_t lost = wire->begin; lost < wire->count; lost++) {
                struct heard *heard = heard_new(wire->keys, 0);
                enum smtpscope_side side = wire->pieces[lost].side;
                bool exact = strstr(wire->cipher, "GCM") && !(talks[i].options & (PEERS_PADDING | PEERS_RENEGOTIATE));
                uint64_t all;

                heard_expect(heard, wire, talks[i].label);
                all = heard->want[side].len;
                for (size_t k = 0; k < wire->count; k++)
                    if (k == lost)
                        heard_lose(heard, &wire->pieces[k]);
                    else
                        heard_piece(heard, &wire->pieces[k], 0);
                heard_close(heard, SMTPSCOPE_CLOSE_FIN, SMTPSCOPE_CLIENT);
                /* Octets in clear, and those that were told to be lost, make up what was said. */
                if (exact && lost + 1 < wire->count && heard->next[side] + 40 < all + (side == SMTPSCOPE_CLIENT ? 1000 : 2000))
                    fail_msg("%s: behind the loss of piece %zu of %zu, %ju of %ju octets", talks[i].label, lost, wire->count,
                             (uintmax_t)heard->next[side], (uintmax_t)all);
                if (heard->lost[side] > 17000 * 2 && !(talks[i].options & PEERS_RENEGOTIATE))
                    fail_msg("%s: behind the loss of piece %zu %ju octets are lost", talks[i].label, lost,
                             (uintmax_t)heard->lost[side]);
                heard_free(heard);
            }
            wire_fini(wire);
        }
    }
}

/* One octet of the wire is another one: what is heard was said all the same. */
static void test_nothing_forged(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(talks); i++) {
        struct wire *wires[2];
        size_t count = peers_run(&talks[i], wires);

        for (size_t j = 0; j < count; j++) {
            struct wire *wire = wires[j];
            size_t at = 0, all = 0;

            for (size_t k = 0; k < wire->count; k++)
                all += wire->pieces[k].len;
            for (size_t changed = i; changed < all; changed += 997) {
                struct heard *heard = heard_new(wire->keys, 0);

                heard_expect(heard, wire, talks[i].label);
                at = 0;
                for (size_t k = 0; k < wire->count; k++) {
                    struct piece *piece = &wire->pieces[k];
                    bool here = changed >= at && changed < at + piece->len;

                    if (here)
                        piece->data[changed - at] ^= 0x41;
                    heard_piece(heard, piece, 0);
                    if (here)
                        piece->data[changed - at] ^= 0x41;
                    at += piece->len;
                }
                heard_close(heard, SMTPSCOPE_CLOSE_FIN, SMTPSCOPE_CLIENT);
                heard_free(heard);
            }
            wire_fini(wire);
        }
    }
}

/* The keys come late, line by line, or never: then the session waits, and gives up. */
static void test_late_keys(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(talks); i++) {
        struct wire *wires[2];
        size_t count = peers_run(&talks[i], wires);

        for (size_t j = 0; j < count; j++) {
            struct wire *wire = wires[j];
            struct heard *heard = heard_new("", 2 * SMTPSCOPE_SECOND);
            const char *line = wire->keys;

            for (size_t k = 0; k < wire->count; k++) {
                const char *end = k < wire->begin ? NULL : strchr(line, '\n');

                heard_piece(heard, &wire->pieces[k], 0);
                if (end) {
                    heard_keys(heard, line, (size_t)(end - line));
                    line = end + 1;
                }
                smtpscope_tls_expire(heard->tls, heard_time(heard));
            }
            heard_keys(heard, line, strlen(line));
            smtpscope_tls_expire(heard->tls, heard_time(heard));
            heard_close(heard, SMTPSCOPE_CLOSE_FIN, SMTPSCOPE_CLIENT);
            heard_check(heard, talks[i].label, wire);
            heard_free(heard);

            heard = heard_new("", 2 * SMTPSCOPE_SECOND);
            for (size_t k = 0; k < wire->begin + 4; k++)
                heard_piece(heard, &wire->pieces[k], 0);
            smtpscope_tls_expire(heard->tls, heard_time(heard) + 3 * SMTPSCOPE_SECOND);
            heard_keys(heard, wire->keys, strlen(wire->keys));
            for (size_t k = wire->begin + 4; k < wire->count; k++)
                heard_piece(heard, &wire->pieces[k], 0);
            heard_close(heard, SMTPSCOPE_CLOSE_FIN, SMTPSCOPE_CLIENT);
            if (heard->len || heard->end.decrypted != SMTPSCOPE_DECRYPTED_NO_KEYS)
                fail_msg("%s: %zu octets heard, decrypted %s", talks[i].label, heard->len,
                         smtpscope_decrypted_name(heard->end.decrypted));
            heard_free(heard);
            wire_fini(wire);
        }
    }
}

/* What the handshake says of names, versions and the certificate, with keys and without. */
static void test_handshake_is_told(void **unused)
{
    static const struct peers_talk rows[] = {
        {"1.2", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", PEERS_NAME | PEERS_CLIENT_CERT},
        {"1.3", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", PEERS_NAME | PEERS_CLIENT_CERT},
    };

    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++)
        for (int keys = 0; keys < 2; keys++) {
            bool seen = keys || rows[i].version < TLS1_3_VERSION;
            struct wire *wires[2];
            struct heard *heard;

            peers_run(&rows[i], wires);
            heard = heard_all(wires[0], keys ? wires[0]->keys : NULL, 0);
            assert_int_equal(heard->handshake.offered, rows[i].version);
            assert_int_equal(heard->handshake.hidden, !seen);
            assert_int_equal(heard->handshake.certificate_asked, seen);
            assert_string_equal(heard->sni, "mail.example.com");
            assert_string_equal(heard->alpn, seen ? "smtp" : "");
            assert_string_equal(heard->subject, seen ? "O=Lab, CN=mx.example.org" : "");
            assert_int_equal(heard->certificate.self_signed, seen);
            assert_int_equal(heard->certificate.other_name, seen);
            if (seen)
                assert_true(heard->certificate.not_before == 1704067200 * SMTPSCOPE_SECOND &&
                            heard->certificate.not_after == 2019686400 * SMTPSCOPE_SECOND);
            heard_free(heard);
            wire_fini(wires[0]);
        }
}

/* Each request for memory fails, alone and with all that follow: nothing is heard that was not said, nothing leaks. */
static void test_every_request_fails(void **unused)
{
    static const struct peers_talk rows[] = {
        {"1.3", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", PEERS_EARLY},
        {"1.2", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", PEERS_CLIENT_CERT},
    };

    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct wire *wires[2];
        size_t count = peers_run(&rows[i], wires);

        for (size_t j = 0; j < 4 * count; j++)
            for (size_t n = 1;; n++) {
                struct wire *wire = wires[j / 4];
                struct starving starving = {.n = n, .rest = j % 2};

                heard_starved(wire, rows[i].label, j / 2 % 2 ? 200 : 0, &starving);
                assert_int_equal(starving.blocks, 0);
                if (starving.requests < n)
                    break;
            }
        for (size_t j = 0; j < count; j++)
            wire_fini(wires[j]);
    }
}

/* An idle connection: with the keys of both sides, and without. The session and its judge are beside it. */
#define IDLE_OCTETS_MAX 232
#define IDLE_CBC_OCTETS_MAX 328   /* with a MAC's key in each direction */
#define IDLE_BLIND_OCTETS_MAX 144 /* with what is inferred */

static bool is_aead(const char *cipher)
{
    return strstr(cipher, "GCM") || strstr(cipher, "CCM") || strstr(cipher, "POLY1305");
}

static void test_idle_connection_is_small(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(talks); i++)
        for (int keys = 0; keys < 2; keys++) {
            struct starving starving = {0};
            struct smtpscope_allocator allocator = {starving_resize, &starving};
            struct wire *wires[2];
            size_t count = peers_run(&talks[i], wires), before;
            struct heard *heard = heard_new(keys ? wires[0]->keys : "", 0);
            struct smtpscope_tls_config config = {
                .allocator = &allocator, .keys = heard->keys, .events = &heard_events, .ctx = heard};

            smtpscope_tls_connection_free(heard->connection);
            smtpscope_tls_free(heard->tls);
            heard->tls = smtpscope_tls_new(&config);
            heard->connection = smtpscope_tls_open(heard->tls, 25, heard); /* and what it shares with others */
            smtpscope_tls_connection_free(heard->connection);
            before = starving.octets;
            heard->connection = smtpscope_tls_open(heard->tls, 25, heard);
            for (size_t k = 0; k < wires[0]->begin + 4; k++)
                heard_piece(heard, &wires[0]->pieces[k], 0);
            if (!(talks[i].options & PEERS_RENEGOTIATE) && /* then it is not idle */
                starving.octets - before > (!keys                       ? IDLE_BLIND_OCTETS_MAX
                                            : is_aead(wires[0]->cipher) ? IDLE_OCTETS_MAX
                                                                        : IDLE_CBC_OCTETS_MAX))
                fail_msg("%s: %zu octets %s keys", talks[i].label, starving.octets - before, keys ? "with" : "without");
            heard_free(heard);
            for (size_t j = 0; j < count; j++)
                wire_fini(wires[j]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_is_read),
                                       cmocka_unit_test(test_resumed_by_first_key),
                                       cmocka_unit_test(test_nothing_without_keys),
                                       cmocka_unit_test(test_behind_a_gap),
                                       cmocka_unit_test(test_nothing_forged),
                                       cmocka_unit_test(test_late_keys),
                                       cmocka_unit_test(test_handshake_is_told),
                                       cmocka_unit_test(test_every_request_fails),
                                       cmocka_unit_test(test_idle_connection_is_small)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
