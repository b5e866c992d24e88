/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A softmax regression: each feature of a reply speaks for some reasons and against others, the weights are summed, and the best
 * reason is said when it is likely enough beside all others. The table is made by tests/reasons/learn.py.
 */
#include "learned.h"

#include "phrases.h"

#include "base/digits.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FEATURE_MAX 32
/* A word is known by so many octets: by its stem, more or less. */
#define STEM_MAX 7
#define QUOTED_MAX 3

/* By hash, then by reason. */
static const struct learned_weight {
    uint32_t feature;
    uint8_t reason;
    int8_t weight;
} weights[] = {
#define LEARNED_WEIGHT(feature, reason, weight) {feature, SMTPSCOPE_REASON_##reason, weight},
#include "learned.def"
};

/* Those that there were examples of. */
static const uint8_t reasons[] = {
#define LEARNED_REASON(reason) SMTPSCOPE_REASON_##reason,
#include "learned.def"
};

/* The odds of a reason that is so many steps of weight behind the best. */
static const uint16_t odds[] = {
#define LEARNED_ODDS(odds) odds,
#include "learned.def"
};

static uint32_t hash_of(const char *text, size_t len)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619u;
    return hash;
}

/* --- features */

struct feature {
    char text[FEATURE_MAX];
    size_t len;
};

static void feature_begin(struct feature *feature, char kind)
{
    feature->text[0] = kind;
    feature->text[1] = ':';
    feature->len = 2;
}

static void feature_put(struct feature *feature, const char *text, size_t len)
{
    memcpy(feature->text + feature->len, text, len);
    feature->len += len;
}

static void feature_put_number(struct feature *feature, unsigned number)
{
    size_t digits = digits_count(number);

    digits_put(feature->text + feature->len, number, (unsigned)digits);
    feature->len += digits;
}

static size_t stem_len(const struct words *words, size_t word)
{
    size_t begin = words->starts[word], end = word + 1 < words->count ? words->starts[word + 1] : words->len, len = 0;

    while (begin + len < end && words->text[begin + len] != ' ' && len < STEM_MAX)
        len++;
    return len;
}

typedef void take_feature(void *ctx, const char *feature, size_t len);

static void words_give(const struct words *words, take_feature *take, void *ctx)
{
    for (size_t word = 0; word < words->count; word++) {
        struct feature feature;

        feature_begin(&feature, 'w');
        feature_put(&feature, words->text + words->starts[word], stem_len(words, word));
        take(ctx, feature.text, feature.len);
        if (word + 1 == words->count)
            return;
        feature.text[0] = 'b';
        feature_put(&feature, "_", 1);
        feature_put(&feature, words->text + words->starts[word + 1], stem_len(words, word + 1));
        take(ctx, feature.text, feature.len);
    }
}

static void number_give(char kind, unsigned number, take_feature *take, void *ctx)
{
    struct feature feature;

    feature_begin(&feature, kind);
    feature_put_number(&feature, number);
    take(ctx, feature.text, feature.len);
}

void learned_features(const struct learned_reply *reply, void (*take)(void *ctx, const char *feature, size_t len), void *ctx)
{
    words_give(reply->words, take, ctx);
    for (uint64_t classes = reply->classes; classes; classes &= classes - 1) {
        const char *name = word_class_name((enum word_class)__builtin_ctzll(classes));
        struct feature feature;

        feature_begin(&feature, 'C');
        feature_put(&feature, name, strlen(name));
        take(ctx, feature.text, feature.len);
    }
    for (unsigned when = reply->when; when; when &= when - 1)
        number_give('s', when & -when, take, ctx);
    number_give('c', reply->code, take, ctx);
    if (reply->enhanced.klass)
        number_give('e', reply->enhanced.subject * 1000u + reply->enhanced.detail, take, ctx);
    take(ctx, "bias", sizeof "bias" - 1);
}

/* --- reasons */

static const struct learned_weight *weights_find(uint32_t feature)
{
    size_t begin = 0, end = COUNT(weights);

    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;

        if (weights[middle].feature < feature)
            begin = middle + 1;
        else
            end = middle;
    }
    return &weights[begin];
}

static void feature_sum(void *ctx, const char *feature, size_t len)
{
    int *sums = ctx;
    uint32_t hash = hash_of(feature, len);

    for (const struct learned_weight *at = weights_find(hash); at < weights + COUNT(weights) && at->feature == hash; at++)
        sums[at->reason] += at->weight;
}

static bool says_something(enum smtpscope_reason reason)
{
    return reason != SMTPSCOPE_REASON_UNSPECIFIED && reason != SMTPSCOPE_REASON_POLICY &&
           reason != SMTPSCOPE_REASON_SHUTTING_DOWN;
}

/* --- what spoke for it */

struct quoted {
    enum smtpscope_reason reason;
    size_t count;
    struct {
        char word[STEM_MAX];
        size_t len;
        int weight;
    } words[QUOTED_MAX]; /* those that weigh most, first */
};

static void word_weigh(void *ctx, const char *feature, size_t len)
{
    struct quoted *quoted = ctx;
    uint32_t hash = hash_of(feature, len);
    size_t at = quoted->count;
    int weight = 0;

    for (const struct learned_weight *row = weights_find(hash); row < weights + COUNT(weights) && row->feature == hash; row++)
        weight += row->reason == quoted->reason ? row->weight : 0;
    while (at && quoted->words[at - 1].weight < weight)
        at--;
    if (feature[0] != 'w' || weight <= 0 || at == QUOTED_MAX)
        return;
    quoted->count += quoted->count < QUOTED_MAX;
    memmove(&quoted->words[at + 1], &quoted->words[at], (quoted->count - at - 1) * sizeof *quoted->words);
    memcpy(quoted->words[at].word, feature + 2, len - 2);
    quoted->words[at].len = len - 2;
    quoted->words[at].weight = weight;
}

enum smtpscope_reason learned_reason(const struct learned_reply *reply)
{
    int sums[SMTPSCOPE_REASONS] = {0};
    enum smtpscope_reason best = (enum smtpscope_reason)reasons[0];
    struct quoted quoted = {.count = 0};
    uint64_t others = 0;

    if (!reply->words->count)
        return SMTPSCOPE_REASON_NONE;
    learned_features(reply, feature_sum, sums);
    for (size_t i = 1; i < COUNT(reasons); i++)
        if (sums[reasons[i]] > sums[best])
            best = (enum smtpscope_reason)reasons[i];
    for (size_t i = 0; i < COUNT(reasons); i++) {
        size_t behind = (size_t)(sums[best] - sums[reasons[i]]);

        others += reasons[i] != best && behind < COUNT(odds) ? odds[behind] : 0;
    }
    if (others > LEARNED_OTHERS_MAX || !says_something(best))
        return SMTPSCOPE_REASON_NONE;
    quoted.reason = best;
    learned_features(reply, word_weigh, &quoted);
    return quoted.count ? best : SMTPSCOPE_REASON_NONE;
}

size_t learned_quote(const struct learned_reply *reply, enum smtpscope_reason reason, char *to, size_t size)
{
    static const char between[] = ", ";
    struct quoted quoted = {.reason = reason};
    size_t len = 0;

    learned_features(reply, word_weigh, &quoted);
    for (size_t i = 0; i < quoted.count && len + STEM_MAX + sizeof between < size; i++) {
        if (i) {
            memcpy(to + len, between, sizeof between - 1);
            len += sizeof between - 1;
        }
        memcpy(to + len, quoted.words[i].word, quoted.words[i].len);
        len += quoted.words[i].len;
    }
    to[len] = '\0';
    return len;
}
