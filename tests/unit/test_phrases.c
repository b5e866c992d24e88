/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index of the phrases finds what trying each row at each word finds: for each phrase itself, for texts made of their
 * words, for many threads.
 */
#include "unit.h"

#include "rules/reading/phrases.h"

#include <pthread.h>

static const char *const servers[] = {"", "Postfix", "Exim", "Exchange", "Gmail"};
static const unsigned moments[] = {TEMPORARY | AT_RCPT, PERMANENT | AT_RCPT, PERMANENT | AT_END, TEMPORARY | AT_OPEN};

/* --- a pattern against a text, by trying everything */

static const struct {
    const char *class, *language, *words;
} lexicon[] = {
#define WORDS(class, language, words) {#class, language, words},
#include "rules/reading/lexicon.def"
};

static const struct {
    const char *class, *name;
} names[] = {
#define WORD_CLASS(id, name) {#id, name},
#include "rules/reading/classes.def"
};

static bool octets_at(const struct words *words, size_t word, const char *octets, size_t len)
{
    size_t start = words->starts[word];

    return start + len <= words->len + 1 && memcmp(words->text + start, octets, len) == 0;
}

static bool in_class(const struct words *words, size_t word, const char *name, size_t len)
{
    for (size_t i = 0; i < unit_count(names); i++)
        if (strlen(names[i].name) == len && strncmp(names[i].name, name, len) == 0)
            for (size_t row = 0; row < unit_count(lexicon); row++)
                for (const char *at = lexicon[row].words; strcmp(lexicon[row].class, names[i].class) == 0 && *at;
                     at += strspn(at, "|")) {
                    size_t entry = strcspn(at, "|");

                    if (octets_at(words, word, at, entry))
                        return true;
                    at += entry;
                }
    return false;
}

static bool part_at(const struct words *words, size_t word, const char *part, size_t len)
{
    return *part == '<' ? in_class(words, word, part + 1, len - 2) : octets_at(words, word, part, len);
}

static size_t end_of(const struct words *words, size_t word, const char *part, size_t len)
{
    if (*part != '<')
        return words->starts[word] + len;
    return word + 1 < words->count ? words->starts[word + 1] : words->len;
}

#define NEAR_WANTED 36

/* The pattern's rest stands at its gap; the part before it, `len` octets at `part`, is at `word`. */
static bool rest_at(const struct words *words, size_t word, const char *part, size_t len)
{
    const char *gap = part + len, *next = *gap ? gap + 1 : gap;
    size_t next_len = strcspn(next, "*~&"), end = end_of(words, word, part, len);

    if (*gap == '\0')
        return true;
    for (size_t at = 0; at < words->count; at++) {
        size_t start = words->starts[at], here = words->starts[word];
        bool behind = start >= end && at != word, near = start < end + NEAR_WANTED;
        bool before = at < word && start + NEAR_WANTED >= here;

        if ((*gap == '*'   ? behind
             : *gap == '~' ? behind && near
                           : (behind && near) || before || (at > word && start < end)) &&
            part_at(words, at, next, next_len) && rest_at(words, at, next, next_len))
            return true;
    }
    return false;
}

/* The first word where the row matches; the number of words: none. */
static size_t row_at(const struct phrase *phrase, const struct words *words, size_t from, unsigned when, const char *server)
{
    unsigned codes = phrase->when & (TEMPORARY | PERMANENT), steps = phrase->when & ~(unsigned)(TEMPORARY | PERMANENT);
    size_t len = strcspn(phrase->pattern, "*~&");

    if ((codes && !(codes & when)) || (steps && !(steps & when)) || (phrase->own && strcmp(phrase->server, server) != 0))
        return words->count;
    for (; from < words->count; from++)
        if (part_at(words, from, phrase->pattern, len) && rest_at(words, from, phrase->pattern, len))
            return from;
    return words->count;
}

/* Where the last "because" is. */
static size_t because_at(const struct phrase_table *table, const struct words *words, unsigned when, const char *server)
{
    size_t last = words->count;

    for (size_t row = 0; row < table->count; row++)
        for (size_t at = 0; table->rows[row].meaning == MEANING_BECAUSE && at < words->count; at++)
            if (row_at(&table->rows[row], words, at, when, server) == at && (last == words->count || at > last))
                last = at;
    return last;
}

static size_t first_row(const struct phrase_table *table, const struct words *words, size_t from, unsigned when,
                        const char *server)
{
    for (size_t row = 0; row < table->count; row++)
        if (table->rows[row].meaning != MEANING_BECAUSE && row_at(&table->rows[row], words, from, when, server) < words->count)
            return row;
    return table->count;
}

static size_t row_wanted(const struct phrase_table *table, const struct words *words, unsigned when, const char *server)
{
    size_t because = because_at(table, words, when, server);
    size_t behind = because < words->count ? first_row(table, words, because, when, server) : table->count;

    if (behind < table->count && !table->rows[behind].weak)
        return behind;
    return first_row(table, words, 0, when, server);
}

/* --- the same by the index */

static void texts_agree(const struct phrase_table *table, const char *at, size_t len, size_t many)
{
    struct unit_guarded guarded = unit_guarded_init(at, len);
    struct smtpscope_text text = {(const char *)guarded.data, len};
    static struct words words;

    memset(&words, 0xa5, sizeof words);
    words_read(&words, &text);
    for (size_t i = 0; i < many; i++) {
        const char *server = servers[i % unit_count(servers)];
        unsigned when = moments[(i + len) % unit_count(moments)];
        size_t has = phrase_find(table, &words, when, server, NULL).row, want = row_wanted(table, &words, when, server);

        if (has != want)
            fail_msg("\"%.*s\" (%u, %s): row %zu \"%s\", and %zu \"%s\" by trying everything", (int)len, at, when, server, has,
                     has < table->count ? table->rows[has].pattern : "", want,
                     want < table->count ? table->rows[want].pattern : "");
    }
    unit_guarded_fini(&guarded);
}

static const char *class_word(const char *name, size_t len, size_t *word_len, size_t turn)
{
    const char *found[64];
    size_t count = 0;

    for (size_t i = 0; i < unit_count(names); i++)
        for (size_t row = 0;
             strlen(names[i].name) == len && strncmp(names[i].name, name, len) == 0 && row < unit_count(lexicon); row++)
            if (strcmp(lexicon[row].class, names[i].class) == 0 && count < unit_count(found) &&
                strstr(lexicon[row].language, "recoded") == NULL)
                found[count++] = lexicon[row].words;
    assert_true(count > 0);
    *word_len = strcspn(found[turn % count], "|");
    return found[turn % count];
}

/* A text that has the phrase: a word of each class, something in place of each asterisk, and letters of both cases. */
static size_t phrase_write(char *to, const char *pattern, size_t turn)
{
    size_t len = 0;

    for (; *pattern; pattern++) {
        bool raised = len % 3 == 0 && *pattern >= 'a' && *pattern <= 'z';

        if (*pattern == '<') {
            size_t name = strcspn(pattern, ">") - 1, word;
            const char *at = class_word(pattern + 1, name, &word, turn);

            memcpy(to + len, at, word);
            len += word;
            pattern += name + 1;
        } else if (*pattern == '*') {
            memcpy(to + len, " <a@b> x ", 9);
            len += 9;
        } else if (*pattern == '~' || *pattern == '&') {
            to[len++] = ' ';
        } else if (*pattern == '/') {
            memcpy(to + len, "http://", 7);
            len += 7;
        } else {
            to[len++] = raised ? (char)(*pattern - 'a' + 'A') : *pattern;
        }
    }
    return len;
}

/* Octets that are no UTF-8 of the letters we have phrases in make a text that is none, in which the words of other rows are not found. */
static bool is_recoded(const char *pattern)
{
    const unsigned char *at = (const unsigned char *)pattern;

    while (*at) {
        size_t more = *at < 0x80 ? 0 : *at == 0xd0 || *at == 0xd1 ? 1 : *at >= 0xe3 && *at <= 0xed ? 2 : SIZE_MAX;

        if (more == SIZE_MAX)
            return true;
        for (at++; more; more--, at++)
            if (*at < 0x80 || *at >= 0xc0)
                return true;
    }
    return false;
}

static void test_each_phrase(void **unused)
{
    char text[512];

    (void)unused;
    for (size_t row = 0; row < reply_phrases.count; row++) {
        const struct phrase *phrase = &reply_phrases.rows[row];
        unsigned steps = phrase->when & ~(unsigned)(TEMPORARY | PERMANENT);
        unsigned when = (phrase->when & TEMPORARY ? TEMPORARY : PERMANENT) | (steps ? steps : AT_RCPT);
        struct words words;
        size_t len = phrase_write(text, phrase->pattern, row);

        texts_agree(&reply_phrases, text, len, 1);
        words_read(&words, &(struct smtpscope_text){text, len});
        if (!is_recoded(phrase->pattern) && !phrase_applies(&reply_phrases, row, &words, when, phrase->server))
            fail_msg("\"%s\" is not found in \"%.*s\"", phrase->pattern, (int)len, text);
    }
}

/* What the phrase is found by is in the text. */
static void test_quotes(void **unused)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"452 4.2.2 The mailbox of this user is FULL", "mailbox ... full"},
        {"This is greylisted now", "greylisted"},
        {"we have sent too much mail, slow down", "too much mail"},
        {"mail refused: see http://www.spamhaus.org/query/ip/192.0.2.1", "/spamhaus"},
    };
    char quote[64];

    (void)unused;
    for (size_t i = 0; i < unit_count(rows); i++) {
        struct words words;
        size_t row, len;

        words_read(&words, &(struct smtpscope_text){rows[i].text, strlen(rows[i].text)});
        row = phrase_find(&reply_phrases, &words, TEMPORARY | AT_RCPT, "", NULL).row;
        assert_true(row < reply_phrases.count);
        len = phrase_quote(&reply_phrases, row, &words, quote, sizeof quote);
        assert_string_equal(quote, rows[i].want);
        assert_int_equal(len, strlen(quote));
        assert_true(phrase_quote(&reply_phrases, row, &words, quote, 5) < 5);
    }
}

static size_t chance(uint64_t *state, size_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)(*state % below);
}

/* Phrases, pieces of them and what is taken out of texts, one behind the other. */
static size_t mixture_write(char *to, size_t room, uint64_t *state)
{
    static const char *const others[] = {" ",    ". ", "-", "<",          "> ",       "<a@b.example> ", "[",          "]",
                                         "\xc3", "\n", "h", "192.0.2.1 ", "https://", "because ",       "http://x/y "};
    size_t len = 0, pieces = 1 + chance(state, chance(state, 20) ? 8 : 200);

    for (size_t i = 0; i < pieces && len + 300 < room; i++) {
        const struct phrase *phrase = &reply_phrases.rows[chance(state, reply_phrases.count)];
        size_t piece = phrase_write(to + len, phrase->pattern, chance(state, 16));

        len += chance(state, 3) ? piece : chance(state, piece + 1);
        for (size_t many = chance(state, 3); many; many--) {
            const char *other = others[chance(state, unit_count(others))];

            memcpy(to + len, other, strlen(other));
            len += strlen(other);
        }
    }
    return len;
}

static void test_mixtures(void **unused)
{
    static char text[4096];
    uint64_t state = 88172645463325252u;

    (void)unused;
    for (size_t i = 0; i < 150; i++)
        texts_agree(&reply_phrases, text, mixture_write(text, sizeof text, &state), 2);
}

/* The first part of a phrase again and again, without the rest and with it at the end. */
static void test_repetition(void **unused)
{
    char text[2000];

    (void)unused;
    for (size_t row = 0; row < reply_phrases.count; row += 7) {
        const char *pattern = reply_phrases.rows[row].pattern;
        size_t part = strcspn(pattern, "*~&"), len = 0;

        if (!pattern[part] || *pattern == '<')
            continue;
        while (len < 300) {
            memcpy(text + len, pattern, part);
            text[len + part] = ' ';
            len += part + 1;
        }
        texts_agree(&reply_phrases, text, len, 1);
        texts_agree(&reply_phrases, text, len + phrase_write(text + len, pattern + part + 1, row), 1);
    }
}

static void test_software(void **unused)
{
    char text[128];

    (void)unused;
    for (size_t row = 0; row < software_phrases.count; row++)
        texts_agree(&software_phrases, text, phrase_write(text, software_phrases.rows[row].pattern, 0), 1);
}

static pthread_barrier_t together;

/* Whoever finds the index in the making waits for it. */
static void *first_user(void *row)
{
    static const char text[] = "450 4.2.0 greylisted, see the page";
    struct words words;

    words_read(&words, &(struct smtpscope_text){text, sizeof text - 1});
    pthread_barrier_wait(&together);
    *(size_t *)row = phrase_find(&reply_phrases, &words, TEMPORARY | AT_RCPT, "", NULL).row;
    return NULL;
}

/* The first test: the index is empty before it. */
static void test_threads(void **unused)
{
    pthread_t threads[4];
    size_t rows[unit_count(threads)];

    (void)unused;
    assert_int_equal(pthread_barrier_init(&together, NULL, unit_count(threads)), 0);
    for (size_t i = 0; i < unit_count(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, first_user, &rows[i]), 0);
    for (size_t i = 0; i < unit_count(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(rows[i] < reply_phrases.count && rows[i] == rows[0]);
        assert_int_equal(reply_phrases.rows[rows[i]].meaning, MEANING_GREYLISTED);
    }
    pthread_barrier_destroy(&together);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),  cmocka_unit_test(test_each_phrase), cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_mixtures), cmocka_unit_test(test_repetition),  cmocka_unit_test(test_software),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
