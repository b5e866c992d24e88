/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of phrases and of the lexicon, and the indexes by which a word finds its rows. For phrases.c alone. */
#ifndef RULES_READING_PHRASE_INDEX_H
#define RULES_READING_PHRASE_INDEX_H

#include "phrases.h"

#include <string.h>

enum {
    PHRASE_ROWS = 0
#define PHRASE(meaning, when, server, pattern) +1
#define OWN_PHRASE(meaning, when, server, pattern) +1
#define WEAK_PHRASE(meaning, when, server, pattern) +1
#include "phrases.def"
};

/* A word that is looked for has at least so many octets: by them its bucket is found. */
#define KEY_LEN 3
#define BUCKETS 1024
/* The first octets of a word, as they stand in memory. */
struct prefix {
    uint64_t first, second;
};

/* What a text has, and what a row needs it to have. */
struct word_traits {
    uint64_t classes; /* a bit a class */
    uint64_t words;   /* a bit a word, by its first octets: many share one */
};

struct phrase_key {
    struct prefix octets, mask; /* the first octets as they stand in memory, and which of the sixteen there are */
    struct word_traits needs;
    const char *text;
    uint16_t len, target; /* a class of words, or a row */
};

/* Keys by the first octets of their text. */
struct phrase_index {
    struct phrase_key *keys;
    uint16_t first[BUCKETS + 1]; /* of each bucket's keys; they stand in the order of their targets */
};

/* How a part of a pattern stands to the part before it. */
enum gap { FIRST, ANYWHERE_BEHIND = '*', NEAR_BEHIND = '~', NEAR = '&' };
/* Not more octets than this are between parts that are near. */
#define NEAR_OCTETS 36

struct pattern_part {
    const char *text; /* NULL: a word of `class` */
    uint8_t len, class;
    uint8_t gap; /* enum gap */
};

struct pattern_parts {
    struct word_traits needs;
    uint16_t first;
    uint8_t count;
};

/* A row that begins with a class. */
struct class_row {
    struct word_traits needs;
    uint16_t row;
};

static inline unsigned bucket_of(const char *word)
{
    uint32_t key =
        (uint32_t)(unsigned char)word[0] | (uint32_t)(unsigned char)word[1] << 8 | (uint32_t)(unsigned char)word[2] << 16;

    return key * 2654435761u >> 22; /* Knuth's multiplicative hash */
}

static inline uint64_t word_bit(unsigned bucket)
{
    return (uint64_t)1 << (bucket & 63);
}

static inline bool needs_are_met(const struct word_traits *needs, const struct word_traits *has)
{
    return !((needs->classes & ~has->classes) | (needs->words & ~has->words));
}

extern struct phrase_index lexicon_index;        /* of the words; a target is a class */
extern struct class_row class_rows[PHRASE_ROWS]; /* by class, each class in the order of the table */
extern uint16_t class_first[WORD_CLASSES + 1];   /* of each class's rows */
extern struct pattern_part parts[];              /* of all patterns */

/* The keys of rows whose first part is a word; a target is a row. */
struct phrase_index *index_of(const struct phrase_table *table);
/* A row's parts. */
struct pattern_parts *parts_of(const struct phrase_table *table);
/* To be called before anything here is read: the first one in a process to ask fills it, and others wait for that. */
void indexes_need(void);

#endif
