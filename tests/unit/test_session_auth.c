/* SPDX-License-Identifier: BSD-2-Clause */
/* No secret ever leaves the parser: each dialogue's facts and findings are searched for it, in clear and as it was sent. */
#include "test_session.h"

/* user "tim@c.example", password "tanstaaf!": as AUTH PLAIN, and as the two answers of AUTH LOGIN */
#define PASSWORD "tanstaaf!"
#define PLAIN "AHRpbUBjLmV4YW1wbGUAdGFuc3RhYWYh"
#define LOGIN_USER "dGltQGMuZXhhbXBsZQ=="
#define LOGIN_PASSWORD "dGFuc3RhYWYh"
#define CRAM "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"

static const char *const secrets[] = {PASSWORD, PLAIN, LOGIN_PASSWORD, CRAM};

static const struct conversation dialogues[] = {
    {"PLAIN with an initial response",
     false,
     {HELLO, C("AUTH PLAIN " PLAIN "\r\n"), S("235 2.7.0 ok\r\n"), C("NOOP\r\n"), S("250 ok\r\n")},
     HELLO_LOG "AUTH[PLAIN]=235 NOOP=250"},
    {"PLAIN without",
     false,
     {HELLO, C("AUTH PLAIN\r\n"), S("334 \r\n"), C(PLAIN "\r\n"), S("235 ok\r\n")},
     HELLO_LOG "AUTH[PLAIN]=334 (auth)=235"},
    {"LOGIN",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C(LOGIN_USER "\r\n"), S("334 UGFzc3dvcmQ6\r\n"),
      C(LOGIN_PASSWORD "\r\n"), S("535 5.7.8 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n")},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)=334 (auth)=535 QUIT=221"},
    {"LOGIN with the user as initial response",
     false,
     {HELLO, C("AUTH LOGIN " LOGIN_USER "\r\n"), S("334 UGFzc3dvcmQ6\r\n"), C(LOGIN_PASSWORD "\r\n"), S("235 ok\r\n")},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)=235"},
    {"CRAM-MD5",
     false,
     {HELLO, C("AUTH CRAM-MD5\r\n"), S("334 PDEyMzRAbXguZXhhbXBsZT4=\r\n"), C(CRAM "\r\n"), S("235 ok\r\n")},
     HELLO_LOG "AUTH[CRAM-MD5]=334 (auth)=235"},
    {"cancelled",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C("*\r\n"), S("501 cancelled\r\n"), C("QUIT\r\n"),
      S("221 bye\r\n")},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)=501 QUIT=221"},
    {"pipelined LOGIN",
     false,
     {HELLO, C("AUTH LOGIN\r\n" LOGIN_USER "\r\n" LOGIN_PASSWORD "\r\n"),
      S("334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 ok\r\n")},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)=334 (auth)=235"},
    {"refused, and the client sends it all the same",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("503 5.5.1 not here\r\n"), C(LOGIN_USER "\r\n"), S("500 what\r\n"),
      C(LOGIN_PASSWORD "\r\n"), S("500 what\r\n")},
     HELLO_LOG "AUTH[LOGIN]=503 (auth)=500 (auth)=500"},
    {"refused behind it",
     false,
     {HELLO, C("AUTH LOGIN\r\n" LOGIN_USER "\r\n" LOGIN_PASSWORD "\r\n"), S("503 no\r\n500 what\r\n500 what\r\n")},
     HELLO_LOG "AUTH[LOGIN]=503 (auth)=500 (auth)=500"},
    {"the server repeats the command",
     false,
     {HELLO, C("AUTH PLAIN " PLAIN "\r\n"), S("502 5.5.2 unknown: AUTH PLAIN " PLAIN "\r\n")},
     HELLO_LOG "AUTH[PLAIN]=502"},
    {"the server repeats a short password in a later reply",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C(LOGIN_USER "\r\n"), S("334 UGFzc3dvcmQ6\r\n"),
      C(LOGIN_PASSWORD "\r\n"), S("535 5.7.8 no\r\n"), C("NOOP\r\n"), S("250 last was " LOGIN_PASSWORD "\r\n")},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)=334 (auth)=535 NOOP=250"},
    {"the server repeats the answer",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("503 no\r\n"), C(LOGIN_PASSWORD "\r\n"),
      S("500-unrecognized\r\n500 \"" LOGIN_PASSWORD "\"\r\n")},
     HELLO_LOG "AUTH[LOGIN]=503 (auth)=500"},
    {"the server repeats it a reply later",
     false,
     {HELLO, C("AUTH PLAIN " PLAIN "\r\n"), S("502 unknown\r\n"), C("NOOP\r\n"), S("250 your last command was " PLAIN "\r\n")},
     HELLO_LOG "AUTH[PLAIN]=502 NOOP=250"},
    {"the server repeats it in clear",
     false,
     {HELLO, C("AUTH PLAIN " PLAIN "\r\n"), S("535 no user tim with password " PASSWORD "\r\n")},
     HELLO_LOG "AUTH[PLAIN]=535"},
    {"the server repeats the answer in clear",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C(LOGIN_USER "\r\n"), S("334 UGFzc3dvcmQ6\r\n"),
      C(LOGIN_PASSWORD "\r\n"), S("535 wrong password " PASSWORD "\r\n")},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)=334 (auth)=535"},
    {"a client that sends it in clear",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C("tim\r\n"), S("334 UGFzc3dvcmQ6\r\n"), C(PASSWORD "\r\n"),
      S("535 no: " PASSWORD "\r\n")},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)=334 (auth)=535"},
    {"before the greeting",
     false,
     {C("AUTH PLAIN " PLAIN "\r\n"), S("220 mx\r\n503 no\r\n")},
     "(AUTH[PLAIN]) greeting=220 AUTH[PLAIN]=503"},
    {"no mechanism", false, {HELLO, C("AUTH " PLAIN "\r\n"), S("504 no\r\n")}, HELLO_LOG "AUTH=504"},
    {"a tab, more spaces, lower case",
     false,
     {HELLO, C("auth\tplain   " PLAIN "\r\n"), S("535 no\r\n")},
     HELLO_LOG "AUTH[plain]=535"},
    {"unfinished at the end",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C(LOGIN_PASSWORD)},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)!"},
    {"unanswered", false, {HELLO, C("AUTH PLAIN " PLAIN "\r\n")}, HELLO_LOG "AUTH[PLAIN]!"},
    {"an answer that looks like a command",
     false,
     {HELLO, C("AUTH LOGIN\r\n"), S("334 UGFzc3dvcmQ6\r\n"), C("MAIL FROM:<a> SIZE=9 " PASSWORD "\r\n"), S("535 no\r\n")},
     HELLO_LOG "AUTH[LOGIN]=334 (auth)=535"},
    {"the command lost, the challenge seen",
     false,
     {HELLO, C_GAP(12), S("334 VXNlcm5hbWU6\r\n"), C(LOGIN_USER "\r\n"), S("334 UGFzc3dvcmQ6\r\n"), C(LOGIN_PASSWORD "\r\n"),
      S("535 no\r\n")},
     HELLO_LOG "gap:C:commands ?=334 (auth)=334 (auth)=535"},
    {"the line cut by a gap",
     false,
     {HELLO, C("AUTH PL"), C_GAP(4), C(PLAIN "\r\n"), S("535 no\r\n"), C("NOOP\r\n"), S("250 ok\r\n")},
     HELLO_LOG "gap:C:commands (raw)=535 NOOP=250"},
    {"command and first challenge lost",
     false,
     {HELLO, C_GAP(12), S_GAP(18), C(LOGIN_USER "\r\n"), S("334 UGFzc3dvcmQ6\r\n"), C(LOGIN_PASSWORD "\r\n"), S("535 no\r\n")},
     NULL},
    {"from the middle on",
     true,
     {C(LOGIN_USER "\r\n"), S("334 UGFzc3dvcmQ6\r\n"), C(LOGIN_PASSWORD "\r\n"), S("535 no\r\n")},
     NULL},
    {"from the last answer on", true, {C(LOGIN_PASSWORD "\r\n"), S("535 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n")}, NULL},
    {"from the challenge on", true, {S("334 UGFzc3dvcmQ6\r\n"), C(LOGIN_PASSWORD "\r\n"), S("535 no\r\n")}, NULL},
};

static void test_no_secret(void **unused)
{
    static const size_t cuts[] = {0, 1, 2, 3, 7, 16};
    static struct log log;
    bool failed = false;

    (void)unused;
    memcpy(log.secrets, secrets, sizeof secrets);
    for (size_t i = 0; i < unit_count(dialogues); i++)
        for (size_t j = 0; j < unit_count(cuts); j++) {
            log.label = dialogues[i].label;
            steps_replay(dialogues[i].steps, dialogues[i].midstream, cuts[j], NULL, &log);
            if (dialogues[i].want && strcmp(log.words, dialogues[i].want)) {
                print_error("%s, cut %zu\n  want %s\n  has  %s\n", dialogues[i].label, cuts[j], dialogues[i].want, log.words);
                failed = true;
                break;
            }
        }
    assert_false(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_secret)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
