/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a command and of a reply may be shown. tests/secrets has whole sessions; here is each decision by itself. */
#include "unit.h"

#include "smtp/shown/secret.h"
#include "smtp/shown/shown.h"
#include "smtp/syntax/base64.h"
#include "smtp/syntax/command.h"
#include "smtp/syntax/words.h"

static const struct smtpscope_session_config config;

struct line_row {
    const char *line;
    bool auth_seen;
    const char *name, *argument, *path, *unknown_parameter;
};

static const struct line_row lines[] = {
    {"EHLO mx.example", false, "EHLO", "mx.example", "mx.example", ""},
    {"EHLO bob:secret@mx.example", false, "EHLO", "bob", "bob", ""},
    {"EHLO mx.example AUTH x", false, "EHLO", "mx.example AUTH", "mx.example AUTH", ""},
    {"EHLO a\rAUTH x", false, "EHLO", "a", "a", ""},
    {"EHLO my host", false, "EHLO", "my host", "my host", ""},
    {"MAIL FROM:<a@b.example> SIZE=12 FOO=1", false, "MAIL", "FROM:<a@b.example> SIZE=12 FOO=1", "a@b.example", "FOO=1"},
    {"MAIL FROM:<a@b.example> AUTH=<> SIZE=12", false, "MAIL", "FROM:<a@b.example> AUTH=<> SIZE=12", "a@b.example", ""},
    {"MAIL FROM:<a@b.example> AUTH=c@d SIZE=12", false, "MAIL", "FROM:<a@b.example> AUTH=", "a@b.example", ""},
    {"MAIL FROM:<a@b.example> XPASS=c", false, "MAIL", "FROM:<a@b.example> XPASS=", "a@b.example", "XPASS="},
    {"MAIL FROM:<a@b.example> X=aB3dE5gH", false, "MAIL", "FROM:<a@b.example> X=", "a@b.example", "X="},
    {"MAIL FROM:<bob:secret@b.example>", false, "MAIL", "FROM:<bob", "bob", ""},
    {"MAIL FROM:<mailto:bob@b.example>", false, "MAIL", "FROM:<mailto:bob@b.example>", "mailto:bob@b.example", ""},
    {"RCPT TO:<@a,@b:c@d.example>", false, "RCPT", "TO:<@a,@b:c@d.example>", "@a,@b:c@d.example", ""},
    {"RCPT TO:<\"a:b\"@d.example>", false, "RCPT", "TO:<\"a", "\"a", ""},
    {"RCPT TO:<a\001b@d.example>", false, "RCPT", "TO:<a", "a", ""},
    {"MAIL FROM: aB3dE5gH", false, "MAIL", "FROM: ", "", ""},
    {"MAIL bob@b.example LOGIN x", false, "MAIL", "bob@b.example LOGIN", "", ""},
    {"AUTH plain AGEAYg==", false, "AUTH", "plain", "", ""},
    {"AUTH AGEAYg==", false, "AUTH", "", "", ""},
    {"BURL imap://a:b@c LAST", false, "BURL", "", "", ""},
    {"BDAT 12 LAST", false, "BDAT", "12 LAST", "", ""},
    {"BDAT 12 LAST", true, "BDAT", "12 LAST", "", ""},
    {"NOOP with args", false, "NOOP", "with args", "", ""},
    {"NOOP arguments", true, "NOOP", "", "", ""},
    {"NOOP password x", false, "NOOP", "password", "", ""},
    {"VRFY joe.smith", true, "VRFY", "joe.smith", "", ""},
    {"XCLIENT NAME=a1b2c3d4 LOGIN=x", false, "XCLIENT", "NAME=a1b2c3d4 LOGIN=", "", ""},
    {"XYZZY 1 2 3", false, "XYZZY", "", "", ""},
    {"XYZZY", true, "(hidden)", "", "", ""},
    {"Xyzzy", false, "Xyzzy", "", "", ""},
    {"XyzzY", false, "(hidden)", "", "", ""},
    {"XYZZY1", false, "(hidden)", "", "", ""},
    {"XYZZYXYZ", false, "(hidden)", "", "", ""},
    {"CAPABILITY", false, "CAPABILITY", "", "", ""},
    {"a1 LOGIN bob x", false, "(hidden)", "", "", ""},
    {"Host: mx.example", false, "(raw)", "Host:", "", ""},
    {"Authorization: Basic x", false, "(raw)", "Authorization:", "", ""},
    {"secret", true, "(hidden)", "", "", ""},
    {"\001\002", false, "(raw)", "", "", ""},
};

static bool text_is(struct smtpscope_text text, const char *want)
{
    return text.len == strlen(want) && (!text.len || !memcmp(text.at, want, text.len));
}

static void session_end(struct smtpscope_session *session)
{
    secrets_free(session);
    free(session->extra);
}

static void test_commands(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(lines); i++) {
        const struct line_row *row = &lines[i];
        size_t len = strlen(row->line);
        struct unit_guarded guarded = unit_guarded_init(row->line, len);
        struct smtpscope_session session = {.config = &config, .auth_seen = row->auth_seen};
        struct smtpscope_command command = {.len = (uint32_t)(len + 2)};
        const char *line = (const char *)guarded.data;

        unsigned seen = command_parse(&command, line, len);

        command_show(&session, &command, line, len, seen, true);
        if (!text_is(smtpscope_command_name(&command), row->name) || !text_is(command.argument, row->argument) ||
            !text_is(command.path, row->path) || !text_is(command.unknown_parameter, row->unknown_parameter))
            fail_msg("\"%s\": name \"%.*s\", argument \"%.*s\", path \"%.*s\", unknown parameter \"%.*s\"", row->line,
                     (int)command.name.len, command.name.at, (int)command.argument.len, command.argument.at,
                     (int)command.path.len, command.path.at, (int)command.unknown_parameter.len, command.unknown_parameter.at);
        session_end(&session);
        unit_guarded_fini(&guarded);
    }
}

static const struct reply_row {
    const char *label;
    enum secret_kind kind;
    const char *sent; /* NULL: nothing */
    enum smtpscope_verb verb;
    uint16_t code;
    const char *text, *want;
} replies[] = {
    {"nothing is secret", 0, NULL, SMTPSCOPE_VERB_RCPT, 550, "5.1.1 aB3dE5gH is no user", "5.1.1 aB3dE5gH is no user"},
    {"a login in a URL", 0, NULL, SMTPSCOPE_VERB_RCPT, 250, "see ftp://a:b@c", "see ftp://"},
    {"a login in a URL that is cut off", 0, NULL, SMTPSCOPE_VERB_RCPT, 250, "see ftp://a:b1", "see ftp://"},
    {"a port in a URL", 0, NULL, SMTPSCOPE_VERB_RCPT, 550, "see http://c:80/?a@b", "see http://c:80/?a@b"},
    {"named", 0, NULL, SMTPSCOPE_VERB_MAIL, 451, "user=a password=b", "user=a password="},
    {"named, quoted", 0, NULL, SMTPSCOPE_VERB_MAIL, 451, "'passwd': b", "'passwd':"},
    {"spoken of", 0, NULL, SMTPSCOPE_VERB_AUTH, 535, "Username and password not accepted",
     "Username and password not accepted"},
    {"as sent, to AUTH", SECRET_ANSWER, "AGEAaHVudGVyMg==", SMTPSCOPE_VERB_AUTH, 535, "no: AGEAaHVudGVyMg== it is", "no: "},
    {"decoded, to AUTH", SECRET_ANSWER, "AGEAaHVudGVyMg==", SMTPSCOPE_VERB_AUTH, 535, "no: hunter2 it is", "no: "},
    {"decoded and short, later", SECRET_ANSWER, "AGEAaHVudGVyMg==", SMTPSCOPE_VERB_RCPT, 550, "no hunter2", "no hunter2"},
    {"as sent, later", SECRET_ANSWER, "AGEAaHVudGVyMg==", SMTPSCOPE_VERB_NOOP, 250, "no: AGEAaHVudGVyMg== it is",
     "no: **************** it is"},
    {"decoded, later, in capitals", SECRET_ANSWER, "AGEAY29ycmVjdGhvcnNl", SMTPSCOPE_VERB_RCPT, 550, "no CORRECTHORSE, no",
     "no ************, no"},
    {"a part of it", SECRET_ANSWER, "AGEAY29ycmVjdGhvcnNl", SMTPSCOPE_VERB_RCPT, 550, "no recthorse, no", "no *********, no"},
    {"another base64 of it", SECRET_ANSWER, "AGEAY29ycmVjdGhvcnNl", SMTPSCOPE_VERB_RCPT, 550, "no Y29ycmVjdGhvcnNl",
     "no ****************"},
    {"the user", SECRET_USER, "Ym9iYnlib2JieQ==", SMTPSCOPE_VERB_MAIL, 250, "bobbybobby... ok", "bobbybobby... ok"},
    {"behind a word", SECRET_WORDS, "bob correcthorse", SMTPSCOPE_VERB_MAIL, 250, "correcthorse", "************"},
    {"maybe, and usual", SECRET_MAYBE, "correcthorse", SMTPSCOPE_VERB_MAIL, 250, "correcthorse", "correcthorse"},
    {"maybe, in its own reply", SECRET_MAYBE, "correcthorse", SMTPSCOPE_VERB_UNKNOWN, 500, "correcthorse?", "********orse?"},
    {"maybe, and unusual", SECRET_MAYBE, "correct8Horse", SMTPSCOPE_VERB_MAIL, 250, "correct8Horse", "*************"},
    {"an address", SECRET_MAYBE, "FROM:<a1b2c3d4@b.example>", SMTPSCOPE_VERB_RCPT, 450, "<a1b2c3d4@b.example>: later",
     "<a1b2c3d4@b.example>: later"},
    {"answers nothing that is known", 0, NULL, SMTPSCOPE_VERB_NONE, 500, "unknown: correct8Horse", "unknown: "},
    {"a client's line", 0, NULL, SMTPSCOPE_VERB_NONE, 0, "a1 LOGIN bob x", "a1 LOGIN"},
};

static void test_replies(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(replies); i++) {
        const struct reply_row *row = &replies[i];
        struct unit_guarded guarded = unit_guarded_init(row->text, strlen(row->text));
        struct smtpscope_session session = {.config = &config};
        struct smtpscope_command command = {.verb = row->verb};
        struct smtpscope_text text = {(const char *)guarded.data, strlen(row->text)};
        struct smtpscope_reply reply = {.code = row->code, .text = text, .first = text};

        if (row->sent)
            secret_note(&session, row->sent, strlen(row->sent), row->kind);
        reply_show(&session, &command, false, &reply);
        if (!text_is(reply.text, row->want) || !text_is(reply.first, row->want))
            fail_msg("%s: \"%.*s\", first line \"%.*s\"", row->label, (int)reply.text.len, reply.text.at, (int)reply.first.len,
                     reply.first.at);
        session_end(&session);
        unit_guarded_fini(&guarded);
    }
}

/* More secrets than are kept: no text is shown. More of what may be one: texts stay. */
static void test_too_many(void **unused)
{
    static const enum secret_kind kinds[] = {SECRET_ANSWER, SECRET_MAYBE};

    (void)unused;
    for (size_t k = 0; k < unit_count(kinds); k++) {
        struct smtpscope_session session = {.config = &config};

        for (unsigned i = 0; i < 5000; i++) {
            char line[40];

            secret_note(&session, line, (size_t)snprintf(line, sizeof line, "pa55Word%uxyz%u", i, i * 7919), kinds[k]);
        }
        assert_int_equal(session.secrets_lost, kinds[k] == SECRET_ANSWER);
        session_end(&session);
    }
}

static void test_base64(void **unused)
{
    char text[BASE64_DECODED(40)], back[BASE64_ENCODED(12)];

    (void)unused;
    assert_int_equal(base64_decode("Y29ycmVjdA==", 12, text), 7);
    assert_memory_equal(text, "correct", 7);
    assert_int_equal(base64_decode("==Y29ycmVjdA", 12, text), 7);
    assert_int_equal(base64_decode("no base64", 9, text), 0);
    assert_int_equal(base64_encode("correct", 7, 0, back), 9);
    assert_memory_equal(back, "Y29ycmVjd", 9);
    assert_int_equal(base64_encode("correct", 7, 1, back), 8); /* of "?correct" */
    assert_memory_equal(back, "NvcnJlY3", 8);
    assert_int_equal(base64_encode("correct", 7, 2, back), 9); /* of "??correct" */
    assert_memory_equal(back, "jb3JyZWN0", 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
