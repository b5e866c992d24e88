/* SPDX-License-Identifier: BSD-2-Clause */
/* What is remembered of what was delivered: equal octets are never told to differ, others are, and where they are not. */
#include "unit.h"

#include "stream/recent.h"

#define SEED 0x1b873593cc9e2d51u
#define STREAM_OCTETS 65536u
/* Twice what ten bits of a hash let by. */
#define MISSED_OF_1000 2

static uint32_t random_below(uint32_t end)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % end;
}

/* What ought to be remembered, by its places in the stream. */
struct model {
    uint8_t octets[STREAM_OCTETS];
    uint32_t end;
    struct {
        uint32_t begin, end;
    } chunks[RECENT_CHUNKS];
    unsigned count;
};

static void model_chunk(struct model *model, uint32_t begin, uint32_t end)
{
    memmove(model->chunks + 1, model->chunks, sizeof model->chunks - sizeof model->chunks[0]);
    model->chunks[0].begin = begin;
    model->chunks[0].end = end;
    if (model->count < RECENT_CHUNKS)
        model->count++;
}

static void model_keep(struct model *model, uint32_t len)
{
    uint32_t all = RECENT_CHUNKS * RECENT_OCTETS, end = model->end + len, whole = len < all ? len : all;
    uint32_t begin = end - (len <= RECENT_LINES ? whole : RECENT_OCTETS);

    if (begin > model->end)
        model->count = 0;
    for (; begin < end; begin += RECENT_OCTETS)
        model_chunk(model, begin, begin + RECENT_OCTETS < end ? begin + RECENT_OCTETS : end);
    model->end = end;
}

/* Is the octet in a chunk that is wholly in [begin, end)? */
static bool model_compares(const struct model *model, uint32_t octet, uint32_t begin, uint32_t end)
{
    for (unsigned i = 0; i < model->count; i++)
        if (octet >= model->chunks[i].begin && octet < model->chunks[i].end)
            return model->chunks[i].begin >= begin && model->chunks[i].end <= end;
    return false;
}

/* Of a random part of the end of the stream. Returns whether a changed octet ought to be noticed; `told` is whether it is. */
static bool resend(struct model *model, const struct recent *recent, bool *told)
{
    uint32_t back = 1 + random_below(random_below(2) ? 60 : 500), begin = back < model->end ? model->end - back : 0;
    uint32_t len = random_below(2) ? model->end - begin : 1 + random_below(model->end - begin);
    uint32_t octet = begin + random_below(len);
    uint8_t change = (uint8_t)(1 + random_below(255));
    struct unit_guarded again = unit_guarded_init(model->octets + begin, len);

    assert_false(recent_differs(recent, SEED, model->end - begin, again.data, len));
    again.data[octet - begin] ^= change;
    *told = recent_differs(recent, SEED, model->end - begin, again.data, len);
    unit_guarded_fini(&again);
    return model_compares(model, octet, begin, begin + len);
}

static uint32_t segment_len(void)
{
    static const uint32_t tops[] = {3, 40, 100, RECENT_CHUNKS * RECENT_OCTETS + 2, RECENT_LINES + 2, 1460};

    return 1 + random_below(tops[random_below(unit_count(tops))]);
}

static void test_random(void **unused)
{
    static struct model model;
    unsigned compared = 0, missed = 0;

    (void)unused;
    for (unsigned round = 0; round < 150; round++) {
        struct recent recent = {{0}};

        model.end = model.count = 0;
        for (uint32_t i = 0; i < STREAM_OCTETS; i++)
            model.octets[i] = (uint8_t)random_below(256);
        for (uint32_t len = segment_len(); model.end + len <= STREAM_OCTETS; len = segment_len()) {
            struct unit_guarded segment = unit_guarded_init(model.octets + model.end, len);
            bool told, want;

            recent_keep(&recent, SEED, segment.data, len);
            unit_guarded_fini(&segment);
            model_keep(&model, len);
            want = resend(&model, &recent, &told);
            if (told && !want)
                fail_msg("round %u, at %u: told of a chunk that is not there as a whole", round, model.end);
            compared += want;
            missed += want && !told;
        }
    }
    assert_true(compared > 10000);
    if (missed * 1000 > compared * MISSED_OF_1000)
        fail_msg("%u of %u changed octets went unnoticed", missed, compared);
}

/* The constants of the hash, in each of a chunk's words: a product that they make zero would hide what stands beside them. */
static void test_nothing_hides_others(void **unused)
{
    static const uint64_t words[] = {0x9e3779b97f4a7c15u, 0xe7037ed1a0b428dbu, 0, UINT64_MAX};

    (void)unused;
    for (size_t i = 0; i < unit_count(words); i++)
        for (uint32_t at = 0; at + 8 <= RECENT_OCTETS; at += 8) {
            unsigned same = 0;

            for (uint64_t seed = 0; seed < 20000; seed++) {
                uint64_t key = hash_mix(seed, 1);
                uint8_t data[RECENT_OCTETS] = {0};
                uint16_t first;

                memcpy(data + at, &words[i], sizeof words[i]);
                first = chunk_make(key, data, sizeof data);
                data[(at + RECENT_OCTETS - 1) % RECENT_OCTETS] ^= 1;
                same += first == chunk_make(key, data, sizeof data);
            }
            if (same * 1000 > 20000 * MISSED_OF_1000)
                fail_msg("word %zu at %u: %u of 20000 seeds do not tell", i, at, same);
        }
}

/* Two words that change places, with what would make up for it if both factors had the same secret. */
static void test_order_counts(void **unused)
{
    unsigned same = 0;

    (void)unused;
    for (uint64_t seed = 0; seed < 20000; seed++) {
        const uint64_t differ = 0x9e3779b97f4a7c15u ^ 0xe7037ed1a0b428dbu;
        uint64_t words[RECENT_OCTETS / 8] = {seed, 3}, changed[RECENT_OCTETS / 8] = {3 ^ differ, seed ^ differ};
        uint64_t key = hash_mix(seed, 2);

        same += chunk_make(key, (uint8_t *)words, sizeof words) == chunk_make(key, (uint8_t *)changed, sizeof changed);
    }
    if (same * 1000 > 20000 * MISSED_OF_1000)
        fail_msg("%u of 20000 seeds do not tell", same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_nothing_hides_others),
                                       cmocka_unit_test(test_order_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
