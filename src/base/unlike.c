/* SPDX-License-Identifier: BSD-2-Clause */
/* How unlike two words are: what a mistyped identifier was meant to be. */
#include "base/unlike.h"

#include <ctype.h>
#include <string.h>

/* Levenshtein's distance, ignoring case; texts over UNLIKE_MAX are as far as they are long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[UNLIKE_MAX + 1], a_len = strlen(a), b_len = strlen(b);

    if (a_len > UNLIKE_MAX || b_len > UNLIKE_MAX)
        return UNLIKE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b_len];
}

size_t unlikeness(const char *topic, const char *word)
{
    size_t len = strlen(topic), far = distance(topic, word), same = 0;

    while (same < len && tolower((unsigned char)topic[same]) == tolower((unsigned char)word[same]))
        same++;
    if (far <= len / 4 + 1)
        return far;
    if (same >= 4 && same * 3 >= len * 2)
        return len / 4 + 2;
    if (len >= 3 && strstr(word, topic) != NULL)
        return len / 4 + 3;
    return UNLIKE_MAX;
}

const char *likest(const char *topic, const void *rows, size_t count, size_t size)
{
    const char *found = NULL;
    size_t best = UNLIKE_MAX;

    for (size_t i = 0; i < count; i++) {
        const char *word = *(const char *const *)((const char *)rows + i * size);
        size_t unlike = unlikeness(topic, word);

        if (unlike < best) {
            best = unlike;
            found = word;
        }
    }
    return found;
}
