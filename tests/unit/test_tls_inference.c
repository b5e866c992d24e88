/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of records that nobody can read, by their lengths; and which of them are the same message again. */
#include "unit.h"

#include "smtpscope/correlate.h"
#include "smtpscope/tls.h"

#define HEAD 5
/* Up to TLS 1.2, where no hello is seen: AES-GCM's explicit nonce and tag. */
#define OVERHEAD 24

struct told {
    char text[512];
    size_t len;
    struct smtpscope_inferred last;
};

static void told_fact(void *ctx, void *user, const struct smtpscope_fact *fact)
{
    struct told *told = ctx;
    const struct smtpscope_inferred *inferred = fact->inferred;

    (void)user;
    if (fact->type != SMTPSCOPE_FACT_INFERRED)
        return;
    told->last = *inferred;
    told->len += (size_t)snprintf(told->text + told->len, sizeof told->text - told->len, "%s%s %u/%u %s; ",
                                  inferred->sent ? "sent" : "none", inferred->together ? " together" : "", inferred->octets,
                                  inferred->envelope, smtpscope_inferred_name(inferred->outcome));
    assert_true(inferred->percent > 50 && inferred->percent < 100);
}

static const struct smtpscope_tls_events told_events = {.fact = told_fact};

/* RFC 8446 4.1.2, with one cipher suite: by it the session is known from its beginning. */
static size_t client_hello(uint8_t record[])
{
    enum { RANDOM = 32, BODY = 2 + RANDOM + 1 + 2 + 2 + 2 };
    const uint8_t head[] = {22, 3, 1, 0, 4 + BODY, 1, 0, 0, BODY, 3, 3};
    const uint8_t suites[] = {0, 0, 2, 0xc0, 0x2f, 1, 0};

    memset(record, 7, HEAD + 4 + BODY);
    memcpy(record, head, sizeof head);
    memcpy(record + sizeof head + RANDOM, suites, sizeof suites);
    return HEAD + 4 + BODY;
}

/* The turns of a session: C or S, and the octets of the record; G: a gap of the client's. */
static void session_run(struct told *told, const char *turns, uint16_t port, bool no_inference, enum smtpscope_close why)
{
    struct smtpscope_tls_config config = {.events = &told_events, .ctx = told, .no_inference = no_inference};
    struct smtpscope_tls *tls = smtpscope_tls_new(&config);
    struct smtpscope_tls_connection *connection = smtpscope_tls_open(tls, port, NULL);
    static uint8_t record[HEAD + 16640];
    struct smtpscope_octets octets = {.data = record};
    uint64_t offsets[2] = {0};
    int used;
    char side;
    unsigned len;

    octets.len = client_hello(record);
    octets.time = SMTPSCOPE_SECOND;
    smtpscope_tls_octets(connection, &octets);
    offsets[SMTPSCOPE_CLIENT] = octets.len;
    for (; sscanf(turns, " %c%u%n", &side, &len, &used) == 2; turns += used) {
        octets.side = side == 'S' ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT;
        octets.offset = offsets[octets.side];
        octets.time += SMTPSCOPE_SECOND;
        octets.packet++;
        octets.len = HEAD + len + OVERHEAD;
        memcpy(record, (uint8_t[]){23, 3, 3, (uint8_t)((len + OVERHEAD) >> 8), (uint8_t)(len + OVERHEAD)}, HEAD);
        offsets[octets.side] += octets.len;
        if (side == 'G')
            smtpscope_tls_gap(connection, &(struct smtpscope_gap){.side = SMTPSCOPE_CLIENT,
                                                                  .offset = octets.offset,
                                                                  .len = octets.len,
                                                                  .time = octets.time,
                                                                  .packet = octets.packet});
        else
            smtpscope_tls_octets(connection, &octets);
    }
    smtpscope_tls_close(connection, &(struct smtpscope_ending){.why = why, .fin = {true, true}, .seen = {true, true}});
    smtpscope_tls_connection_free(connection);
    smtpscope_tls_free(tls);
}

static const struct row {
    const char *label, *turns, *want;
    uint16_t port;
} rows[] = {
    {"a command a turn", "C22 S142 C27 S14 C28 S14 C6 S37 C163 S37 C6 S15", "sent 163/55 accepted; "},
    {"an envelope a turn, and QUIT with the message", "C22 S154 C98 S65 C1763 S52", "sent 1763/98 accepted; "},
    {"a message in several records", "C22 S154 C99 S65 C5792 C5792 C147 S52", "sent 11731/99 accepted; "},
    {"all in one", "C22 S142 C1247 S91", "sent together 1247/1247 accepted; "},
    {"an answer that is too long for a 250", "C22 S142 C27 S14 C28 S14 C6 S37 C163 S101 C6 S15", "sent 163/55 unknown; "},
    {"given up with RSET and QUIT", "C22 S154 C98 S174 C12 S29", "none 0/98 not-accepted; "},
    {"given up with RSET, then QUIT", "C22 S220 C30 S8 C26 S54 C6 S14 C6 S37", "none 0/56 not-accepted; "},
    {"given up with QUIT alone", "C22 S142 C27 S14 C31 S136 C6", "none 0/58 not-accepted; "},
    {"two messages", "C22 S142 C27 S14 C28 S14 C6 S37 C900 S37 C30 S14 C32 S14 C6 S37 C500 S37 C6 S15",
     "sent 900/55 accepted; sent 500/62 accepted; "},
    {"after a login", "C22 S173 C45 S37 C30 S14 C28 S14 C6 S37 C2947 S37 C6 S15", "sent 2947/58 accepted; ", 587},
    {"a login with a large token is no message", "C22 S173 C1800 S90 C6 S15", "", 587},
    {"a large envelope is no message of its own", "C22 S154 C620 S345 C4000 S52", "sent 4000/620 accepted; "},
    {"EHLO and QUIT are no transaction", "C22 S142 C6 S15", ""},
    {"nor are NOOPs", "C22 S142 C6 S14 C6 S14 C6 S15", ""},
    {"RSET behind nothing, then a long envelope", "C22 S142 C6 S14 C124 S297 C12 S29", "none 0/124 not-accepted; "},
    {"tickets before the client's first word", "S234 S250 C22 S142 C27 S14 C28 S14 C6 S37 C163 S37 C6 S15",
     "sent 163/55 accepted; "},
    {"padded records tell nothing", "C512 S512 C512 S512 C512 S512 C512 S512 C1024 S512 C512 S512", ""},
    {"padded to less", "C64 S192 C64 S64 C64 S64 C64 S64 C192 S64 C64 S64", ""},
    {"behind a gap nothing is told", "C22 S142 C27 S14 C28 S14 C6 S37 C163 S37 G40 C30 S14 C32 S14 C6 S37 C500 S37 C6 S15",
     "sent 163/55 accepted; "},
};

static void test_turns(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++)
        for (int off = 0; off < 2; off++) {
            struct told told = {.text = ""};

            session_run(&told, rows[i].turns, rows[i].port ? rows[i].port : 25, off, SMTPSCOPE_CLOSE_FIN);
            if (strcmp(told.text, off ? "" : rows[i].want))
                fail_msg("%s%s: '%s', want '%s'", rows[i].label, off ? ", off" : "", told.text, off ? "" : rows[i].want);
        }
}

/* Who closed nothing may still send the message. */
static void test_capture_ends(void **unused)
{
    struct told told = {.text = ""};

    (void)unused;
    session_run(&told, "C22 S142 C27 S14 C28 S14 C6 S37", 25, false, SMTPSCOPE_CLOSE_END);
    assert_string_equal(told.text, "");
}

/* --- the same message again */

static const struct again {
    const char *label, *first, *second;
    unsigned waited, host; /* seconds; host: the last octet of the second client's address */
    bool want, doubtful;
} agains[] = {
    {"given up, then sent", "C22 S154 C98 S174 C12 S29", "C22 S154 C98 S65 C1763 S52", 300, 1, true, false},
    {"given up, then given up", "C22 S154 C98 S174 C12 S29", "C22 S154 C98 S174 C12 S29", 300, 1, true, false},
    {"an envelope of another length", "C22 S154 C98 S174 C12 S29", "C22 S154 C99 S65 C1763 S52", 300, 1, false, false},
    {"from another host", "C22 S154 C98 S174 C12 S29", "C22 S154 C98 S65 C1763 S52", 300, 2, false, false},
    {"at once: another message", "C22 S154 C98 S174 C12 S29", "C22 S154 C98 S65 C1763 S52", 1, 1, false, false},
    {"after a day: another one of that length", "C22 S154 C98 S174 C12 S29", "C22 S154 C98 S65 C1763 S52", 86400, 1, false,
     false},
    {"the same length again after a day", "C22 S154 C98 S65 C1763 S152", "C22 S154 C98 S65 C1763 S52", 86400, 1, true, false},
    {"after a week", "C22 S154 C98 S174 C12 S29", "C22 S154 C98 S65 C1763 S52", 7 * 86400, 1, false, false},
    {"accepted, and another message", "C22 S154 C98 S65 C1763 S52", "C22 S154 C98 S65 C900 S52", 300, 1, false, false},
    {"accepted, as it seemed, and the same again", "C22 S154 C98 S65 C1763 S52", "C22 S154 C98 S65 C1763 S52", 300, 1, true,
     true},
    {"all in one, without QUIT", "C22 S142 C2073 S140", "C22 S142 C2067 S125 C6 S15", 300, 1, true, false},
    {"all in one, across a row of the table", "C22 S142 C2082 S140", "C22 S142 C2076 S125 C6 S15", 300, 1, true, false},
    {"all in one, another message", "C22 S142 C2073 S140", "C22 S142 C2050 S125 C6 S15", 300, 1, false, false},
};

static void again_trace(struct smtpscope_correlate *correlate, const char *turns, unsigned host, smtpscope_time begin,
                        uint64_t packet)
{
    struct told told = {.text = ""};
    struct smtpscope_trace trace = {.kind = SMTPSCOPE_TRACE_INFERRED, .state = "", .time = begin + SMTPSCOPE_SECOND / 2};

    session_run(&told, turns, 25, false, SMTPSCOPE_CLOSE_FIN);
    trace.inferred = told.last;
    trace.flow.first_time = begin;
    trace.flow.first_packet = packet;
    trace.client.addr[15] = (uint8_t)host;
    trace.flow.side[SMTPSCOPE_CLIENT] = trace.client;
    trace.flow.side[SMTPSCOPE_SERVER].port = 25;
    smtpscope_correlate_trace(correlate, &trace);
}

/* `ctx`: how many, NULL: it does not matter. */
static void count_finding(void *ctx, const struct smtpscope_finding *finding)
{
    assert_int_equal(finding->rule, SMTPSCOPE_RULE_DEFERRAL_RESOLVED);
    assert_int_equal(finding->confidence, SMTPSCOPE_LIKELY);
    if (ctx)
        ++*(unsigned *)ctx;
}

static void test_again(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(agains); i++) {
        const struct again *row = &agains[i];
        struct smtpscope_correlate *correlate =
            smtpscope_correlate_new(&(struct smtpscope_correlate_config){.finding = count_finding});
        struct smtpscope_inferred_retry retry;

        again_trace(correlate, row->first, 1, SMTPSCOPE_SECOND, 1);
        again_trace(correlate, row->second, row->host, (row->waited + 1) * SMTPSCOPE_SECOND, 50);
        retry = smtpscope_correlate_retry(correlate, 50, 0);
        if ((retry.of == 1) != row->want || retry.doubtful != row->doubtful)
            fail_msg("%s: of %llu, doubtful %d", row->label, (unsigned long long)retry.of, retry.doubtful);
        assert_int_equal(smtpscope_correlate_retry(correlate, 1, 0).of, 0);
        smtpscope_correlate_free(correlate);
    }
}

/* Of two that fit, the first one; and each is tried again once. */
static void test_in_order(void **unused)
{
    struct smtpscope_correlate *correlate =
        smtpscope_correlate_new(&(struct smtpscope_correlate_config){.finding = count_finding});
    static const uint64_t want[] = {1, 2, 0};

    (void)unused;
    for (unsigned i = 0; i < 2; i++)
        again_trace(correlate, "C22 S154 C98 S174 C12 S29", 1, (1 + i) * SMTPSCOPE_SECOND, 1 + i);
    for (unsigned i = 0; i < unit_count(want); i++) {
        again_trace(correlate, "C22 S154 C98 S65 C1763 S52", 1, 300 * SMTPSCOPE_SECOND + i, 50 + i);
        assert_int_equal(smtpscope_correlate_retry(correlate, 50 + i, 0).of, want[i]);
    }
    smtpscope_correlate_free(correlate);
}

/* A message that went through is told once, from its first try on; one that did not, or may not have, never. */
static void test_resolved(void **unused)
{
    static const struct {
        const char *turns[3];
        unsigned want;
    } series[] = {
        {{"C22 S154 C98 S174 C12 S29", "C22 S154 C98 S174 C12 S29", "C22 S154 C98 S65 C1763 S52"}, 1},
        {{"C22 S154 C98 S174 C12 S29", "C22 S154 C98 S174 C12 S29", "C22 S154 C98 S65 C1763 S152"}, 0},
        {{"C22 S154 C98 S65 C1763 S52", "C22 S154 C98 S65 C1763 S52", "C22 S154 C98 S65 C900 S52"}, 0},
    };

    (void)unused;
    for (size_t i = 0; i < unit_count(series); i++) {
        unsigned count = 0;
        struct smtpscope_correlate *correlate =
            smtpscope_correlate_new(&(struct smtpscope_correlate_config){.finding = count_finding, .ctx = &count});

        for (unsigned k = 0; k < 3; k++)
            again_trace(correlate, series[i].turns[k], 1, (1 + 300 * k) * SMTPSCOPE_SECOND, 1 + k);
        smtpscope_correlate_free(correlate);
        assert_int_equal(count, series[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),    cmocka_unit_test(test_capture_ends), cmocka_unit_test(test_again),
        cmocka_unit_test(test_in_order), cmocka_unit_test(test_resolved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
