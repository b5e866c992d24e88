/* SPDX-License-Identifier: BSD-2-Clause */
/* Near matches of a mistyped rule or reason. */
#include "app/explain/explain_near.h"

#include "base/unlike.h"
#include "smtpscope/rule.h"

#include <string.h>

/* Keeps the EXPLAIN_NEAR_MAX likest, the first of equals first. */
static void near_offer(struct explain_near *near, const char *word, size_t how)
{
    size_t at = near->count;

    if (how >= UNLIKE_MAX)
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

        near_offer(near, word, unlikeness(topic, word));
    }
    for (int i = 0; i < SMTPSCOPE_RULES; i++) {
        const struct smtpscope_rule_info *info = smtpscope_rule_info((enum smtpscope_rule)i);
        size_t by_id = unlikeness(topic, info->id), by_name = unlikeness(topic, info->id + strlen(info->family) + 1);

        near_offer(near, info->id, by_id < by_name ? by_id : by_name);
    }
}
