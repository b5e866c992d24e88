/* SPDX-License-Identifier: BSD-2-Clause */
/* What the reply to EHLO advertises: keywords, parameters, in whatever case and as servers write them. */
#include "unit.h"

#include "smtp/syntax/offer.h"

#define EXT(id) SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_##id)
#define SASL(id) SMTPSCOPE_MECHANISM_BIT(SMTPSCOPE_MECHANISM_##id)

static const struct offer_row {
    const char *text; /* as reply texts are: the lines joined by LF */
    uint32_t oddities;
    struct smtpscope_offer want;
    const char *masked;
} rows[] = {
    {"mx.example", 0, {0}, ""},
    {"AUTH PLAIN", 0, {0}, ""}, /* a server that is called so */
    {"mx.example\nPIPELINING\n8BITMIME", 0, {.extensions = EXT(PIPELINING) | EXT(EIGHTBITMIME)}, ""},
    {"mx.example\npipelining\nStartTLS", 0, {.extensions = EXT(PIPELINING) | EXT(STARTTLS)}, ""},
    {"mx.example\nPIPELININGX\nSTARTTLS2", 0, {0}, ""},
    {"mx.example\nSIZE", 0, {.extensions = EXT(SIZE)}, ""},
    {"mx.example\nSIZE 1000\nHELP", 0, {.extensions = EXT(SIZE) | EXT(HELP), .size_limit = 1000}, ""},
    {"mx.example\nsize=1000", 0, {.extensions = EXT(SIZE), .size_limit = 1000}, ""},
    {"mx.example\nSIZE 10", SMTPSCOPE_REPLY_UNFINISHED, {.extensions = EXT(SIZE)}, ""},
    {"mx.example\nSIZE 10\nHEL", SMTPSCOPE_REPLY_UNFINISHED, {.extensions = EXT(SIZE), .size_limit = 10}, ""},
    {"mx.example\nAUTH PLAIN LOGIN XYZ", 0, {.extensions = EXT(AUTH), .mechanisms = SASL(PLAIN) | SASL(LOGIN)}, ""},
    {"mx.example\nauth plain\nAUTH=Cram-MD5", 0, {.extensions = EXT(AUTH), .mechanisms = SASL(PLAIN) | SASL(CRAM_MD5)}, ""},
    {"mx.example\n AUTH NTLM", 0, {.extensions = EXT(AUTH), .mechanisms = SASL(NTLM)}, ""},
    {"mx.example\nAUTH", 0, {.extensions = EXT(AUTH)}, ""},
    {"mx.example\nLIMITS RCPTMAX=20 MAILMAX=5", 0, {.extensions = EXT(LIMITS), .limit_rcpt = 20, .limit_mail = 5}, ""},
    {"mx.example\nlimits mailmax=7 RCPTDOMAINMAX=1", 0, {.extensions = EXT(LIMITS), .limit_mail = 7}, ""},
    {"mx.example\nXXXXXXXA\nHELP", 0, {.extensions = EXT(HELP)}, "XXXXXXXA"},
    {"mx.example\nXXXX 1\nXXXXXXXX", 0, {0}, "XXXX"},
    {"mx.example\nXEXCH50\nXXX", 0, {.extensions = EXT(XEXCH50)}, ""},
    {"mx.example\nXABC", 0, {0}, ""},
    {"mx.example\n\n\nHELP\n", 0, {.extensions = EXT(HELP)}, ""},
};

static void check(const struct offer_row *row)
{
    struct unit_guarded guarded = unit_guarded_init(row->text, strlen(row->text));
    struct smtpscope_reply reply = {
        .code = 250, .text = {(const char *)guarded.data, strlen(row->text)}, .lines = 1, .oddities = row->oddities};
    struct smtpscope_offer offer;

    for (size_t i = 0; i < reply.text.len; i++)
        reply.lines += reply.text.at[i] == '\n';
    offer = offer_read(&reply);
    if (offer.extensions != row->want.extensions || offer.size_limit != row->want.size_limit ||
        offer.mechanisms != row->want.mechanisms || offer.limit_mail != row->want.limit_mail ||
        offer.limit_rcpt != row->want.limit_rcpt || offer.masked.len != strlen(row->masked) ||
        memcmp(offer.masked.len ? offer.masked.at : "", row->masked, offer.masked.len))
        fail_msg("\"%s\": extensions %#llx, size %llu, mechanisms %#x, limits %u %u, masked \"%.*s\"", row->text,
                 (unsigned long long)offer.extensions, (unsigned long long)offer.size_limit, offer.mechanisms, offer.limit_mail,
                 offer.limit_rcpt, (int)offer.masked.len, offer.masked.len ? offer.masked.at : "");
    unit_guarded_fini(&guarded);
}

static void test_offers(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++)
        check(&rows[i]);
}

static void test_mechanisms(void **unused)
{
    (void)unused;
    assert_int_equal(mechanism_find("plain", 5), SMTPSCOPE_MECHANISM_PLAIN);
    assert_int_equal(mechanism_find("PLAINX", 6), SMTPSCOPE_MECHANISM_NONE);
    assert_int_equal(mechanism_find("", 0), SMTPSCOPE_MECHANISM_NONE);
    assert_int_equal(mechanism_find("SCRAM-SHA-1-PLUS", 16), SMTPSCOPE_MECHANISM_SCRAM_SHA_1_PLUS);
    assert_true(smtpscope_mechanism_exposes(SMTPSCOPE_MECHANISM_LOGIN));
    assert_false(smtpscope_mechanism_exposes(SMTPSCOPE_MECHANISM_CRAM_MD5));
    assert_false(smtpscope_mechanism_exposes(SMTPSCOPE_MECHANISM_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_offers), cmocka_unit_test(test_mechanisms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
