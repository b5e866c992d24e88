/* SPDX-License-Identifier: BSD-2-Clause */
/* A reply's text as words: letters, what is left out, what becomes another word, other alphabets and encodings. */
#include "unit.h"

#include "rules/reading/words.h"

static const struct {
    const char *label, *text, *want;
    size_t count;
} rows[] = {
    {"nothing", "", "", 0},
    {"letters and digits", "Mailbox FULL, try in 5 min.", "mailbox full try in 5 min", 6},
    {"signs part words", "can't-do;it", "can t do it", 4},
    {"an address in brackets", "User <joe@x.example> unknown", "user unknown", 2},
    {"a name in brackets", "User <joe> unknown", "user unknown", 2},
    {"words of the server in brackets", "bare <LF> seen", "bare lf seen", 3},
    {"words in angles that are none", "<the mailbox is full>", "the mailbox is full", 4},
    {"an address without brackets", "user joe@x.example unknown", "user unknown", 2},
    {"an address behind a colon", "rejected:joe@x.example now", "rejected now", 2},
    {"an address behind dots", "not allowed...joe@x.example", "not allowed", 2},
    {"a tag in brackets", "[SPF] host", "spf host", 2},
    {"a host in brackets", "[mx.example.com 2025-01-01] gone", "gone", 1},
    {"a setting in brackets", "[Name=Filter] gone", "gone", 1},
    {"an IP address", "host 192.0.2.1 listed", "host ip listed", 3},
    {"an IP address in brackets", "host [192.0.2.1]:25 listed", "host ip 25 listed", 4},
    {"an IPv6 address", "[IPv6:2001:db8::1] and 2001:db8::2 listed", "ip and ip listed", 4},
    {"an enhanced code", "5.7.1 denied", "denied", 1},
    {"a URL", "see https://www.Spamhaus.org/query/ip/192.0.2.1", "see /www /spamhaus /org /query /ip", 6},
    {"a host", "at zen.spamhaus.org now", "at /zen /spamhaus /org now", 5},
    {"no host: a sentence ends", "blocked.For help", "blocked for help", 3},
    {"letters with accents", "Bo\xc3\xaete PLEINE \xc3\x89t\xc3\xa9", "boite pleine ete", 3},
    {"... of Poland", "skrzynka prze\xc5\x82niona", "skrzynka przelniona", 2},
    {"... of ISO 8859-1", "Usu\xe1rio Inv\xe1lido, \xe9metteur", "usuario invalido emetteur", 3},
    {"an accent of its own", "e\xcc\x81t", "et", 1},
    {"a typographic apostrophe", "doesn\xe2\x80\x99t", "doesn t", 2},
    {"Cyrillic capitals", "\xd0\xaf\xd0\xa9\xd0\x98\xd0\x9a \xd0\x9f\xd0\x9e",
     "\xd1\x8f\xd1\x89\xd0\xb8\xd0\xba \xd0\xbf\xd0\xbe", 2},
    {"each Chinese sign is a word", "SMTP\xe9\x82\xae\xe7\xae\xb1 x", "smtp\xe9\x82\xae\xe7\xae\xb1 x", 4},
    {"each octet of an old encoding", "\xd3\xca\xcf\xe4 x", "\xd3\xca\xcf\xe4 x", 5},
    {"a second octet that is no bracket", "\x83\x86\x81[\x83U x", "\x83\x86\x81[\x83u x", 6},
    {"cut inside a sign", "full \xe9\x82", "full", 1},
};

static void test_words(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct unit_guarded guarded = unit_guarded_init(rows[i].text, strlen(rows[i].text));
        struct words words;

        memset(&words, 0xa5, sizeof words);
        words_read(&words, &(struct smtpscope_text){(const char *)guarded.data, strlen(rows[i].text)});
        if (words.len != strlen(rows[i].want) || memcmp(words.text, rows[i].want, words.len) != 0 ||
            words.count != rows[i].count)
            fail_msg("%s: \"%.*s\", %zu words", rows[i].label, (int)words.len, words.text, words.count);
        for (size_t word = 1; word < words.count; word++)
            assert_true(words.starts[word] > words.starts[word - 1] && words.starts[word] < words.len);
        unit_guarded_fini(&guarded);
    }
}

/* Whatever the octets are, the words stay in their room. */
static void test_octets(void **unused)
{
    uint64_t state = 88172645463325252u;
    char text[3000];

    (void)unused;
    for (size_t round = 0; round < 2000; round++) {
        size_t len = round % sizeof text;
        struct unit_guarded guarded;
        struct words words;

        for (size_t i = 0; i < len; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[i] = round % 3 ? (char)(state >> 56) : "a@<[.:/\xd0\x9f 1"[(state >> 33) % 12];
        }
        guarded = unit_guarded_init(text, len);
        words_read(&words, &(struct smtpscope_text){(const char *)guarded.data, len});
        assert_true(words.len + PREFIX_MAX <= sizeof words.text && words.count <= WORDS_MAX);
        unit_guarded_fini(&guarded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_octets)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
