/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The judge's own promises, over whole conversations: what is counted, folded and linked, what is certain. That every
 * refusal is covered, and that low confidence is never an error, is asserted by follow.h in each of them.
 */
#include "test_session.h"

static const struct judge_row {
    const char *label;
    bool midstream;
    struct step steps[STEPS_MAX];
    const char *want; /* all findings: "rule.idSEVERITY*count+folded<", a ? behind the severity when likely, < with a cause */
} rows[] = {
    {"a clean session",
     false,
     {S("220 mx\r\n"), C("EHLO c.example\r\n"), S("250 mx\r\n"), ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n.\r\n"),
      S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     ""},
    {"the same deferral three times is one finding",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\n"), S("250 ok\r\n"), C("RCPT TO:<b>\r\n"), S("452 4.2.2 mailbox full\r\n"),
      C("RCPT TO:<c>\r\n"), S("452 4.2.2 mailbox full\r\n"), C("RCPT TO:<d>\r\n"), S("452 4.2.2 mailbox full\r\n"),
      C("QUIT\r\n"), S("221 bye\r\n")},
     "deferral.mailbox-fullW*3+0 security.starttls-not-usedI*1+0"},
    {"DATA pipelined behind refused recipients is folded under them",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n"),
      S("250 ok\r\n550 5.1.1 no\r\n550 5.1.1 no\r\n503 5.5.1 none\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "refusal.mailboxE*2+1 security.starttls-not-usedI*1+0"},
    {"DATA behind two kinds of refusals is folded under both",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n"),
      S("250 ok\r\n550 5.1.1 user unknown\r\n450 4.7.1 greylisted, come back later\r\n554 5.5.1 no valid recipients\r\n"),
      C("QUIT\r\n"), S("221 bye\r\n")},
     "refusal.mailboxE*1+1 deferral.greylistedW*1+1 security.starttls-not-usedI*1+0"},
    {"DATA after the refusals were read: the client ignored them",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\n"), S("250 ok\r\n"), C("RCPT TO:<b>\r\n"), S("550 5.1.1 no\r\n"), C("DATA\r\n"),
      S("503 5.5.1 none\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "refusal.mailboxE*1+0 sequence.data-without-valid-recipientW*1+0< security.starttls-not-usedI*1+0"},
    {"RCPT and DATA behind a refused MAIL, pipelined",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\nRCPT TO:<b>\r\nDATA\r\n"),
      S("451 4.3.0 later\r\n503 need MAIL\r\n503 need MAIL\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "deferral.server-errorW*1+2"},
    {"RCPT after a refused MAIL was read",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\n"), S("550 5.7.1 no\r\n"), C("RCPT TO:<b>\r\n"), S("503 need MAIL\r\n"),
      C("QUIT\r\n"), S("221 bye\r\n")},
     "refusal.policyE*1+0 sequence.rcpt-before-mailW*1+0<"},
    {"out of order, certain",
     false,
     {HELLO, C("RCPT TO:<b>\r\n"), S("503 need MAIL\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "sequence.rcpt-before-mailW*1+0"},
    {"in order, and 503",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\n"), S("503 hm\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "sequence.refused-in-orderW*1+0"},
    {"out of order, and let pass",
     false,
     {S("220 mx\r\n"), C("MAIL FROM:<a@c.example>\r\n"), S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "sequence.mail-before-heloN*1+0"},
    {"a refusal in midstream is no error of the order",
     true,
     {S("250 ok\r\n"), C("DATA\r\n"), S("503 5.5.1 what\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "sequence.refused-in-orderW?*1+0 transport.midstreamI*1+0"},
    {"every code above 400 is covered, known or not",
     false,
     {HELLO, C("NOOP\r\n"), S("599 a\r\n"), C("NOOP\r\n"), S("499 b\r\n"), C("NOOP\r\n"), S("777 c\r\n"), C("FROB\r\n"),
      S("999 d\r\n"), C("QUIT\r\n"), S("500 e\r\n")},
     "refusal.unspecifiedE*2+0 deferral.unspecifiedW*1+0 reply.malformedN*2+0 rejection.unknown-commandN*1+0 "
     "rejection.mandatory-command-refusedW*1+0"},
    {"details with NULs in them",
     false,
     {HELLO, C("MAIL FROM:<a> X\r\n"), S("555 no\r\n"), C("MAIL FROM:<a> X\0YYYYYYYYYYYYYYYYYYYYYYYY\r\n"), S("555 no\r\n"),
      C("QUIT\r\n"), S("221 x\r\n")},
     "rejection.parameter-not-implementedN*1+0 command.nulN*1+0 refusal.syntaxE*1+0"},
    {"a gap in the message does not weaken what is known",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x"), C_GAP(50), C("\r\n.\r\n"), S("554 5.7.1 spam\r\n"),
      C("QUIT\r\n"), S("221 bye\r\n")},
     "transport.gapN*1+0 refusal.policyE*1+0 security.starttls-not-usedI*1+0"},
    {"closed inside a message",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n")},
     "data.connection-lostE*1+0 transport.closed-without-quitI*1+0 security.starttls-not-usedI*1+0"},
    {"closed before the answer",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n.\r\n")},
     "data.outcome-unknownW*1+0 transport.closed-without-quitI*1+0 security.starttls-not-usedI*1+0"},
    {"a refused MAIL is the cause of what follows it, until RSET",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\n"), S("550 5.7.1 no\r\n"), C("RSET\r\n"), S("250 ok\r\n"), C("RCPT TO:<b>\r\n"),
      S("503 need MAIL\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "refusal.policyE*1+0 sequence.rcpt-before-mailW*1+0"},
    {"a refused MAIL is the cause of what follows it, until HELO",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\n"), S("550 5.7.1 no\r\n"), C("HELO c.example\r\n"), S("250 ok\r\n"),
      C("RCPT TO:<b>\r\n"), S("503 need MAIL\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "refusal.policyE*1+0 sequence.rcpt-before-mailW*1+0"},
    {"the last of two refused MAILs is the cause of what follows",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\n"), S("550 5.7.1 no\r\n"), C("MAIL FROM:<b@c.example>\r\n"),
      S("452 4.3.1 disk full\r\n"), C("RCPT TO:<b>\r\nRCPT TO:<c>\r\n"), S("503 need MAIL\r\n503 need MAIL\r\n"), C("QUIT\r\n"),
      S("221 bye\r\n")},
     "refusal.policyE*1+0 deferral.server-resourcesW*1+0 sequence.rcpt-before-mailW*2+0<"},
    {"refused recipients are the cause of what follows in their transaction alone",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\nRCPT TO:<b>\r\nDATA\r\n"), S("250 ok\r\n550 5.1.1 no\r\n503 5.5.1 none\r\n"),
      C("MAIL FROM:<a@c.example>\r\n"), S("503 5.5.1 nested\r\n"), C("RSET\r\nMAIL FROM:<a@c.example>\r\nDATA\r\n"),
      S("250 ok\r\n250 ok\r\n503 5.5.1 none\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "refusal.mailboxE*1+1 sequence.nested-mailW*1+0 sequence.data-before-rcptW*1+0 security.starttls-not-usedI*1+0"},
    {"a nested MAIL that is refused leaves the transaction what it was",
     false,
     {HELLO, C("MAIL FROM:<a@c.example>\r\nRCPT TO:<b>\r\nMAIL FROM:<c@c.example>\r\nDATA\r\n"),
      S("250 ok\r\n550 5.1.1 no\r\n503 5.5.1 nested\r\n503 5.5.1 none\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "refusal.mailboxE*1+1 sequence.nested-mailW*1+0 security.starttls-not-usedI*1+0"},
    {"EHLO that was refused is forgotten with HELO",
     false,
     {S("220 mx\r\n"), C("EHLO c.example\r\n"), S("502 what\r\n"), C("HELO c.example\r\n"), S("250 mx\r\n"),
      C("MAIL FROM:<a@c.example>\r\n"), S("503 5.5.1 hm\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "rejection.ehlo-refusedN*1+0 sequence.refused-in-orderW*1+0"},
    {"the lines of a chunk that the server does not know are no commands, until RSET",
     false,
     {S("220 mx\r\n"), C("EHLO c.example\r\n"), S("250-mx\r\n250 PIPELINING\r\n"), C("MAIL FROM:<a@c.example>\r\n"),
      S("250 ok\r\n"), C("RCPT TO:<b>\r\n"), S("250 ok\r\n"), C("BDAT 8 LAST\r\nA: b\r\n\r\n"),
      S("500 what\r\n500 what\r\n500 what\r\n"), C("RSET\r\n"), S("250 ok\r\n"), C("NOOP\r\n"), S("500 what\r\n"),
      C("QUIT\r\n"), S("221 bye\r\n")},
     "rejection.extension-not-advertisedW*1+2 rejection.unknown-commandI*1+0< "
     "rejection.mandatory-command-refusedW*1+0"},
    {"the declared size explains the refusal of this MAIL",
     false,
     {HELLO, C("MAIL FROM:<a@c.example> SIZE=9999\r\n"), S("552 5.3.4 too big\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "command.size-over-limitN*1+0 refusal.sizeE*1+0<"},
    {"the declared size was let pass: it explains no later refusal",
     false,
     {HELLO, C("MAIL FROM:<a@c.example> SIZE=9999\r\n"), S("250 ok\r\n"), C("RCPT TO:<b>\r\n"), S("552 5.3.4 too big\r\n"),
      C("QUIT\r\n"), S("221 bye\r\n")},
     "command.size-over-limitN*1+0 refusal.sizeE*1+0 security.starttls-not-usedI*1+0"},
    {"a look-alike explains what is said unasked, until the next transaction",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("a\n.\nhello\r\n.\r\n"), S("250 one\r\n500 what\r\n"), ENVELOPE,
      C("NOOP\r\n"), S("250 ok\r\n500 what\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "data.smugglingE*1+1 data.bare-lfN*1+0 reply.unsolicitedN*1+0< refusal.syntaxE*1+0 reply.unsolicitedN*1+0 "
     "security.starttls-not-usedI*1+0"},
    {"smuggling that was taken",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("a\n.\nMAIL FROM:<e>\r\nRCPT TO:<f>\r\nDATA\r\nb\r\n.\r\n"),
      S("250 one\r\n250 ok\r\n250 ok\r\n354 go\r\n250 two\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "data.smugglingE*1+0 data.bare-lfN*1+0 security.starttls-not-usedI*1+0"},
};

static void test_rows(void **unused)
{
    static const size_t cuts[] = {0, 1, 3, 17};
    static struct log log;
    bool failed = false;

    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++)
        for (size_t j = 0; j < unit_count(cuts); j++) {
            log.label = rows[i].label;
            steps_replay(rows[i].steps, rows[i].midstream, cuts[j], NULL, &log);
            if (strcmp(log.rules, rows[i].want)) {
                print_error("%s, cut %zu\n  want %s\n  has  %s\n", rows[i].label, cuts[j], rows[i].want, log.rules);
                failed = true;
                break;
            }
        }
    assert_false(failed);
}

static void keep_finding(void *ctx, const struct smtpscope_finding *finding)
{
    struct smtpscope_finding *kept = ctx;

    if (finding->rule == SMTPSCOPE_RULE_REFUSAL_MAILBOX)
        *kept = *finding;
}

/* A finding that was counted three times says where and when it was so first, and last. */
static void test_places(void **unused)
{
    static const struct step steps[] = {HELLO,
                                        C("MAIL FROM:<a@c.example>\r\n"),
                                        S("250 ok\r\n"),
                                        C("RCPT TO:<b>\r\n"),
                                        S("550 5.1.1 no\r\n"),
                                        C("RCPT TO:<c>\r\n"),
                                        S("550 5.1.1 no\r\n"),
                                        C("RCPT TO:<d>\r\n"),
                                        S("550 5.1.1 no\r\n")};
    static struct follow follow;
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .seen = {true, true}};
    struct smtpscope_finding kept = {.count = 0};
    smtpscope_time begin;

    (void)unused;
    follow.fact = NULL;
    follow.finding = keep_finding;
    follow.ctx = &kept;
    follow_init(&follow, NULL, false);
    begin = follow.time;
    for (size_t i = 0; i < unit_count(steps); i++) {
        follow.time = begin + (smtpscope_time)i * SMTPSCOPE_SECOND;
        step_feed(&follow, &steps[i], 0);
    }
    follow_close(&follow, &ending);
    /* Packet 1 began the session; each step is one. */
    assert_int_equal(kept.count, 3);
    assert_int_equal(kept.packet, 1 + 7);
    assert_int_equal(kept.last_packet, 1 + 11);
    assert_true(kept.time == begin + 6 * SMTPSCOPE_SECOND && kept.last_time == begin + 10 * SMTPSCOPE_SECOND);
}

/* A session that does everything wrong: bounded findings, and still each refusal covered. */
static void test_many_kinds_of_trouble(void **unused)
{
    static struct follow follow;
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .seen = {true, true}};
    char line[80];

    (void)unused;
    follow.fact = NULL;
    follow.finding = NULL;
    follow_init(&follow, NULL, false);
    follow_feed(&follow, SMTPSCOPE_SERVER, "220 mx\r\n", 8, 0);
    for (unsigned i = 0; i < 5000; i++) {
        int len = snprintf(line, sizeof line, "MAIL FROM:<a%u> X%u=%u\r\n", i, i, i);

        follow_feed(&follow, SMTPSCOPE_CLIENT, line, (size_t)len, 0);
        len = snprintf(line, sizeof line, "%u %u.%u.%u no\r\n", 400 + i % 200, 4 + i / 100 % 2, i % 8, i % 70);
        follow_feed(&follow, SMTPSCOPE_SERVER, line, (size_t)len, 0);
    }
    follow_close(&follow, &ending);
    assert_true(follow.findings > 10 && follow.findings <= 256 + SMTPSCOPE_RULES);
}

/* How much the judge holds, by an allocator that counts. */
struct held {
    size_t octets, blocks;
};

static void *held_resize(void *ctx, void *memory, size_t size)
{
    struct held *held = ctx;
    size_t *head = memory ? (size_t *)memory - 2 : NULL;

    if (head) {
        held->octets -= *head;
        held->blocks--;
    }
    head = realloc(head, size ? size + 2 * sizeof *head : 0);
    if (!size || !head)
        return NULL;
    *head = size;
    held->octets += size;
    held->blocks++;
    return head + 2;
}

static void held_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    (void)ctx;
    smtpscope_judge_fact(smtpscope_session_user(session), session, fact);
}

static void held_finding(void *ctx, const struct smtpscope_finding *finding)
{
    (void)ctx;
    (void)finding;
}

/* A million sessions that only wait, or go as they should, must not cost more than this each; and all is given back. */
#define IDLE_JUDGE_MAX 48

/* In octets, before the session ends. */
static size_t judge_holds(const struct step *steps)
{
    struct held held = {0, 0};
    struct smtpscope_allocator allocator = {held_resize, &held};
    struct smtpscope_judge_config judge_config = {.allocator = &allocator, .finding = held_finding};
    struct smtpscope_session_config session_config = {.fact = held_fact};
    struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .seen = {true, true}};
    struct smtpscope_flow flow = {.first_packet = 1};
    struct smtpscope_judge *judge = smtpscope_judge_new(&judge_config);
    struct smtpscope_session *session = smtpscope_session_new(&session_config, &flow, judge);
    uint64_t sent[2] = {0, 0};
    size_t held_before;

    for (; steps->text; steps++) {
        enum smtpscope_side side = steps->side == 'C' ? SMTPSCOPE_CLIENT : SMTPSCOPE_SERVER;
        struct smtpscope_octets octets = {
            .side = side, .data = (const uint8_t *)steps->text, .len = steps->len, .offset = sent[side], .acked = sent[!side]};

        sent[side] += steps->len;
        smtpscope_session_feed(session, &octets);
    }
    held_before = held.octets;
    smtpscope_session_close(session, &ending);
    smtpscope_session_free(session);
    smtpscope_judge_free(judge);
    assert_int_equal(held.blocks, 0);
    return held_before;
}

static void test_memory(void **unused)
{
    static const struct step well[] = {HELLO,           ENVELOPE,         C("DATA\r\n"),
                                       S("354 go\r\n"), C("x\r\n.\r\n"),  S("250 ok\r\n"),
                                       C("QUIT\r\n"),   S("221 bye\r\n"), {0}};
    static const struct step refused[] = {HELLO,         C("VRFY x\r\n"),  S("502 5.5.1 VRFY command is disabled\r\n"),
                                          C("QUIT\r\n"), S("221 bye\r\n"), {0}};
    size_t idle = judge_holds(well), troubled = judge_holds(refused);

    (void)unused;
    if (idle > IDLE_JUDGE_MAX || troubled <= idle || troubled > 1024)
        fail_msg("a judge without findings holds %zu octets, with one %zu", idle, troubled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_many_kinds_of_trouble),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
