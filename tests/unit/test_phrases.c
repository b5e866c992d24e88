/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index of the phrases finds what walking the table finds: for each phrase itself, for texts made of their words, for
 * many threads.
 */
#include "unit.h"

#include "rules/phrases.h"

#include <pthread.h>

static const char *const servers[] = {"", "Postfix", "Exim", "Exchange", "Gmail"};

static void texts_agree(const struct phrase_table *table, const char *at, size_t len)
{
    struct unit_guarded guarded = unit_guarded_init(at, len);
    struct smtpscope_text text = {(const char *)guarded.data, len};
    static struct words words;

    memset(&words, 0xa5, sizeof words);
    words_read(&words, &text);
    for (size_t i = 0; i < 2 * unit_count(servers); i++) {
        size_t has = phrase_first(table, &words, i % 2, servers[i / 2], NULL);
        size_t want = phrase_first_walking(table, &words, i % 2, servers[i / 2], NULL);

        if (has != want)
            fail_msg("\"%.*s\" (%s, %s): row %zu, and %zu by walking", (int)len, at, i % 2 ? "4yz" : "5yz", servers[i / 2], has,
                     want);
    }
    unit_guarded_fini(&guarded);
}

/* A text that has the phrase: something in place of each asterisk, and letters of both cases. */
static size_t phrase_write(char *to, const char *pattern)
{
    size_t len = 0;

    for (; *pattern; pattern++) {
        bool raised = len % 3 == 0 && *pattern >= 'a' && *pattern <= 'z';

        if (*pattern == '*') {
            memcpy(to + len, " <a@b> x ", 9);
            len += 9;
        } else {
            to[len++] = raised ? (char)(*pattern - 'a' + 'A') : *pattern;
        }
    }
    return len;
}

static void test_each_phrase(void **unused)
{
    const struct phrase_table *const tables[] = {&reply_phrases, &software_phrases};
    char text[512];

    (void)unused;
    for (size_t i = 0; i < unit_count(tables); i++)
        for (size_t row = 0; row < tables[i]->count; row++) {
            const struct phrase *phrase = &tables[i]->rows[row];
            struct words words;
            size_t len = phrase_write(text, phrase->pattern);

            texts_agree(tables[i], text, len);
            words_read(&words, &(struct smtpscope_text){text, len});
            if (phrase_first(tables[i], &words, phrase->codes == TEMPORARY, phrase->server, NULL) > row)
                fail_msg("\"%s\" is not found in itself", phrase->pattern);
        }
}

static uint64_t chance(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % below;
}

/* Phrases, pieces of them and what is taken out of texts, one behind the other. */
static size_t mixture_write(char *to, size_t room, uint64_t *state)
{
    static const char *const others[] = {" ", ". ",           "-",  "<", "> ",      "<a@b.example> ", "[",
                                         "]", " http://x/y ", "\n", "h", "https://"};
    size_t len = 0, pieces = 1 + chance(state, chance(state, 20) ? 8 : 200);

    for (size_t i = 0; i < pieces && len + 200 < room; i++) {
        const struct phrase *phrase = &reply_phrases.rows[chance(state, reply_phrases.count)];
        size_t piece = phrase_write(to + len, phrase->pattern);

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
    for (size_t i = 0; i < 3000; i++)
        texts_agree(&reply_phrases, text, mixture_write(text, sizeof text, &state));
}

/* The first part of a phrase again and again, without the rest and with it at the end. */
static void test_repetition(void **unused)
{
    char text[1500];

    (void)unused;
    for (size_t row = 0; row < reply_phrases.count; row++) {
        const char *pattern = reply_phrases.rows[row].pattern;
        size_t part = strcspn(pattern, "*"), len = 0;

        if (!pattern[part])
            continue;
        while (len < 900) {
            memcpy(text + len, pattern, part);
            text[len + part] = ' ';
            len += part + 1;
        }
        texts_agree(&reply_phrases, text, len);
        texts_agree(&reply_phrases, text, len + phrase_write(text + len, pattern + part + 1));
    }
}

static pthread_barrier_t together;

/* Whoever finds the index in the making does without it. */
static void *first_user(void *row)
{
    static const char text[] = "450 4.2.0 greylisted, see the page";
    struct words words;

    words_read(&words, &(struct smtpscope_text){text, sizeof text - 1});
    pthread_barrier_wait(&together);
    *(size_t *)row = phrase_first(&reply_phrases, &words, true, "", NULL);
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
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_each_phrase),
        cmocka_unit_test(test_mixtures),
        cmocka_unit_test(test_repetition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
