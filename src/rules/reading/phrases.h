/* SPDX-License-Identifier: BSD-2-Clause */
/* Ordered tables of phrases, and which of their rows a text matches first. */
#ifndef RULES_READING_PHRASES_H
#define RULES_READING_PHRASES_H

#include "meaning.h"
#include "words.h"

/* When a row holds: a class of codes and steps of the session, bits. Without a bit of a kind, at any of that kind. */
enum when {
    ANY = 0,
    TEMPORARY = 1, /* 4yz */
    PERMANENT = 2, /* 5yz */
    AT_OPEN = 4,   /* greeting, EHLO, HELO */
    AT_AUTH = 8,   /* AUTH and its answers */
    AT_MAIL = 16,
    AT_RCPT = 32,
    AT_DATA = 64,
    AT_END = 128, /* behind the final dot, or the last chunk */
    AT_TLS = 256, /* STARTTLS */
    AT_OTHER = 512,
    CLOSING = 1024, /* 421 */
    CODES = TEMPORARY | PERMANENT | CLOSING,
    NOT_AT_AUTH = AT_OPEN | AT_MAIL | AT_RCPT | AT_DATA | AT_END | AT_TLS | AT_OTHER,
    BEFORE_CONTENT = AT_OPEN | AT_AUTH | AT_TLS | AT_MAIL | AT_RCPT | AT_DATA, /* nothing of the message was seen */
};

/* Classes of words: lexicon.def. */
enum word_class {
#define WORD_CLASS(id, name) WORD_CLASS_##id,
#include "classes.def"
    WORD_CLASSES
};

struct phrase {
    enum reply_meaning meaning;
    unsigned when; /* bits of enum when */
    bool own;      /* means this only when the server is known to be the one named */
    bool weak;     /* means this only when nothing else says more */
    const char *server, *pattern;
};

struct phrase_table {
    const struct phrase *rows;
    size_t count;
};

/* The table of phrases.def, and that of the software that greetings name. */
extern const struct phrase_table reply_phrases, software_phrases;
/* Rows of software_phrases that are software; behind them are services, which are found in names of hosts too. */
extern const size_t software_count;

/* As in a pattern: "rcpt". Static. */
const char *word_class_name(enum word_class class);

/* What a text has, as far as the tables tell. */
struct phrase_find {
    size_t row;       /* the first one; the table's count: none */
    uint64_t classes; /* a bit a class of words that the text has */
};

/*
 * The row that decides: the first one that is found behind "because" and its like, if it is no weak one; else the first one of
 * all. `left_out`: a flag a row of those that do not count, or NULL. `server`: "" when it is not known.
 */
struct phrase_find phrase_find(const struct phrase_table *table, const struct words *words, unsigned when, const char *server,
                               const bool *left_out);
/* Does this row match, whatever stands before it? */
bool phrase_applies(const struct phrase_table *table, size_t row, const struct words *words, unsigned when, const char *server);
/*
 * The words by which the row matches, "mailbox ... full": at most `size` octets to `to`, the last a NUL. Returns their number
 * without it.
 */
size_t phrase_quote(const struct phrase_table *table, size_t row, const struct words *words, char *to, size_t size);

#endif
