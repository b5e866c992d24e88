/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In: the tables, as they are written. Out: for the first octets of a word, the words of the lexicon and the rows that begin
 * with them; for a class, the rows that begin with it. Filled once in a process, from constants alone.
 */
#include "phrase_index.h"

#include <assert.h>
#include <stdatomic.h>

static const struct phrase phrase_rows[] = {
#define PHRASE(meaning, when, server, pattern) {MEANING_##meaning, when, false, false, server, pattern},
#define OWN_PHRASE(meaning, when, server, pattern) {MEANING_##meaning, when, true, false, server, pattern},
#define WEAK_PHRASE(meaning, when, server, pattern) {MEANING_##meaning, when, false, true, server, pattern},
#include "phrases.def"
};

static const struct phrase software_rows[] = {
#define SOFTWARE(name, pattern) {MEANING_NONE, ANY, false, false, name, pattern},
#define SERVICE(name, pattern) {MEANING_NONE, ANY, false, false, name, pattern},
#include "software.def"
};

/* The words of a class in one language: parted by '|', each the beginning of a word. */
static const struct lexicon_entry {
    enum word_class class;
    const char *words;
} lexicon[] = {
#define WORDS(class, language, words) {WORD_CLASS_##class, words},
#include "lexicon.def"
};

static const char *const class_names[] = {
#define WORD_CLASS(id, name) [WORD_CLASS_##id] = name,
#include "classes.def"
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    SOFTWARE_COUNT = 0
#define SOFTWARE(name, pattern) +1
#define SERVICE(name, pattern)
#include "software.def"
};
const size_t software_count = SOFTWARE_COUNT;
static_assert(WORD_CLASSES <= 64, "a bit a class");

const struct phrase_table reply_phrases = {phrase_rows, COUNT(phrase_rows)};
const struct phrase_table software_phrases = {software_rows, COUNT(software_rows)};

/* Room for what the tables have: a key a word of the lexicon, a key a row, a part a piece of a pattern. */
#define LEXICON_KEYS_MAX 16384
#define PARTS_MAX 6144

enum { INDEX_EMPTY, INDEX_IN_WORK, INDEX_READY };

static struct phrase_key lexicon_keys[LEXICON_KEYS_MAX], phrase_keys[COUNT(phrase_rows)], software_keys[COUNT(software_rows)];
struct phrase_index lexicon_index = {.keys = lexicon_keys};
static struct phrase_index phrase_index = {.keys = phrase_keys}, software_index = {.keys = software_keys};
static struct pattern_parts phrase_parts[COUNT(phrase_rows)], software_parts[COUNT(software_rows)];
struct class_row class_rows[PHRASE_ROWS];
uint16_t class_first[WORD_CLASSES + 1];
struct pattern_part parts[PARTS_MAX];
static size_t part_count;
static atomic_int index_state;

struct phrase_index *index_of(const struct phrase_table *table)
{
    return table == &reply_phrases ? &phrase_index : &software_index;
}

struct pattern_parts *parts_of(const struct phrase_table *table)
{
    return table == &reply_phrases ? phrase_parts : software_parts;
}

const char *word_class_name(enum word_class class)
{
    return class_names[class];
}

static enum word_class class_find(const char *name, size_t len)
{
    size_t class = 0;

    while (class < WORD_CLASSES && (strlen(class_names[class]) != len || memcmp(class_names[class], name, len) != 0))
        class ++;
    assert(class < WORD_CLASSES);
    return (enum word_class) class;
}

/* "<box>~full" has two parts, a class and a word. */
static void parts_read(const char *pattern, struct pattern_parts *row)
{
    row->first = (uint16_t)part_count;
    for (uint8_t gap = FIRST; *pattern != '\0'; row->count++) {
        size_t len = strcspn(pattern, "*~&");
        struct pattern_part *part = &parts[part_count++];

        assert(part_count <= PARTS_MAX);
        *part = (struct pattern_part){.text = pattern, .len = (uint8_t)len, .gap = gap};
        if (*pattern != '<') {
            row->needs.words |= word_bit(bucket_of(pattern));
        } else {
            part->text = NULL;
            part->class = (uint8_t)class_find(pattern + 1, len - 2);
            row->needs.classes |= (uint64_t)1 << part->class;
        }
        gap = (uint8_t)pattern[len];
        pattern += len + (gap != '\0');
    }
}

static struct phrase_key key_of(const char *text, size_t len, size_t target)
{
    struct phrase_key key = {.text = text, .target = (uint16_t)target, .len = (uint16_t)len};

    assert(len >= KEY_LEN);
    if (len > PREFIX_MAX)
        len = PREFIX_MAX;
    memcpy(&key.octets, text, len);
    memset(&key.mask, 0xff, len);
    return key;
}

/* First each key is counted in its bucket, then, with `next`, it is put there. */
static void key_take(struct phrase_index *index, uint16_t *next, unsigned bucket, struct phrase_key key)
{
    if (next != NULL)
        index->keys[next[bucket]++] = key;
    else
        index->first[bucket + 1]++;
}

static void lexicon_take(struct phrase_index *index, const struct phrase_table *table, uint16_t *next)
{
    (void)table;
    for (size_t i = 0; i < COUNT(lexicon); i++)
        for (const char *word = lexicon[i].words; *word != '\0'; word += strspn(word, "|")) {
            size_t len = strcspn(word, "|");

            key_take(index, next, bucket_of(word), key_of(word, len, lexicon[i].class));
            word += len;
        }
}

static void rows_take(struct phrase_index *index, const struct phrase_table *table, uint16_t *next)
{
    for (size_t row = 0; row < table->count; row++) {
        const struct pattern_part *part = &parts[parts_of(table)[row].first];
        struct phrase_key key;

        if (part->text == NULL)
            continue;
        key = key_of(part->text, part->len, row);
        key.needs = parts_of(table)[row].needs;
        key_take(index, next, bucket_of(part->text), key);
    }
}

static void index_fill(struct phrase_index *index, const struct phrase_table *table,
                       void (*take)(struct phrase_index *, const struct phrase_table *, uint16_t *))
{
    uint16_t next[BUCKETS];

    take(index, table, NULL);
    for (size_t i = 0; i < BUCKETS; i++) {
        next[i] = index->first[i];
        index->first[i + 1] = (uint16_t)(index->first[i + 1] + index->first[i]);
    }
    assert(index != &lexicon_index || index->first[BUCKETS] <= LEXICON_KEYS_MAX);
    take(index, table, next);
}

static void class_rows_fill(void)
{
    uint16_t count = 0;

    for (size_t class = 0; class < WORD_CLASSES; class ++) {
        class_first[class] = count;
        for (size_t row = 0; row < reply_phrases.count; row++) {
            const struct pattern_part *part = &parts[phrase_parts[row].first];

            if (part->text == NULL && part->class == class)
                class_rows[count++] = (struct class_row){phrase_parts[row].needs, (uint16_t)row};
        }
    }
    class_first[WORD_CLASSES] = count;
}

static void indexes_fill(void)
{
    for (size_t row = 0; row < reply_phrases.count; row++)
        parts_read(phrase_rows[row].pattern, &phrase_parts[row]);
    for (size_t row = 0; row < software_phrases.count; row++)
        parts_read(software_rows[row].pattern, &software_parts[row]);
    index_fill(&lexicon_index, NULL, lexicon_take);
    index_fill(&phrase_index, &reply_phrases, rows_take);
    index_fill(&software_index, &software_phrases, rows_take);
    class_rows_fill();
}

/* The first caller in a process fills the indexes; callers that come in that moment wait for it. */
void indexes_need(void)
{
    int state = atomic_load_explicit(&index_state, memory_order_acquire);

    if (state == INDEX_EMPTY && atomic_compare_exchange_strong(&index_state, &state, INDEX_IN_WORK)) {
        indexes_fill();
        atomic_store_explicit(&index_state, INDEX_READY, memory_order_release);
    }
    while (state != INDEX_READY)
        state = atomic_load_explicit(&index_state, memory_order_acquire);
}
