/* SPDX-License-Identifier: BSD-2-Clause */
/* The path of MAIL and RCPT: its parts, and what RFC 5321 4.1.2 and 4.5.3.1 say of it. */
#include "unit.h"

#include "smtp/syntax/octets.h"
#include "smtp/syntax/path.h"

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define LABELS "x.x.x.x.x.x.x.x.x.x." /* 20 octets */
#define DOMAIN_200 LABELS LABELS LABELS LABELS LABELS LABELS LABELS LABELS LABELS LABELS

static struct smtpscope_text text_of(const char *text)
{
    return (struct smtpscope_text){text, strlen(text)};
}

static const struct split_row {
    const char *path, *route, *local, *domain;
} splits[] = {
    {"", "", "", ""},
    {"alice@mx.example", "", "alice", "mx.example"},
    {"postmaster", "", "postmaster", ""},
    {"alice@", "", "alice", ""},
    {"@mx.example", "", "", "mx.example"},
    {"a@b@mx.example", "", "a@b", "mx.example"},
    {"\"a@b\"@mx.example", "", "\"a@b\"", "mx.example"},
    {"\"a@b\"", "", "\"a@b\"", ""},
    {"\"a\\\"@b\"@mx.example", "", "\"a\\\"@b\"", "mx.example"},
    {"\"open@mx.example", "", "\"open", "mx.example"},
    {"alice@[192.0.2.1]", "", "alice", "[192.0.2.1]"},
    {"@one,@two:alice@mx.example", "@one,@two:", "alice", "mx.example"},
    {"@one:", "@one:", "", ""},
};

static void assert_text(const char *path, const char *what, struct smtpscope_text text, const char *want)
{
    if (text.len != strlen(want) || memcmp(text.at, want, text.len) != 0)
        fail_msg("\"%s\": %s is \"%.*s\", not \"%s\"", path, what, (int)text.len, text.at, want);
}

static void test_split(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(splits); i++) {
        struct unit_guarded guarded = unit_guarded_init(splits[i].path, strlen(splits[i].path));
        struct path path = path_split(&(struct smtpscope_text){(const char *)guarded.data, strlen(splits[i].path)});

        assert_text(splits[i].path, "the route", path.route, splits[i].route);
        assert_text(splits[i].path, "the local part", path.local, splits[i].local);
        assert_text(splits[i].path, "the domain", path.domain, splits[i].domain);
        unit_guarded_fini(&guarded);
    }
}

#define BAD SMTPSCOPE_COMMAND_BAD_ADDRESS
#define EXPLOIT SMTPSCOPE_COMMAND_EXPLOIT
#define LOCAL SMTPSCOPE_COMMAND_LOCAL_TOO_LONG
#define DOMAIN SMTPSCOPE_COMMAND_DOMAIN_TOO_LONG
#define LONG SMTPSCOPE_COMMAND_PATH_TOO_LONG

/* `sender`, `recipient`: as the argument of MAIL, and of RCPT. */
static const struct oddity_row {
    const char *path;
    uint32_t sender, recipient;
} oddities[] = {
    {"", 0, BAD},
    {"alice@mx.example", 0, 0},
    {"a!#$%&'*+-/=?^_{|}~z@mx-1.example", 0, 0},
    {"o`brien@mx.example", 0, 0},
    {"o'brien@mx.example", 0, 0},
    {"\xc3\xa9t\xc3\xa9@\xc3\xa9.example", 0, 0},
    {"\"a\\\"b; c\"@mx.example", 0, 0},
    {"\"\"@mx.example", 0, 0},
    {"\"a\"b@mx.example", BAD, BAD},
    {"\"a@mx.example", BAD, BAD},
    {"a b@mx.example", BAD, BAD},
    {"a..b@mx.example", BAD, BAD},
    {".a@mx.example", BAD, BAD},
    {"a.@mx.example", BAD, BAD},
    {"@mx.example", BAD, BAD},
    {"a@", BAD, BAD},
    {"a@mx..example", BAD, BAD},
    {"a@mx_1.example", BAD, BAD},
    {"a@mx.example.", BAD, BAD},
    {"a@[192.0.2.1]", 0, 0},
    {"a@[192.0.2.1", BAD, BAD},
    {"a@[]", BAD, BAD},
    {"Postmaster", BAD, 0},
    {"alice", BAD, BAD},
    {"@one,@two:alice@mx.example", 0, 0},
    {"@one,@two:", BAD, BAD},
    {"=?UTF-8?B?w6k=?=@mx.example", SMTPSCOPE_COMMAND_ENCODED_WORD, SMTPSCOPE_COMMAND_ENCODED_WORD},
    {X60 "xxxx@mx.example", 0, 0},
    {X60 "xxxxx@mx.example", LOCAL, LOCAL},
    {"@relay-one.backbone.client.example,@relay-two.backbone.client.example:alice@client.example", 0, 0},
    {"a@" DOMAIN_200 LABELS LABELS "xxxxxxxxxxxx", 0, 0},                             /* 252, 254 in all */
    {"a@" DOMAIN_200 LABELS LABELS "xxxxxxxxxxxxx", LONG, LONG},                      /* 253, 255 */
    {"a@" DOMAIN_200 LABELS LABELS "xxxxxxxxxxxxxxx", LONG, LONG},                    /* 255 */
    {"a@" DOMAIN_200 LABELS LABELS "xxxxxxxxxxxxxxxx", LONG | DOMAIN, LONG | DOMAIN}, /* 256 */
    {"|/bin/sh", BAD | EXPLOIT, BAD | EXPLOIT},
    {"a|b@mx.example", 0, 0},
    {"${run{id}}@mx.example", EXPLOIT, EXPLOIT},
    {"$(id)@mx.example", BAD | EXPLOIT, BAD | EXPLOIT},
    {"root+:\"|`id`\"", BAD | EXPLOIT, BAD | EXPLOIT},
    {"`id`@mx.example", EXPLOIT, EXPLOIT},
    {"a`|b@mx.example", EXPLOIT, EXPLOIT},
    {"a;b@mx.example", BAD | EXPLOIT, BAD | EXPLOIT},
    {"\"a;b\"@mx.example", 0, 0},
    {"\"a\\\\\";b@mx.example", BAD | EXPLOIT, BAD | EXPLOIT},
};

static void assert_oddities(const char *path, bool sender, uint32_t want)
{
    struct smtpscope_text text = text_of(path);
    uint32_t has = path_oddities(&text, kinds_of(text.at, text.len), sender);

    if (has != want)
        fail_msg("\"%s\" of %s: oddities %#x, not %#x", path, sender ? "MAIL" : "RCPT", has, want);
}

static void test_oddities(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(oddities); i++) {
        assert_oddities(oddities[i].path, true, oddities[i].sender);
        assert_oddities(oddities[i].path, false, oddities[i].recipient);
    }
}

static const struct close_row {
    const char *text;
    int want; /* -1: it is not closed */
} closes[] = {
    {">", 0}, {"a>", 1}, {"a> b>", 1}, {"\"a>\">", 4}, {"\"a\\\">\">", 6}, {"\"a\\\\\">", 5}, {"a", -1}, {"\"a>", -1}, {"", -1},
};

static void test_close(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(closes); i++) {
        const char *at = closes[i].text, *end = at + strlen(at), *close = path_close(at, end, kinds_of(at, strlen(at)));

        if ((close ? (int)(close - at) : -1) != closes[i].want)
            fail_msg("\"%s\": closed at %d, not %d", at, close ? (int)(close - at) : -1, closes[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_split), cmocka_unit_test(test_oddities),
                                       cmocka_unit_test(test_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
