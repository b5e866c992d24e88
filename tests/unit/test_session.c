/* SPDX-License-Identifier: BSD-2-Clause */
/* What a session's octets are told as: pairing, pipelining, DATA, BDAT, STARTTLS, greetings, odd lines, smuggling. */
#include "test_session.h"

static const struct conversation pairing[] = {
    {"one message",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n.\r\n"), S("250 2.0.0 queued\r\n"), C("QUIT\r\n"),
      S("221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 .=250 message:accepted/250:3 QUIT=221"},
    {"pipelined",
     false,
     {HELLO, C("MAIL FROM:<a>\r\nRCPT TO:<b>\r\nRCPT TO:<c>\r\nDATA\r\n"), S("250 ok\r\n450 later\r\n550 no\r\n554 none\r\n"),
      C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG "MAIL[FROM:<a>]=250 RCPT[TO:<b>]=450 RCPT[TO:<c>]=550 DATA=554 QUIT=221 transaction:deferred/0:0"},
    {"two messages, the second pipelined behind the first's end",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n.\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n"),
      S("250 one\r\n250 ok\r\n250 ok\r\n354 go\r\n"), C("yy\r\n.\r\n"), S("451 later\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 .=250 message:accepted/250:3 MAIL[FROM:<a>]=250 RCPT[TO:<b>]=250 DATA=354 .=451 "
                            "message:deferred/451:4"},
    {"421 out of the blue", false, {HELLO, S("421 idle\r\n")}, HELLO_LOG "?=421"},
    {"unanswered at the end", false, {HELLO, C("NOOP\r\nVRFY x\r\n")}, HELLO_LOG "NOOP! VRFY[x]!"},
    {"an unfinished line at the end", false, {HELLO, C("NOO")}, HELLO_LOG "NOO!"},
    {"RSET ends a transaction",
     false,
     {HELLO, ENVELOPE, C("RSET\r\n"), S("250 ok\r\n")},
     HELLO_LOG ENVELOPE_LOG "RSET=250 transaction:given-up/0:0"},
};

static const struct conversation data[] = {
    {"sent before the 354",
     false,
     {HELLO, ENVELOPE, C("DATA\r\nx\r\n.\r\nQUIT\r\n"), S("354 go\r\n"), S("250 ok\r\n221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 .=250 message:accepted/250:3 QUIT=221"},
    {"sent before a refusal",
     false,
     {HELLO, ENVELOPE, C("DATA\r\nRSET\r\nQUIT\r\n"), S("451 no\r\n250 ok\r\n221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=451 RSET=250 transaction:deferred/451:0 QUIT=221"},
    {"250 to DATA is no 354",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("250 ok\r\n"), C("NOOP\r\n"), S("250 ok\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=250 NOOP=250 transaction:given-up/0:0"},
    {"lost inside",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 message:lost/0:3"},
    {"lost behind the end",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n.\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 message:unknown/0:6 .!"},
    {"refused before its end",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("x\r\n"), S("552 too big\r\n"), C("y\r\n.\r\nQUIT\r\n"),
      S("221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 .=552 message:refused/552:6 QUIT=221"},
    {"stuffed dots do not count",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("..a\r\n...\r\n.\r\n"), S("250 ok\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 .=250 message:accepted/250:8"},
};

static const struct conversation bdat[] = {
    {"two chunks",
     false,
     {HELLO, ENVELOPE, C("BDAT 6\r\nQUIT\r\n"), S("250 ok\r\n"), C("BDAT 2 LAST\r\n.\n"), S("250 ok\r\n"), C("QUIT\r\n"),
      S("221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "BDAT[6]=250 BDAT[2 LAST]=250 message:accepted/250:8 QUIT=221"},
    {"an empty last chunk",
     false,
     {HELLO, ENVELOPE, C("BDAT 3\r\nabc"), S("250 ok\r\n"), C("BDAT 0 LAST\r\n"), S("250 ok\r\n")},
     HELLO_LOG ENVELOPE_LOG "BDAT[3]=250 BDAT[0 LAST]=250 message:accepted/250:3"},
    {"all in one",
     false,
     {HELLO, ENVELOPE, C("BDAT 3\r\nabcBDAT 1 LAST\r\nxQUIT\r\n"), S("250 ok\r\n250 ok\r\n221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "BDAT[3]=250 BDAT[1 LAST]=250 message:accepted/250:4 QUIT=221"},
    {"refused, the chunk sent all the same",
     false,
     {HELLO, C("BDAT 6 LAST\r\n"), S("503 no\r\n"), C("abcdefQUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG "BDAT[6 LAST]=503 QUIT=221"},
    {"refused, the chunk never sent",
     false,
     {HELLO, C("BDAT 60 LAST\r\n"), S("503 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG "BDAT[60 LAST]=503 QUIT=221"},
    {"more than 32 bits",
     false,
     {HELLO, ENVELOPE, C("BDAT 4294967297\r\nQUIT\r\nQUIT\r\n")},
     HELLO_LOG ENVELOPE_LOG "message:lost/0:12 BDAT[4294967297]!"},
    {"more than 64 bits",
     false,
     {HELLO, C("BDAT 99999999999999999999999\r\n"), S("501 no\r\n")},
     HELLO_LOG "BDAT[99999999999999999999999]=501"},
    {"a gap inside a chunk is bridged",
     false,
     {HELLO, ENVELOPE, C("BDAT 100 LAST\r\nab"), C_GAP(90), C("yzyzyzyzQUIT\r\n"), S("250 ok\r\n221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "gap:C:message BDAT[100 LAST]=250 message:accepted/250:100 QUIT=221"},
    {"a gap that is the chunk",
     false,
     {HELLO, ENVELOPE, C("BDAT 100 LAST\r\n"), C_GAP(100), S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "gap:C:message BDAT[100 LAST]=250 message:accepted/250:100 QUIT=221"},
};

static const struct conversation starttls[] = {
    {"accepted",
     false,
     {HELLO, C("STARTTLS\r\n"), S("220 go\r\n"), C("\x16\x03\x01 QUIT\r\n"), S("\x16\x03\x03 221 x\r\n")},
     HELLO_LOG "STARTTLS=220 tls:started"},
    {"refused",
     false,
     {HELLO, C("STARTTLS\r\n"), S("454 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG "STARTTLS=454 QUIT=221"},
    {"commands injected",
     false,
     {HELLO, C("STARTTLS\r\nNOOP\r\n"), S("220 go\r\n"), C("\x16\x03\x01 x"), S("\x16\x03\x03 y")},
     HELLO_LOG "STARTTLS=220 tls:command-injection tls:started"},
    {"not followed",
     false,
     {HELLO, C("STARTTLS\r\n"), S("220 go\r\n"), C("NOOP\r\n"), S("250 ok\r\n")},
     HELLO_LOG "STARTTLS=220 tls:not-followed NOOP=250"},
    {"not followed, and the server alerts",
     false,
     {HELLO, C("STARTTLS\r\n"), S("220 go\r\n"), C("NOOP\r\n"), S("\x15\x03\x01\x00\x02\x02\x0a")},
     HELLO_LOG "STARTTLS=220 tls:not-followed NOOP!"},
    {"TLS without waiting",
     false,
     {HELLO, C("STARTTLS\r\n\x16\x03\x01 x"), S("220 go\r\n"), S("\x16\x03\x03 y")},
     HELLO_LOG "STARTTLS=220 tls:started"},
    {"a gap inside TLS",
     false,
     {HELLO, C("STARTTLS\r\n"), S("220 go\r\n"), C("\x16\x03\x01 x"), C_GAP(9), C("QUIT\r\n")},
     HELLO_LOG "STARTTLS=220 tls:started gap:C:tls"},
};

static const struct conversation greetings[] = {
    {"several lines",
     false,
     {S("220-mx.example\r\n220-no spam\r\n220 ready\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     "greeting=220 QUIT=221"},
    {"554", false, {S("554 go away\r\n"), C("QUIT\r\n"), S("221 bye\r\n")}, "greeting=554 QUIT=221"},
    {"421", false, {S("421 too busy\r\n")}, "greeting=421"},
    {"a teaser that is never finished",
     false,
     {S("220-mx.example\r\n"), C("EHLO x\r\n"), S("550 5.5.1 Protocol error\r\n")},
     "(EHLO[x]) greeting=220 EHLO[x]=550"},
    {"a teaser that is finished",
     false,
     {S("220-mx.example\r\n"), S("220 mx.example ESMTP\r\n"), C("QUIT\r\n"), S("221 x\r\n")},
     "greeting=220 QUIT=221"},
    {"an early talker", false, {C("EHLO x\r\n"), S("220 mx\r\n250 mx\r\n")}, "(EHLO[x]) greeting=220 EHLO[x]=250"},
    {"codes that change",
     false,
     {S("220-a\r\n250 b\r\n"), C("NOOP\r\n"), S("250-a\r\n451 b\r\n")},
     "greeting=220 ?=250 NOOP=451"},
    {"a server that is none", false, {S("SSH-2.0-x\r\n")}, "?=0"},
};

static const struct conversation odd_lines[] = {
    {"bare LF", false, {HELLO, C("NOOP\n"), S("250 ok\n"), C("QUIT\n"), S("221 bye\n")}, HELLO_LOG "NOOP=250 QUIT=221"},
    {"lower case",
     false,
     {HELLO, C("mail from:<a>\r\n"), S("250 ok\r\n")},
     HELLO_LOG "MAIL[from:<a>]=250 transaction:given-up/0:0"},
    {"an unknown verb", false, {HELLO, C("Frob it\r\n"), S("500 what\r\n")}, HELLO_LOG "FROB=500"},
    {"garbage and NUL",
     false,
     {HELLO, C("\x01\0\xff\r\n\0\r\n\r\n"), S("500 a\r\n500 b\r\n500 c\r\n")},
     HELLO_LOG "(raw)=500 (raw)=500 (raw)=500"},
    {"a reply that is none", false, {HELLO, C("NOOP\r\n"), S("hm\r\n250 ok\r\n")}, HELLO_LOG "?=0 NOOP=250"},
    {"a code without text", false, {HELLO, C("NOOP\r\n"), S("250\r\n")}, HELLO_LOG "NOOP=250"},
    {"HTTP with commands in it",
     false,
     {S("220 mx\r\n"), C("POST / HTTP/1.1\r\nHost: x\r\nMAIL FROM:<a>\r\n"), S("500 a\r\n500 b\r\n503 c\r\n")},
     "greeting=220 alien:HTTP cross:MAIL[FROM:<a>] (raw)[POST]=500 (raw)[Host:]=500 MAIL[FROM:<a>]=503"},
    {"WebDAV",
     false,
     {S("220 mx\r\n"), C("PROPFIND / HTTP/1.1\r\n"), S("500 a\r\n")},
     "greeting=220 alien:HTTP (raw)[PROPFIND]=500"},
    {"a name of other letters",
     false,
     {S("220 mx\r\n"), C("EHLO \xca\xee\xec\xef\r\n"), S("250 mx\r\n")},
     "greeting=220 EHLO[????]=250"},
    {"a hello behind a byte order mark",
     false,
     {S("220 mx\r\n"),
      C("\xef\xbb\xbf"
        "EHLO x\r\n"),
      S("500 a\r\n")},
     "greeting=220 (raw)=500"},
    {"a hello within a word",
     false,
     {S("220 mx\r\n"), C("\xef\xbb\xbfXEHLO x\r\n"), S("500 a\r\n")},
     "greeting=220 alien:binary (raw)=500"},
};

static const struct conversation smuggling[] = {
    {"not taken",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("a\n.\nMAIL FROM:<e>\r\n.\r\n"), S("250 one\r\n"), C("QUIT\r\n"),
      S("221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 .=250 message:accepted/250:19 QUIT=221"},
    {"taken",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("a\n.\nMAIL FROM:<e>\r\nRCPT TO:<f>\r\nDATA\r\nb\r\n.\r\n"),
      S("250 one\r\n250 ok\r\n250 ok\r\n354 go\r\n250 two\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG ENVELOPE_LOG
     "DATA=354 .=250 message:accepted/250:1:taken ~MAIL[FROM:<e>]=250 ~RCPT[TO:<f>]=250 ~DATA=354 ~.=250 "
     "message:accepted/250:3 QUIT=221"},
    {"a look-alike with nothing behind it",
     false,
     {HELLO, ENVELOPE, C("DATA\r\n"), S("354 go\r\n"), C("a\n.\nb\r\n.\r\n"), S("250 ok\r\n")},
     HELLO_LOG ENVELOPE_LOG "DATA=354 .=250 message:accepted/250:7"},
};

#define REPLY(text) (text), sizeof(text) - 1

static const struct hello_row {
    const char *label, *reply;
    size_t len;
    uint64_t want_extensions, want_size;
} hellos[] = {
    {"a size", REPLY("250-mx\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"),
     SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SIZE) | SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS), 1000},
    {"a size without a number hides nothing", REPLY("250-mx\r\n250-SIZE\r\n250-STARTTLS\r\n250 PIPELINING\r\n"),
     SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SIZE) | SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS) |
         SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_PIPELINING),
     0},
    {"a size without a number at the end", REPLY("250-mx\r\n250 SIZE\r\n"), SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SIZE), 0},
    {"a keyword with NUL in it", REPLY("250-mx\r\n250-SIZE\0XXXXXXXXXXXXXXXXXXXXXX\r\n250 STARTTLS\r\n"),
     SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS), 0},
    {"lower case, and the old AUTH=", REPLY("250-mx\r\n250-starttls\r\n250 AUTH=LOGIN\r\n"),
     SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_STARTTLS) | SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_AUTH), 0},
};

static void test_hello(void **unused)
{
    static struct follow follow;

    (void)unused;
    for (size_t i = 0; i < unit_count(hellos); i++) {
        struct smtpscope_ending ending = {.why = SMTPSCOPE_CLOSE_FIN, .seen = {true, true}};
        const struct smtpscope_state *state;

        follow_init(&follow, NULL, false);
        follow_feed(&follow, SMTPSCOPE_SERVER, "220 mx\r\n", 8, 0);
        follow_feed(&follow, SMTPSCOPE_CLIENT, "EHLO x\r\n", 8, 0);
        follow_feed(&follow, SMTPSCOPE_SERVER, hellos[i].reply, hellos[i].len, 0);
        state = smtpscope_session_state(follow.session);
        if (state->extensions != hellos[i].want_extensions || state->size_limit != hellos[i].want_size)
            fail_msg("%s: %#llx, size %llu", hellos[i].label, (unsigned long long)state->extensions,
                     (unsigned long long)state->size_limit);
        follow_close(&follow, &ending);
    }
}

#define RUN(name)                                                                                                              \
    static void test_##name(void **unused)                                                                                     \
    {                                                                                                                          \
        (void)unused;                                                                                                          \
        conversations_run(name, unit_count(name));                                                                             \
    }
RUN(pairing)
RUN(data)
RUN(bdat)
RUN(starttls)
RUN(greetings)
RUN(odd_lines)
RUN(smuggling)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairing),   cmocka_unit_test(test_data),      cmocka_unit_test(test_bdat),
        cmocka_unit_test(test_starttls),  cmocka_unit_test(test_greetings), cmocka_unit_test(test_odd_lines),
        cmocka_unit_test(test_smuggling), cmocka_unit_test(test_hello),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
