/* SPDX-License-Identifier: BSD-2-Clause */
/* One command line: verb, argument, path, parameters, and what is odd about it. */
#include "unit.h"

#include "smtp/syntax/command.h"

#define ODD(name) SMTPSCOPE_COMMAND_##name
#define EXT(id) SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_##id)

static const struct command_row {
    const char *line;
    enum smtpscope_verb verb;
    const char *argument, *path, *unknown_parameter;
    uint64_t parameters, declared_size;
    uint32_t oddities;
} rows[] = {
    {"QUIT", SMTPSCOPE_VERB_QUIT, "", "", "", 0, 0, 0},
    {"quit", SMTPSCOPE_VERB_QUIT, "", "", "", 0, 0, 0},
    {" QUIT ", SMTPSCOPE_VERB_QUIT, "", "", "", 0, 0, ODD(LEADING_SPACE) | ODD(TRAILING_SPACE)},
    {"QUIT now", SMTPSCOPE_VERB_QUIT, "now", "", "", 0, 0, ODD(ARGUMENT)},
    {"", SMTPSCOPE_VERB_RAW, "", "", "", 0, 0, ODD(EMPTY)},
    {"QUIT\001", SMTPSCOPE_VERB_RAW, "QUIT\001", "", "", 0, 0, 0},
    {"FOO bar", SMTPSCOPE_VERB_UNKNOWN, "bar", "", "", 0, 0, 0},
    {"EHLO mx.example", SMTPSCOPE_VERB_EHLO, "mx.example", "mx.example", "", 0, 0, 0},
    {"EHLO", SMTPSCOPE_VERB_EHLO, "", "", "", 0, 0, ODD(NO_ARGUMENT)},
    {"EHLO mx", SMTPSCOPE_VERB_EHLO, "mx", "mx", "", 0, 0, ODD(NAME_NOT_QUALIFIED)},
    {"EHLO mx.", SMTPSCOPE_VERB_EHLO, "mx.", "mx.", "", 0, 0, ODD(NAME_NOT_QUALIFIED)},
    {"EHLO 192.0.2.1", SMTPSCOPE_VERB_EHLO, "192.0.2.1", "192.0.2.1", "", 0, 0, ODD(NAME_BARE_IP)},
    {"EHLO [192.0.2.1]", SMTPSCOPE_VERB_EHLO, "[192.0.2.1]", "[192.0.2.1]", "", 0, 0, 0},
    {"EHLO 2001:db8::1", SMTPSCOPE_VERB_EHLO, "2001:db8::1", "2001:db8::1", "", 0, 0, ODD(NAME_BARE_IP)},
    {"HELO a!b.example", SMTPSCOPE_VERB_HELO, "a!b.example", "a!b.example", "", 0, 0, ODD(NAME_INVALID)},
    {"MAIL FROM:<a@b.example>", SMTPSCOPE_VERB_MAIL, "FROM:<a@b.example>", "a@b.example", "", 0, 0, 0},
    {"mail from:<a@b.example>", SMTPSCOPE_VERB_MAIL, "from:<a@b.example>", "a@b.example", "", 0, 0, 0},
    {"MAIL FROM:<>", SMTPSCOPE_VERB_MAIL, "FROM:<>", "", "", 0, 0, 0},
    {"MAIL FROM: <a@b.example>", SMTPSCOPE_VERB_MAIL, "FROM: <a@b.example>", "a@b.example", "", 0, 0, ODD(SPACE_AT_COLON)},
    {"MAIL FROM:a@b.example", SMTPSCOPE_VERB_MAIL, "FROM:a@b.example", "a@b.example", "", 0, 0, ODD(NO_PATH)},
    {"MAIL", SMTPSCOPE_VERB_MAIL, "", "", "", 0, 0, ODD(NO_ARGUMENT)},
    {"MAIL TO:<a@b.example>", SMTPSCOPE_VERB_MAIL, "TO:<a@b.example>", "", "", 0, 0, ODD(NO_PATH)},
    {"MAIL FROM:<a@b.example> SIZE=12 BODY=8BITMIME", SMTPSCOPE_VERB_MAIL, "FROM:<a@b.example> SIZE=12 BODY=8BITMIME",
     "a@b.example", "", EXT(SIZE) | EXT(EIGHTBITMIME), 12, 0},
    {"MAIL FROM:<a@b.example> SIZE=x", SMTPSCOPE_VERB_MAIL, "FROM:<a@b.example> SIZE=x", "a@b.example", "", EXT(SIZE), 0,
     ODD(BAD_PARAMETER)},
    {"MAIL FROM:<a@b.example> FOO=1", SMTPSCOPE_VERB_MAIL, "FROM:<a@b.example> FOO=1", "a@b.example", "FOO=1", 0, 0, 0},
    {"MAIL FROM:<a@b.example> body=binarymime", SMTPSCOPE_VERB_MAIL, "FROM:<a@b.example> body=binarymime", "a@b.example", "",
     EXT(EIGHTBITMIME) | EXT(BINARYMIME), 0, 0},
    {"RCPT TO:<a@b.example> NOTIFY=NEVER", SMTPSCOPE_VERB_RCPT, "TO:<a@b.example> NOTIFY=NEVER", "a@b.example", "", EXT(DSN), 0,
     0},
    {"RCPT TO:<\"a>b\"@c.example>", SMTPSCOPE_VERB_RCPT, "TO:<\"a>b\"@c.example>", "\"a>b\"@c.example", "", 0, 0, 0},
    {"RCPT TO:<>", SMTPSCOPE_VERB_RCPT, "TO:<>", "", "", 0, 0, ODD(BAD_ADDRESS)},
    {"RCPT TO:<a b@c.example>", SMTPSCOPE_VERB_RCPT, "TO:<a b@c.example>", "a b@c.example", "", 0, 0, ODD(BAD_ADDRESS)},
    {"RCPT TO:<Postmaster>", SMTPSCOPE_VERB_RCPT, "TO:<Postmaster>", "Postmaster", "", 0, 0, 0},
    {"BDAT 12 last", SMTPSCOPE_VERB_BDAT, "12 last", "", "", 0, 12, 0},
    {"BDAT x", SMTPSCOPE_VERB_BDAT, "x", "", "", 0, 0, ODD(BAD_PARAMETER)},
    {"BDAT 12 FIRST", SMTPSCOPE_VERB_BDAT, "12 FIRST", "", "", 0, 12, ODD(BAD_PARAMETER)},
    {"AUTH plain AGEAYg==", SMTPSCOPE_VERB_AUTH, "plain AGEAYg==", "", "", 0, 0, 0},
    {"AUTH AGEAYg==", SMTPSCOPE_VERB_AUTH, "AGEAYg==", "", "", 0, 0, 0},
    {"BURL imap://a:b@c LAST", SMTPSCOPE_VERB_BURL, "imap://a:b@c LAST", "", "", 0, 0, 0},
    {"X-LINK2STATE LAST CHUNK={A}", SMTPSCOPE_VERB_XLINK2STATE, "LAST CHUNK={A}", "", "", 0, 0, ODD(EXPLOIT)},
};

static bool text_is(struct smtpscope_text text, const char *want)
{
    return text.len == strlen(want) && (!text.len || !memcmp(text.at, want, text.len));
}

static struct smtpscope_command parsed(const char *line, size_t len, uint32_t total)
{
    struct smtpscope_command command = {.len = total};

    command_parse(&command, line, len);
    return command;
}

static void test_lines(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++) {
        const struct command_row *row = &rows[i];
        size_t len = strlen(row->line);
        struct unit_guarded guarded = unit_guarded_init(row->line, len);
        struct smtpscope_command command = parsed((const char *)guarded.data, len, (uint32_t)len + 2);

        if (command.verb != row->verb || !text_is(command.argument, row->argument) || !text_is(command.path, row->path) ||
            !text_is(command.unknown_parameter, row->unknown_parameter) || command.parameters != row->parameters ||
            command.declared_size != row->declared_size || command.oddities != row->oddities)
            fail_msg("\"%s\": verb %d, argument \"%.*s\", path \"%.*s\", parameters %#llx, size %llu, oddities %#x", row->line,
                     (int)command.verb, (int)command.argument.len, command.argument.at, (int)command.path.len, command.path.at,
                     (unsigned long long)command.parameters, (unsigned long long)command.declared_size, command.oddities);
        unit_guarded_fini(&guarded);
    }
}

static void test_mechanism_and_last(void **unused)
{
    (void)unused;
    assert_int_equal(parsed("AUTH cram-md5", 13, 15).mechanism, SMTPSCOPE_MECHANISM_CRAM_MD5);
    assert_int_equal(parsed("AUTH secret", 11, 13).mechanism, SMTPSCOPE_MECHANISM_NONE);
    assert_true(parsed("BDAT 0 LAST", 11, 13).last);
    assert_false(parsed("BDAT 0", 6, 8).last);
}

/* RFC 5321 4.5.3.1.4: 512 octets with the line's end; an extension's parameter may add to them, RFC 4954 4 allows AUTH 12288. */
static void test_longest_line(void **unused)
{
    static const struct {
        const char *line;
        uint32_t longest;
    } limits[] = {{"NOOP", 512}, {"MAIL FROM:<a@b.example> SIZE=1", 1024}, {"AUTH PLAIN", 12288}};

    (void)unused;
    for (size_t i = 0; i < unit_count(limits); i++) {
        size_t len = strlen(limits[i].line);

        assert_false(parsed(limits[i].line, len, limits[i].longest).oddities & ODD(LINE_TOO_LONG));
        assert_true(parsed(limits[i].line, len, limits[i].longest + 1).oddities & ODD(LINE_TOO_LONG));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_mechanism_and_last),
                                       cmocka_unit_test(test_longest_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
