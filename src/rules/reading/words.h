/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reply's text as words: in lower case, without accents, with one space between them, and without what the server only
 * quotes. What is written in other letters than ours stays as the octets it is.
 */
#ifndef RULES_READING_WORDS_H
#define RULES_READING_WORDS_H

#include "smtpscope/session.h"

#define TEXT_MAX_READ 1024
#define WORDS_MAX 256 /* behind so many no phrase is looked for */
/* Octets of a phrase that are compared at once; a text is followed by so many zeros. */
#define PREFIX_MAX (2 * sizeof(uint64_t))

/*
 * "Joe's" is "joe s". An address, <...> and [...] are left out. A URL and the name of a host become one word a label, each behind a
 * slash ("/spamhaus /org"), so that no phrase finds its words there; an IP address becomes the word "ip". Where each sign is a
 * word (Chinese, Japanese, Korean), and in text that is no UTF-8, a word begins at each sign, and no space is put between.
 */
struct words {
    size_t count, len;
    uint16_t starts[WORDS_MAX]; /* `count` of them: a phrase begins where a word does ("locked" is not in "blocked") */
    char text[TEXT_MAX_READ + PREFIX_MAX];
};

/* Reads all that fits. */
void words_read(struct words *words, const struct smtpscope_text *text);

#endif
