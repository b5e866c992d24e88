/* SPDX-License-Identifier: BSD-2-Clause */
/* The whole library behind its one entry: what goes in by segments and in clear, and what comes out, and when. */
#include "unit.h"

#include "smtpscope.h"

/* What was told, in words. */
static char heard[4096];
static unsigned opened, closed;

static void hear(const char *format, ...)
{
    size_t len = strlen(heard);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(heard + len, sizeof heard - len, format, arguments);
    va_end(arguments);
}

static void *on_opened(void *ctx, struct smtpscope_session *session)
{
    (void)ctx;
    assert_null(smtpscope_session_user(session));
    opened++;
    return session;
}

static void on_closed(void *ctx, const struct smtpscope_session *session, const struct smtpscope_ending *ending)
{
    (void)ctx;
    assert_ptr_equal(smtpscope_session_user(session), session);
    closed++;
    hear("%s@%u ", smtpscope_close_name(ending->why), (unsigned)ending->packet);
}

static void on_fact(void *ctx, struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    (void)ctx;
    assert_ptr_equal(smtpscope_session_user(session), session);
    if (fact->type == SMTPSCOPE_FACT_EXCHANGE && fact->exchange->reply->code >= 400)
        hear("[%s] ", smtpscope_reason_name(smtpscope_follow_reason(session, fact->exchange)));
    if (fact->type == SMTPSCOPE_FACT_END)
        hear("end%s ", fact->end->state->tls ? "(tls)" : "");
}

/* "rule*count" of a session, "rule+" across sessions, "rule-" when all ends; "!" told before, "?" and changed. */
static void on_finding(void *ctx, const struct smtpscope_session *session, const struct smtpscope_finding *finding)
{
    (void)ctx;
    if (smtpscope_rule_info(finding->rule)->family[0] == 't') /* transport and tls: not what is asked here */
        return;
    hear("%s", smtpscope_rule_info(finding->rule)->id);
    if (finding->id)
        hear("*%u%s%s", finding->count, finding->told ? "!" : "", finding->changed ? "?" : "");
    else
        hear(session ? "+" : "-");
    hear(" ");
}

static struct smtpscope_follow *begin(bool live, smtpscope_time patience)
{
    heard[0] = '\0';
    opened = closed = 0;
    return smtpscope_follow_new(&(struct smtpscope_follow_config){
        .live = live, .patience = patience, .opened = on_opened, .closed = on_closed, .fact = on_fact, .finding = on_finding});
}

/* Ends all, and compares what was heard since the beginning. */
static void end(struct smtpscope_follow *follow, const char *want)
{
    smtpscope_follow_finish(follow);
    assert_string_equal(heard, want);
    assert_int_equal(opened, closed);
    heard[0] = '\0';
    smtpscope_follow_finish(follow); /* there is nothing left to be told */
    smtpscope_follow_free(follow);
    assert_string_equal(heard, "");
}

/* A connection that goes on: where each side stands. */
struct connection {
    struct smtpscope_endpoint ends[2];
    uint32_t next[2];
};

static struct smtpscope_endpoint endpoint(uint8_t host, uint16_t port)
{
    return (struct smtpscope_endpoint){{[10] = 255, 255, 192, 0, 2, host}, port};
}

static struct connection connection_of(uint16_t client, uint16_t server)
{
    return (struct connection){{endpoint(1, client), endpoint(2, server)}, {100, 200}};
}

static uint64_t packet;
static smtpscope_time now;

static struct smtpscope_segment segment_of(struct connection *connection, enum smtpscope_side side, const char *text,
                                           uint8_t flags)
{
    struct smtpscope_segment segment = {.src = connection->ends[side],
                                        .dst = connection->ends[!side],
                                        .seq = connection->next[side],
                                        .ack = connection->next[!side],
                                        .flags = flags,
                                        .window = UINT16_MAX,
                                        .data = (const uint8_t *)text,
                                        .len = (uint32_t)strlen(text),
                                        .time = now,
                                        .packet = ++packet};

    connection->next[side] += segment.len + (flags & SMTPSCOPE_TCP_SYN ? 1 : 0);
    return segment;
}

/* Lines that begin with who says them, C or S. */
static void say(struct smtpscope_follow *follow, struct connection *connection, const char *const *lines)
{
    for (; *lines; lines++) {
        struct smtpscope_segment segment =
            segment_of(connection, **lines == 'S' ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT, *lines + 1, SMTPSCOPE_TCP_ACK);

        now += SMTPSCOPE_SECOND / 1000;
        segment.time = now;
        assert_true(smtpscope_follow_segment(follow, &segment));
    }
}

static void handshake(struct smtpscope_follow *follow, struct connection *connection)
{
    struct smtpscope_segment syn;

    now += SMTPSCOPE_SECOND;
    syn = segment_of(connection, SMTPSCOPE_CLIENT, "", SMTPSCOPE_TCP_SYN);
    smtpscope_follow_segment(follow, &syn);
    syn = segment_of(connection, SMTPSCOPE_SERVER, "", SMTPSCOPE_TCP_SYN | SMTPSCOPE_TCP_ACK);
    smtpscope_follow_segment(follow, &syn);
}

#define HELLO "S220 mx.example ESMTP\r\n", "CEHLO c.example\r\n", "S250 mx.example\r\n"
#define REFUSED "CRCPT TO:<a@mx.example>\r\n", "S503 5.5.1 Need MAIL first\r\n"
#define BYE "CQUIT\r\n", "S221 Bye\r\n"

static const char *const hello[] = {HELLO, NULL};
static const char *const refused[] = {REFUSED, NULL};
static const char *const bye[] = {BYE, NULL};

static void test_segments(void **unused)
{
    struct connection connection = connection_of(40000, 25), other = connection_of(40000, 80);
    struct smtpscope_follow *follow = begin(false, 0);
    struct smtpscope_segment segment = segment_of(&other, SMTPSCOPE_CLIENT, "GET /", SMTPSCOPE_TCP_ACK);

    (void)unused;
    packet = 0;
    assert_false(smtpscope_follow_segment(follow, &segment));
    handshake(follow, &connection);
    say(follow, &connection, hello);
    say(follow, &connection, refused);
    say(follow, &connection, refused);
    say(follow, &connection, bye);
    end(follow, "[(null)] [(null)] end sequence.rcpt-before-mail*2 end@11 ");
}

/* On a port that nobody watches: once adopted, it is followed by itself. */
static void test_adopted(void **unused)
{
    struct connection connection = connection_of(40000, 2526);
    struct smtpscope_follow *follow = begin(false, 0);
    struct smtpscope_segment segment;

    (void)unused;
    packet = 0;
    segment = segment_of(&connection, SMTPSCOPE_CLIENT, "", SMTPSCOPE_TCP_SYN);
    assert_false(smtpscope_follow_segment(follow, &segment));
    smtpscope_follow_adopt(follow, &segment);
    say(follow, &connection, hello);
    say(follow, &connection, refused);
    end(follow, "[(null)] end security.unexpected-port*1 sequence.rcpt-before-mail*1 end@6 ");
}

/* Told when the patience is over, and once more at the end; unchanged, or changed. */
static void test_live(void **unused)
{
    struct connection connection = connection_of(40000, 25);
    struct smtpscope_follow *follow = begin(true, 10);

    (void)unused;
    packet = 0;
    smtpscope_follow_tell(follow, 1000);
    handshake(follow, &connection);
    say(follow, &connection, hello);
    say(follow, &connection, refused);
    smtpscope_follow_tell(follow, 1009);
    assert_string_equal(heard, "[(null)] ");
    smtpscope_follow_tell(follow, 1010);
    assert_string_equal(heard, "[(null)] sequence.rcpt-before-mail*1 ");
    smtpscope_follow_tell(follow, 2000);
    assert_string_equal(heard, "[(null)] sequence.rcpt-before-mail*1 ");
    say(follow, &connection, refused);
    say(follow, &connection, bye);
    end(follow, "[(null)] sequence.rcpt-before-mail*1 [(null)] end sequence.rcpt-before-mail*2!? end@11 ");
}

/* What waits when the capture is dropped is never told; the session is still closed for its owner. */
static void test_dropped(void **unused)
{
    struct connection connection = connection_of(40000, 25);
    struct smtpscope_follow *follow = begin(true, 10);
    struct smtpscope_flow flow = {.side = {endpoint(3, 1), endpoint(4, 465)}, .first_packet = 1};

    (void)unused;
    packet = 0;
    say(follow, &connection, hello);
    say(follow, &connection, refused);
    assert_non_null(smtpscope_follow_open(follow, &flow));
    heard[0] = '\0';
    smtpscope_follow_free(follow);
    assert_string_equal(heard, "end@5 end@1 ");
    assert_int_equal(opened, 2);
    assert_int_equal(closed, 2);
}

static void say_clear(struct smtpscope_follow *follow, struct smtpscope_session *session, bool encrypted,
                      const char *const *lines)
{
    for (; *lines; lines++)
        smtpscope_follow_clear(follow, session,
                               &(struct smtpscope_octets){.side = **lines == 'S' ? SMTPSCOPE_SERVER : SMTPSCOPE_CLIENT,
                                                          .data = (const uint8_t *)*lines + 1,
                                                          .len = strlen(*lines + 1),
                                                          .time = now,
                                                          .packet = ++packet},
                               encrypted);
}

static struct smtpscope_session *session_seen;

static void *on_opened_seen(void *ctx, struct smtpscope_session *session)
{
    session_seen = session;
    return on_opened(ctx, session);
}

/* STARTTLS in the stream, then its records and, by the caller, what is in them: the records are not read. */
static void test_decrypted(void **unused)
{
    static const char *const starttls[] = {"S220 mx.example ESMTP\r\n",
                                           "CEHLO c.example\r\n",
                                           "S250-mx.example\r\n250 STARTTLS\r\n",
                                           "CSTARTTLS\r\n",
                                           "S220 go\r\n",
                                           NULL};
    static const char *const records[] = {"C\x16\x03\x01\x01\x05hello", "S\x16\x03\x03\x01\x05hello", NULL};
    static const char *const more[] = {"C\x17\x03\x03\x01\x05secret", "S\x17\x03\x03\x01\x05secret", NULL};
    static const char *const inside[] = {"CEHLO c.example\r\n", "S250 mx.example\r\n", REFUSED, NULL};
    struct connection connection = connection_of(40000, 25);
    struct smtpscope_follow *follow;

    (void)unused;
    packet = 0;
    heard[0] = '\0';
    opened = closed = 0;
    follow = smtpscope_follow_new(&(struct smtpscope_follow_config){
        .opened = on_opened_seen, .closed = on_closed, .fact = on_fact, .finding = on_finding});
    handshake(follow, &connection);
    say(follow, &connection, starttls);
    say(follow, &connection, records);
    say_clear(follow, session_seen, true, inside);
    say(follow, &connection, more);
    say_clear(follow, session_seen, true, bye);
    /* Lost segments are lost octets of the session too; where they would stand, nobody knows. */
    connection.next[SMTPSCOPE_CLIENT] += 100;
    say(follow, &connection, more);
    end(follow, "[(null)] end(tls) sequence.rcpt-before-mail*1 end@19 ");
}

/* Sessions of the caller's own: closed by it, the last times filled in, or with all others in the order of their opening. */
static void test_opened_by_the_caller(void **unused)
{
    static const char *const inside[] = {HELLO, REFUSED, NULL};
    struct smtpscope_follow *follow = begin(false, 0);
    struct smtpscope_session *sessions[3];

    (void)unused;
    packet = 0;
    for (unsigned i = 0; i < 3; i++)
        sessions[i] =
            smtpscope_follow_open(follow, &(struct smtpscope_flow){.side = {endpoint(1, (uint16_t)(i + 1)), endpoint(2, 465)},
                                                                   .first_packet = i + 1});
    say_clear(follow, sessions[1], true, inside);
    say_clear(follow, sessions[2], false, inside);
    smtpscope_follow_close(follow, sessions[1], &(struct smtpscope_ending){.why = SMTPSCOPE_CLOSE_RESET, .seen = {true, true}});
    assert_string_equal(heard, "[(null)] [(null)] end(tls) sequence.rcpt-before-mail*1 reset@5 ");
    heard[0] = '\0';
    end(follow, "end end@1 end sequence.rcpt-before-mail*1 end@10 ");
}

/* A great many of them end in no more time than that takes. */
static void test_many_opened_by_the_caller(void **unused)
{
    struct smtpscope_follow *follow = begin(false, 0);

    (void)unused;
    for (unsigned i = 0; i < 200000; i++)
        smtpscope_follow_open(follow,
                              &(struct smtpscope_flow){.side = {endpoint(1, 1), endpoint(2, 465)}, .first_packet = i + 1});
    smtpscope_follow_free(follow);
    assert_int_equal(opened, 200000);
    assert_int_equal(closed, 200000);
}

/* Deferred, tried again at once, and never again while the capture goes on. */
static void test_across(void **unused)
{
    static const char *const talk[] = {HELLO,
                                       "CMAIL FROM:<a@c.example>\r\n",
                                       "S250 Ok\r\n",
                                       "CRCPT TO:<a@mx.example>\r\n",
                                       "S450 4.2.0 Greylisted, try again later\r\n",
                                       BYE,
                                       NULL};
    struct smtpscope_follow *follow = begin(false, 0);

    (void)unused;
    packet = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct connection connection = connection_of((uint16_t)(40000 + i), 25);

        handshake(follow, &connection);
        say(follow, &connection, talk);
    }
    smtpscope_follow_expire(follow, now + 5 * 3600 * SMTPSCOPE_SECOND);
    end(follow, "[greylisted] [greylisted] end deferral.greylisted*1 idle@11 deferral.retry-too-soon+ end "
                "deferral.greylisted*1 idle@22 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_adopted),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_dropped),
        cmocka_unit_test(test_decrypted),
        cmocka_unit_test(test_opened_by_the_caller),
        cmocka_unit_test(test_many_opened_by_the_caller),
        cmocka_unit_test(test_across),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
