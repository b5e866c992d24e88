/* SPDX-License-Identifier: BSD-2-Clause */
/* Ordered tables of phrases, and which of their rows a text matches first. Internal to rules. */
#ifndef RULES_PHRASES_H
#define RULES_PHRASES_H

#include "reply_meaning.h"

#define TEXT_MAX_READ 1024
#define WORDS_MAX 192 /* behind so many no phrase is looked for */
/* Octets of a pattern that are compared at once; a text is followed by so many zeros. */
#define PREFIX_MAX sizeof(uint64_t)

/* A reply's text, normalised, and where its words begin: a phrase begins where a word does ("locked" is not in "blocked"). */
struct words {
    size_t count, len;
    uint16_t starts[TEXT_MAX_READ]; /* `count` of them */
    char text[TEXT_MAX_READ + PREFIX_MAX];
};

/* Lower case, in one line, without what the server quotes: <...>, [...], addresses and URLs. */
void words_read(struct words *words, const struct smtpscope_text *text);

enum codes { ANY, TEMPORARY, PERMANENT };

struct phrase {
    enum reply_meaning meaning;
    enum codes codes;
    bool own; /* means this only when the server is known to be the one named */
    const char *server, *pattern;
};

/* Where rows are found by the first octets of their pattern. Filled once in a process, by whoever comes first. */
struct phrase_index;

struct phrase_table {
    const struct phrase *rows;
    size_t count;
    struct phrase_index *index;
};

/* The table of phrases.def, and that of the software that greetings name. */
extern const struct phrase_table reply_phrases, software_phrases;
/* Rows of software_phrases that are software; behind them are services, which are found in names of hosts too. */
extern const size_t software_count;

/* The first row that the text matches, table->count when none does. `left_out`: a flag a row, or NULL. */
size_t phrase_first(const struct phrase_table *table, const struct words *words, bool temporary, const char *server,
                    const bool *left_out);
/* The same by walking the table, row by row. */
size_t phrase_first_walking(const struct phrase_table *table, const struct words *words, bool temporary, const char *server,
                            const bool *left_out);
/* Does this row match, whatever stands before it? */
bool phrase_applies(const struct phrase *phrase, const struct words *words, bool temporary, const char *server);

#endif
