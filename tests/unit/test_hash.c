/* SPDX-License-Identifier: BSD-2-Clause */
/* The keyed hash: keys that share a word, whatever that is, collide no more than chance. */
#include "unit.h"

#include "base/hash.h"

#define KEYS 1000

static void test_prepared_keys(void **unused)
{
    /* The last one makes a product of a former hash zero; the others are what XXH3 itself multiplies by. */
    static const uint64_t words[] = {
        0, UINT64_MAX, 0x9e3779b97f4a7c15u, 0xe7037ed1a0b428dbu, 0xbe4ba423396cfeb8u, 0x1cad21f72c81017cu, 0xdb28b4a0d17e03e7u};
    static const uint64_t seeds[] = {1, 7, 0x0123456789abcdefu, UINT64_MAX};
    static uint64_t hashes[KEYS];

    (void)unused;
    for (size_t i = 0; i < unit_count(words); i++)
        for (size_t j = 0; j < 2 * unit_count(seeds); j++) {
            for (uint64_t k = 0; k < KEYS; k++) { /* the word is in front, or behind */
                uint64_t key[3] = {j % 2 ? k : words[i], j % 2 ? words[i] : k, k};

                hashes[k] = hash_octets(key, sizeof key, seeds[j / 2]);
                for (uint64_t before = 0; before < k; before++)
                    assert_true(hashes[before] != hashes[k]);
            }
        }
}

static void test_seed(void **unused)
{
    (void)unused;
    assert_true(hash_octets("abc", 3, 1) != hash_octets("abc", 3, 2));
    assert_true(hash_octets(NULL, 0, 1) == hash_octets("", 0, 1) && hash_octets(NULL, 0, 1) != hash_octets(NULL, 0, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_prepared_keys), cmocka_unit_test(test_seed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
