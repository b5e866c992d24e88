/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A text against a table of some thousand phrases, the first of which decides. First each word of the text is looked up in the
 * lexicon, which says to what classes it belongs. Then the rows are looked up by their first part, through an index: of a word's
 * first octets, or of a class. So a text costs about what its words cost, and not what the table does.
 *
 * The road not taken: remembering texts and what they meant. It helps only where one server says one thing all day, and needs
 * a place to remember that neither the sessions nor the threads share.
 */
#include "phrases.h"

#include "phrase_index.h"

/* --- a row against a text */

/* A walk over the words of one text, and what it has found. */
struct phrase_search {
    const struct phrase_table *table;
    const struct pattern_parts *rows;
    const struct words *words;
    const bool *left_out;
    const char *server;
    unsigned when;
    bool behind;              /* a "because" was passed */
    size_t best, best_behind; /* rows, of the whole text and of what stands behind the last "because" */
    struct word_traits has;   /* of all words */
    uint64_t classes_at[WORDS_MAX];
    uint64_t lost[PHRASE_ROWS / 64 + 1]; /* a bit a row of which a part is nowhere behind */
    uint16_t *trace;                     /* NULL, or the words where the parts of a row are */
};

static bool octets_are_at(const struct words *words, size_t word, const char *octets, size_t len)
{
    size_t start = words->starts[word];

    /* A space at the end: there a word ends, and so does the text. */
    return len <= words->len + 1 - start && !memcmp(words->text + start, octets, len);
}

static bool part_is_at(const struct phrase_search *search, const struct pattern_part *part, size_t word)
{
    if (part->text == NULL)
        return search->classes_at[word] >> part->class & 1;
    return octets_are_at(search->words, word, part->text, part->len);
}

/* Where the part ends that is at this word: behind its octets; or behind the word, of a class. */
static size_t part_end(const struct phrase_search *search, const struct pattern_part *part, size_t word)
{
    const struct words *words = search->words;

    if (part->text != NULL)
        return (size_t)words->starts[word] + part->len;
    return word + 1 < words->count ? words->starts[word + 1] : words->len;
}

/* The first word that starts at `offset` or behind it. */
static size_t word_from(const struct words *words, size_t word, size_t offset)
{
    while (word < words->count && words->starts[word] < offset)
        word++;
    return word;
}

static size_t word_back(const struct words *words, size_t word, size_t offset)
{
    while (word > 0 && words->starts[word - 1] >= offset)
        word--;
    return word;
}

enum match { MATCHES, NOT_HERE, NOWHERE_BEHIND };

/* The words where a part may begin. */
struct word_range {
    size_t begin, end;
};

static struct word_range range_of(const struct phrase_search *search, const struct pattern_part *part,
                                  const struct pattern_part *before, size_t word)
{
    const struct words *words = search->words;
    size_t end = part_end(search, before, word), start = words->starts[word];
    struct word_range range = {word_from(words, word, end), words->count};

    if (part->gap == NEAR)
        range.begin = word_back(words, word, start > NEAR_OCTETS ? start - NEAR_OCTETS : 0);
    if (part->gap != ANYWHERE_BEHIND)
        range.end = word_from(words, word, end + NEAR_OCTETS);
    return range;
}

/*
 * The parts behind this one, which is at `word`. The first place of a part that may be anywhere is as good as any, unless the
 * part behind it must be near.
 */
static enum match rest_matches(const struct phrase_search *search, const struct pattern_parts *row, size_t at, size_t word)
{
    const struct pattern_part *before = &parts[row->first + at], *part = before + 1;
    struct word_range range;

    if (search->trace != NULL)
        search->trace[at] = (uint16_t)word;
    if (at + 1 == row->count)
        return MATCHES;
    range = range_of(search, part, before, word);
    for (size_t next = range.begin; next < range.end; next++) {
        enum match match;

        if (next == word || !part_is_at(search, part, next))
            continue;
        match = rest_matches(search, row, at + 1, next);
        if (match != NOT_HERE)
            return match;
    }
    return part->gap == ANYWHERE_BEHIND ? NOWHERE_BEHIND : NOT_HERE;
}

static bool row_may_apply(const struct phrase_search *search, size_t row)
{
    const struct phrase *phrase = &search->table->rows[row];
    unsigned codes = phrase->when & (TEMPORARY | PERMANENT), steps = phrase->when & ~(unsigned)(TEMPORARY | PERMANENT);

    if ((codes && !(codes & search->when)) || (steps && !(steps & search->when)))
        return false;
    return !phrase->own || !strcmp(phrase->server, search->server);
}

/* --- a text against the table */

static struct prefix prefix_of(const struct words *words, size_t word)
{
    struct prefix octets;

    memcpy(&octets, words->text + words->starts[word], sizeof octets);
    return octets;
}

static bool prefix_is(const struct prefix *octets, const struct phrase_key *key)
{
    return (octets->first & key->mask.first) == key->octets.first && (octets->second & key->mask.second) == key->octets.second;
}

static bool key_is_at(const struct phrase_key *key, const struct prefix *octets, const struct words *words, size_t word)
{
    return prefix_is(octets, key) && (key->len <= PREFIX_MAX || octets_are_at(words, word, key->text, key->len));
}

static uint64_t bucket_classes(unsigned bucket, const struct prefix *octets, const struct words *words, size_t word)
{
    const struct phrase_key *key = &lexicon_index.keys[lexicon_index.first[bucket]],
                            *end = &lexicon_index.keys[lexicon_index.first[bucket + 1]];
    uint64_t classes = 0;

    for (; key < end; key++)
        if (key_is_at(key, octets, words, word))
            classes |= (uint64_t)1 << key->target;
    return classes;
}

/* Each word is looked up in the lexicon, if the table has classes. */
static void traits_read(struct phrase_search *search)
{
    const struct words *words = search->words;

    for (size_t word = 0; word < words->count; word++) {
        unsigned bucket = bucket_of(words->text + words->starts[word]);
        struct prefix octets = prefix_of(words, word);

        search->has.words |= word_bit(bucket);
        if (search->table != &reply_phrases)
            continue;
        search->classes_at[word] = bucket_classes(bucket, &octets, words, word);
        search->has.classes |= search->classes_at[word];
    }
}

/* The row's first part is at this word. */
static void row_try(struct phrase_search *search, size_t row, size_t word)
{
    uint64_t *lost = &search->lost[row / 64], bit = (uint64_t)1 << row % 64;
    enum match match;

    if (*lost & bit || (search->left_out != NULL && search->left_out[row]) || !row_may_apply(search, row))
        return;
    match = rest_matches(search, &search->rows[row], 0, word);
    if (match == NOWHERE_BEHIND)
        *lost |= bit;
    if (match != MATCHES)
        return;
    if (search->table->rows[row].meaning == MEANING_BECAUSE) {
        search->behind = true;
        search->best_behind = search->table->count;
        return;
    }
    if (row < search->best)
        search->best = row;
    if (search->behind && row < search->best_behind)
        search->best_behind = row;
}

/* Rows behind this one are not of interest. */
static size_t limit_of(const struct phrase_search *search)
{
    return search->behind && search->best_behind > search->best ? search->best_behind : search->best;
}

/* Rows that begin with a word. */
static void bucket_try(struct phrase_search *search, const struct phrase_index *index, unsigned bucket, size_t word)
{
    const struct phrase_key *key = &index->keys[index->first[bucket]], *end = &index->keys[index->first[bucket + 1]];
    struct prefix octets = prefix_of(search->words, word);

    for (; key < end && key->target < limit_of(search); key++)
        if (needs_are_met(&key->needs, &search->has) && key_is_at(key, &octets, search->words, word))
            row_try(search, key->target, word);
}

/* Rows that begin with a class. */
static void class_try(struct phrase_search *search, unsigned class, size_t word)
{
    const struct class_row *row = &class_rows[class_first[class]], *end = &class_rows[class_first[class + 1]];

    for (; row < end && row->row < limit_of(search); row++)
        if (needs_are_met(&row->needs, &search->has))
            row_try(search, row->row, word);
}

static void word_try(struct phrase_search *search, const struct phrase_index *index, size_t word)
{
    const char *at = search->words->text + search->words->starts[word];

    bucket_try(search, index, bucket_of(at), word);
    for (uint64_t classes = search->has.classes ? search->classes_at[word] : 0; classes; classes &= classes - 1)
        class_try(search, (unsigned)__builtin_ctzll(classes), word);
}

static void search_begin(struct phrase_search *search, const struct phrase_table *table, const struct words *words,
                         unsigned when, const char *server)
{
    indexes_need();
    search->table = table;
    search->rows = parts_of(table);
    search->words = words;
    search->left_out = NULL;
    search->server = server;
    search->when = when;
    search->behind = false;
    search->best = search->best_behind = table->count;
    memset(search->lost, 0, sizeof search->lost);
    search->trace = NULL;
    search->has = (struct word_traits){0, 0};
    traits_read(search);
}

struct phrase_find phrase_find(const struct phrase_table *table, const struct words *words, unsigned when, const char *server,
                               const bool *left_out)
{
    struct phrase_search search;

    search_begin(&search, table, words, when, server);
    search.left_out = left_out;
    for (size_t word = 0; word < words->count; word++)
        word_try(&search, index_of(table), word);
    if (search.best_behind < table->count && !table->rows[search.best_behind].weak)
        search.best = search.best_behind;
    return (struct phrase_find){search.best, search.has.classes};
}

/* --- one row */

/* Where the row's first part is and the rest stands to it as it must; the number of words: nowhere. */
static size_t row_find(const struct phrase_search *search, size_t row)
{
    const struct pattern_parts *row_parts = &search->rows[row];
    size_t word = 0;

    if (!row_may_apply(search, row))
        return search->words->count;
    while (word < search->words->count &&
           (!part_is_at(search, &parts[row_parts->first], word) || rest_matches(search, row_parts, 0, word) != MATCHES))
        word++;
    return word;
}

bool phrase_applies(const struct phrase_table *table, size_t row, const struct words *words, unsigned when, const char *server)
{
    struct phrase_search search;

    search_begin(&search, table, words, when, server);
    return row_find(&search, row) < words->count;
}

/* The longest of the class's words that is at this word, in octets. */
static size_t class_len(const struct words *words, unsigned class, size_t word)
{
    unsigned bucket = bucket_of(words->text + words->starts[word]);
    struct prefix octets = prefix_of(words, word);
    size_t len = 0;

    for (size_t i = lexicon_index.first[bucket]; i < lexicon_index.first[bucket + 1]; i++) {
        const struct phrase_key *key = &lexicon_index.keys[i];

        if (key->target == class && key->len > len && key_is_at(key, &octets, words, word))
            len = key->len;
    }
    return len;
}

/* The part as the text has it: the phrase's last word to its end. */
static size_t quote_len(const struct phrase_search *search, const struct pattern_part *part, size_t word)
{
    const struct words *words = search->words;
    size_t end = words->starts[word] + (part->text != NULL ? part->len : class_len(words, part->class, word));

    while (end < words->len && words->text[end] != ' ' && (end == words->starts[word] || words->text[end - 1] != ' '))
        end++;
    while (end > words->starts[word] && (end > words->len || words->text[end - 1] == ' '))
        end--;
    return end - words->starts[word];
}

size_t phrase_quote(const struct phrase_table *table, size_t row, const struct words *words, char *to, size_t size)
{
    static const char between[] = " ... ";
    uint16_t trace[WORD_CLASSES];
    struct phrase_search search;
    size_t len = 0;

    search_begin(&search, table, words, ANY, "");
    search.trace = trace;
    search.when = table->rows[row].when;
    search.server = table->rows[row].server;
    if (row_find(&search, row) == words->count)
        return *to = '\0', 0;
    for (size_t at = 0; at < search.rows[row].count; at++) {
        const struct pattern_part *part = &parts[search.rows[row].first + at];
        size_t quote = quote_len(&search, part, trace[at]), need = quote + (at ? sizeof between - 1 : 0);

        if (len + need >= size)
            break;
        if (at)
            memcpy(to + len, between, sizeof between - 1);
        memcpy(to + len + need - quote, words->text + words->starts[trace[at]], quote);
        len += need;
    }
    to[len] = '\0';
    return len;
}
