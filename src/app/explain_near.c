/* SPDX-License-Identifier: BSD-2-Clause */
/* Near matches of a mistyped identifier. */
#include "app/explain_near.h"

#include "smtpscope/rule.h"

#include <ctype.h>
#include <string.h>

#define NEAR_LEN EXPLAIN_UNLIKE

/* Levenshtein's distance, ignoring case; texts over NEAR_LEN are as far as they are long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAR_LEN + 1], a_len = strlen(a), b_len = strlen(b);

    if (a_len > NEAR_LEN || b_len > NEAR_LEN)
        return NEAR_LEN;
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

size_t explain_unlikeness(const char *topic, const char *word)
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
    return NEAR_LEN;
}

/* Keeps the EXPLAIN_NEAR_MAX likest, the first of equals first. */
static void near_offer(struct explain_near *near, const char *word, size_t how)
{
    size_t at = near->count;

    if (how >= NEAR_LEN)
        return;
    while (at > 0 && near->unlikeness[at - 1] > how)
        at--;
    if (at == EXPLAIN_NEAR_MAX)
        return;
    if (near->count < EXPLAIN_NEAR_MAX)
        near->count++;
    for (size_t i = near->count - 1; i > at; i--) {
        near->word[i] = near->word[i - 1];
        near->unlikeness[i] = near->unlikeness[i - 1];
    }
    near->word[at] = word;
    near->unlikeness[at] = how;
}

void explain_near_find(const char *topic, struct explain_near *near)
{
    near->count = 0;
    for (int i = SMTPSCOPE_REASON_NONE + 1; i < SMTPSCOPE_REASONS; i++) {
        const char *word = smtpscope_reason_name((enum smtpscope_reason)i);

        near_offer(near, word, explain_unlikeness(topic, word));
    }
    for (int i = 0; i < SMTPSCOPE_RULES; i++) {
        const struct smtpscope_rule_info *info = smtpscope_rule_info((enum smtpscope_rule)i);
        size_t by_id = explain_unlikeness(topic, info->id),
               by_name = explain_unlikeness(topic, info->id + strlen(info->family) + 1);

        near_offer(near, info->id, by_id < by_name ? by_id : by_name);
    }
}
