/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A text against a table of some hundred phrases, the first of which decides. An index leads from the first octets of a word
 * to the rows that begin with them, so that a text costs about what its words cost, and not what the table does.
 *
 * The road not taken: remembering texts and what they meant. It helps only where one server says one thing all day, and needs
 * a place to remember that neither the sessions nor the threads share.
 */
#include "phrases.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

static const struct phrase phrase_rows[] = {
#define PHRASE(meaning, codes, server, pattern) {MEANING_##meaning, codes, false, server, pattern},
#define OWN_PHRASE(meaning, codes, server, pattern) {MEANING_##meaning, codes, true, server, pattern},
#include "phrases.def"
};

#define SOFTWARE(name, pattern)                                                                                                \
    {                                                                                                                          \
        MEANING_NONE, ANY, false, name, pattern                                                                                \
    }
static const struct phrase software_rows[] = {
    SOFTWARE("Postfix", "postfix"),
    SOFTWARE("Exim", "exim"),
    SOFTWARE("Sendmail", "sendmail"),
    SOFTWARE("Exchange", "microsoft esmtp"),
    SOFTWARE("OpenSMTPD", "opensmtpd"),
    SOFTWARE("Haraka", "haraka"),
    SOFTWARE("aiosmtpd", "python smtp"),
    SOFTWARE("Gmail", "gsmtp"),
    SOFTWARE("hMailServer", "hmailserver"),
    SOFTWARE("Dovecot", "dovecot"),
    SOFTWARE("qmail", "qmail"),
    SOFTWARE("Courier", "courier"),
    SOFTWARE("Zimbra", "zimbra"),
    SOFTWARE("MDaemon", "mdaemon"),
    SOFTWARE("MailEnable", "mailenable"),
    SOFTWARE("Kerio Connect", "kerio"),
    SOFTWARE("Domino", "domino"),
    SOFTWARE("Stalwart", "stalwart"),
    SOFTWARE("maddy", "maddy"),
    SOFTWARE("Apache James", "james"),
    SOFTWARE("chasquid", "chasquid"),
    SOFTWARE("qpsmtpd", "qpsmtpd"),
    SOFTWARE("Cisco ESA", "ironport"),
    /* services that their hosts' names tell */
    SOFTWARE("Amazon SES", "amazon"),
    SOFTWARE("Mimecast", "mimecast"),
    SOFTWARE("Proofpoint", "proofpoint"),
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SERVICES 3
const size_t software_count = COUNT(software_rows) - SERVICES;

/* --- the index */

/* A pattern's first part has at least so many octets: by them its bucket is found. */
#define KEY_LEN 3
#define BUCKETS 256

struct key {
    uint64_t octets, mask; /* the pattern's first octets as they stand in memory, and which of the eight there are */
    uint16_t row, len;     /* len: of the pattern's first part */
};

enum { INDEX_EMPTY, INDEX_IN_WORK, INDEX_READY };

struct phrase_index {
    atomic_int state;
    uint16_t first[BUCKETS + 1]; /* of each bucket's keys; they stand in the order of their rows */
    struct key *keys;
};

static_assert(COUNT(software_rows) <= COUNT(phrase_rows), "struct search has a bit for each row of either table");
static struct key phrase_keys[COUNT(phrase_rows)], software_keys[COUNT(software_rows)];
static struct phrase_index phrase_index = {.keys = phrase_keys}, software_index = {.keys = software_keys};

const struct phrase_table reply_phrases = {phrase_rows, COUNT(phrase_rows), &phrase_index};
const struct phrase_table software_phrases = {software_rows, COUNT(software_rows), &software_index};

static unsigned bucket_of(const char *word)
{
    uint32_t key =
        (uint32_t)(unsigned char)word[0] | (uint32_t)(unsigned char)word[1] << 8 | (uint32_t)(unsigned char)word[2] << 16;

    return key * 2654435761u >> 24; /* Knuth's multiplicative hash */
}

static size_t part_len(const char *pattern)
{
    return strcspn(pattern, "*");
}

static struct key key_of(const char *pattern, size_t row)
{
    size_t len = part_len(pattern);
    struct key key = {.row = (uint16_t)row, .len = (uint16_t)len};

    assert(len >= KEY_LEN);
    if (len > PREFIX_MAX)
        len = PREFIX_MAX;
    memcpy(&key.octets, pattern, len);
    memset(&key.mask, 0xff, len);
    return key;
}

static void index_fill(const struct phrase_table *table)
{
    struct phrase_index *index = table->index;
    uint16_t next[BUCKETS];

    for (size_t row = 0; row < table->count; row++)
        index->first[bucket_of(table->rows[row].pattern) + 1]++;
    for (size_t i = 0; i < BUCKETS; i++) {
        next[i] = index->first[i];
        index->first[i + 1] = (uint16_t)(index->first[i + 1] + index->first[i]);
    }
    for (size_t row = 0; row < table->count; row++)
        index->keys[next[bucket_of(table->rows[row].pattern)]++] = key_of(table->rows[row].pattern, row);
}

/* Is the index ready? The first one to ask fills it; who asks meanwhile does without. */
static bool index_ready(const struct phrase_table *table)
{
    struct phrase_index *index = table->index;
    int state = atomic_load_explicit(&index->state, memory_order_acquire);

    if (state == INDEX_READY)
        return true;
    if (state != INDEX_EMPTY || !atomic_compare_exchange_strong(&index->state, &state, INDEX_IN_WORK))
        return false;
    index_fill(table);
    atomic_store_explicit(&index->state, INDEX_READY, memory_order_release);
    return true;
}

/* --- the text */

/* The length of a part to leave out that begins at `at` with '<', '[' or 'h': <...>, [...], a URL; 0 none. */
static size_t stripped_len(const char *at, size_t len)
{
    const char *close = NULL;
    size_t used = 0;

    /* "<LF>" and "<CR>" are words of the server, an address has an @ or is a host name. */
    if (*at == '<')
        close = len > 4 ? memchr(at, '>', len) : NULL;
    else if (*at == '[')
        close = memchr(at, ']', len);
    if (close)
        return close - at > 3 ? (size_t)(close - at) + 1 : 0;
    if (len > 8 && at[1] == 't' && (!strncmp(at, "http://", 7) || !strncmp(at, "https://", 8)))
        while (used < len && at[used] != ' ' && at[used] != '\n')
            used++;
    return used;
}

/* What a letter or digit is in lower case; 0 for what separates words; less for where a part to leave out may begin. */
#define LETTERS(upper, lower) [upper] = lower, [lower] = lower
#define DIGIT(digit) [digit] = digit
static const signed char letter_of[UCHAR_MAX + 1] = {
    ['h'] = -'h',      ['<'] = -'<',      ['['] = -'[',      ['H'] = 'h',       LETTERS('A', 'a'), LETTERS('B', 'b'),
    LETTERS('C', 'c'), LETTERS('D', 'd'), LETTERS('E', 'e'), LETTERS('F', 'f'), LETTERS('G', 'g'), LETTERS('I', 'i'),
    LETTERS('J', 'j'), LETTERS('K', 'k'), LETTERS('L', 'l'), LETTERS('M', 'm'), LETTERS('N', 'n'), LETTERS('O', 'o'),
    LETTERS('P', 'p'), LETTERS('Q', 'q'), LETTERS('R', 'r'), LETTERS('S', 's'), LETTERS('T', 't'), LETTERS('U', 'u'),
    LETTERS('V', 'v'), LETTERS('W', 'w'), LETTERS('X', 'x'), LETTERS('Y', 'y'), LETTERS('Z', 'z'), DIGIT('0'),
    DIGIT('1'),        DIGIT('2'),        DIGIT('3'),        DIGIT('4'),        DIGIT('5'),        DIGIT('6'),
    DIGIT('7'),        DIGIT('8'),        DIGIT('9'),
};

/* An address without brackets: what was read of it is forgotten, `at` is behind it, and `*len` and `*count` are before it. */
static const char *address_strip(const struct words *words, const char *at, const char *end, size_t *len, size_t *count)
{
    while (*len && words->text[*len - 1] != ' ')
        --*len;
    while (*count && words->starts[*count - 1] >= *len)
        --*count;
    while (at < end && *at != ' ' && *at != '\n')
        at++;
    return at;
}

void words_read(struct words *words, const struct smtpscope_text *text)
{
    const char *at = text->at, *end = at + text->len;
    size_t len = 0, count = 0;
    bool inside = false;

    for (; at < end && len < TEXT_MAX_READ - 1; at++) {
        int letter = letter_of[(unsigned char)*at];

        if (letter < 0) {
            size_t skip = stripped_len(at, (size_t)(end - at));

            if (skip) { /* "User <joe> unknown" is "user unknown" */
                at += skip - 1;
                at += len && words->text[len - 1] == ' ' && at + 1 < end && at[1] == ' ';
                continue;
            }
            letter = *at == 'h' ? 'h' : 0;
        } else if (*at == '@' && inside) {
            at = address_strip(words, at, end, &len, &count) - 1;
            inside = false;
            continue;
        }
        words->starts[count] = (uint16_t)len; /* stays if a word begins here */
        count += letter && !inside;
        inside = letter;
        words->text[len++] = letter ? (char)letter : *at == '\n' ? ' ' : *at;
    }
    memset(words->text + len, 0, PREFIX_MAX);
    words->len = len;
    words->count = count < WORDS_MAX ? count : WORDS_MAX;
}

/* --- one against the other */

static bool part_is_at(const struct words *words, size_t word, const char *part, size_t len)
{
    size_t start = words->starts[word];

    return len <= words->len - start && !memcmp(words->text + start, part, len);
}

/* The first word behind `len` octets from a word on. */
static size_t word_behind(const struct words *words, size_t word, size_t len)
{
    size_t end = words->starts[word] + len;

    while (word < words->count && words->starts[word] < end)
        word++;
    return word;
}

/* The parts of a pattern behind its first, of `len` octets at this word: anywhere behind, but in their order. */
static bool rest_follows(const struct words *words, size_t word, const char *pattern, size_t len)
{
    while (pattern[len]) {
        word = word_behind(words, word, len);
        pattern += len + 1;
        len = part_len(pattern);
        while (word < words->count && !part_is_at(words, word, pattern, len))
            word++;
        if (word == words->count)
            return false;
    }
    return true;
}

static bool phrase_may_apply(const struct phrase *phrase, bool temporary, const char *server)
{
    if (phrase->codes != ANY && (phrase->codes == TEMPORARY) != temporary)
        return false;
    return !phrase->own || !strcmp(phrase->server, server);
}

bool phrase_applies(const struct phrase *phrase, const struct words *words, bool temporary, const char *server)
{
    size_t len = part_len(phrase->pattern), word = 0;

    if (!phrase_may_apply(phrase, temporary, server))
        return false;
    while (word < words->count && !part_is_at(words, word, phrase->pattern, len))
        word++;
    /* The first place of a part is as good as any: what follows a later one follows this one too. */
    return word < words->count && rest_follows(words, word, phrase->pattern, len);
}

size_t phrase_first_walking(const struct phrase_table *table, const struct words *words, bool temporary, const char *server,
                            const bool *left_out)
{
    size_t row = 0;

    while (row < table->count && ((left_out && left_out[row]) || !phrase_applies(&table->rows[row], words, temporary, server)))
        row++;
    return row;
}

/* A walk over the words of one text, and what it has found. */
struct search {
    const struct phrase_table *table;
    const struct words *words;
    const bool *left_out;
    const char *server;
    bool temporary;
    size_t best;
    uint64_t lost[COUNT(phrase_rows) / 64 + 1]; /* a bit a row whose first part was found, and the rest was not behind it */
};

/* The row's pattern may begin at this word. */
static bool key_matches(struct search *search, const struct key *key, size_t word)
{
    const struct phrase *phrase = &search->table->rows[key->row];
    uint64_t *lost = &search->lost[key->row / 64], bit = (uint64_t)1 << key->row % 64;

    if (*lost & bit || (search->left_out && search->left_out[key->row]) ||
        !phrase_may_apply(phrase, search->temporary, search->server) ||
        (key->len > PREFIX_MAX && !part_is_at(search->words, word, phrase->pattern, key->len)))
        return false;
    if (rest_follows(search->words, word, phrase->pattern, key->len))
        return true;
    *lost |= bit;
    return false;
}

static void word_look_up(struct search *search, size_t word)
{
    const struct phrase_index *index = search->table->index;
    const char *at = search->words->text + search->words->starts[word];
    unsigned bucket = bucket_of(at);
    const struct key *key = &index->keys[index->first[bucket]], *end = &index->keys[index->first[bucket + 1]];
    uint64_t octets;

    memcpy(&octets, at, sizeof octets);
    for (; key < end && key->row < search->best; key++)
        if ((octets & key->mask) == key->octets && key_matches(search, key, word))
            search->best = key->row;
}

size_t phrase_first(const struct phrase_table *table, const struct words *words, bool temporary, const char *server,
                    const bool *left_out)
{
    struct search search = {
        .table = table, .words = words, .left_out = left_out, .server = server, .temporary = temporary, .best = table->count};

    if (!index_ready(table))
        return phrase_first_walking(table, words, temporary, server, left_out);
    for (size_t word = 0; word < words->count; word++)
        word_look_up(&search, word);
    return search.best;
}
