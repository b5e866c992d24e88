/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/queue_id.h"

#include <string.h>
#include <strings.h>

/* Names are shorter; what is longer is something else. */
#define QUEUE_ID_MAX 128

static const struct {
    const char *words;
    bool before; /* the name stands before the words, else behind them */
} rows[] = {
#define QUEUE_ID_BEHIND(words, servers) {words, false},
#define QUEUE_ID_BEFORE(words, servers) {words, true},
#include "output/queue_ids.def"
};

static bool is_of_name(char c)
{
    return c > ' ' && c < 0x7f && !strchr(",;()[]<>\"'", c);
}

/* Where the words begin, in whatever case, not inside another word; NULL: nowhere. */
static const char *find(struct smtpscope_text text, const char *words)
{
    size_t len = strlen(words);

    for (size_t i = 0; i + len <= text.len; i++)
        if (!strncasecmp(text.at + i, words, len) && !(i && is_of_name(words[0]) && is_of_name(text.at[i - 1])))
            return text.at + i;
    return NULL;
}

static struct smtpscope_text name_between(const char *begin, const char *end)
{
    while (end > begin && end[-1] == '.')
        end--;
    return (struct smtpscope_text){begin, end - begin <= QUEUE_ID_MAX ? (size_t)(end - begin) : 0};
}

struct smtpscope_text queue_id(struct smtpscope_text reply)
{
    struct smtpscope_text name = {"", 0};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !name.len; i++) {
        const char *at = find(reply, rows[i].words), *end = at;

        if (!at)
            continue;
        if (rows[i].before) {
            while (at > reply.at && is_of_name(at[-1]))
                at--;
        } else {
            at = end = at + strlen(rows[i].words);
            while (end < reply.at + reply.len && is_of_name(*end))
                end++;
        }
        name = name_between(at, end);
    }
    return name;
}
