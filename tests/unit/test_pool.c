/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of all sizes keep what is written to them, are aligned and do not overlap; freed ones are used again. */
#include "unit.h"

#include "base/pool.h"

#define BLOCKS 200
#define SIZE_TOP 3000

struct held_block {
    uint8_t *at;
    size_t size;
    uint8_t mark;
};

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void block_check(const struct held_block *block, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (block->at[i] != block->mark)
            fail_msg("octet %zu of %zu: got %u, want %u", i, block->size, block->at[i], block->mark);
}

/* Requests, resizes and frees in any order: each block has its own octets, so one that overlaps another is found. */
static void test_random_requests(void **unused)
{
    struct held_block blocks[BLOCKS] = {{NULL, 0, 0}};
    uint32_t state = 1;
    struct pool pool;

    (void)unused;
    pool_init(&pool);
    for (unsigned turn = 0; turn < 50000; turn++) {
        struct held_block *block = &blocks[random_next(&state) % BLOCKS];
        size_t top = random_next(&state) % 4 ? 300 : SIZE_TOP;
        size_t size = random_next(&state) % 3 ? 1 + random_next(&state) % top : 0;

        block_check(block, block->size);
        if (!block->at && !size)
            continue;
        block->at = pool.allocator.resize(pool.allocator.ctx, block->at, size);
        assert_true(size ? block->at != NULL : block->at == NULL);
        assert_int_equal((uintptr_t)block->at % POOL_STEP, 0);
        block_check(block, size < block->size ? size : block->size);
        block->size = size;
        block->mark = (uint8_t)turn;
        if (size)
            memset(block->at, block->mark, size);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i].at)
            pool.allocator.resize(pool.allocator.ctx, blocks[i].at, 0);
    pool_fini(&pool);
}

/* What was freed of one size serves others, smaller and larger, and slabs that are wholly free go back. */
static void test_sizes_share_memory(void **unused)
{
    enum { COUNT = 20000, TURNS = 12, SMALL = 56, LARGE = 248 };
    static void *blocks[COUNT];
    size_t most = (size_t)COUNT * (LARGE + POOL_STEP) / 32768;
    struct pool pool;

    (void)unused;
    pool_init(&pool);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        size_t size = turn % 2 ? LARGE - 4 * turn : SMALL + 4 * turn, count = COUNT * SMALL / size;

        for (size_t i = 0; i < count; i++)
            assert_non_null(blocks[i] = pool.allocator.resize(pool.allocator.ctx, NULL, size));
        for (size_t i = 0; i < count; i++)
            memset(blocks[i], (int)turn, size);
        for (size_t i = 0; i < count; i++)
            pool.allocator.resize(pool.allocator.ctx, blocks[i], 0);
        if (pool.slab_count > most / 3)
            fail_msg("turn %u: got %zu slabs, want at most %zu", turn, pool.slab_count, most / 3);
    }
    pool_fini(&pool);
}

/* A session after the other takes no more than one. */
static void test_blocks_are_used_again(void **unused)
{
    static const size_t sizes[] = {152, 40, 16, 330, 190, 250, 210, 30, 1000, 5000};
    void *blocks[unit_count(sizes)], *slabs = NULL;
    struct pool pool;

    (void)unused;
    pool_init(&pool);
    for (unsigned turn = 0; turn < 10000; turn++) {
        for (size_t i = 0; i < unit_count(sizes); i++)
            assert_non_null(blocks[i] = pool.allocator.resize(pool.allocator.ctx, NULL, sizes[i]));
        for (size_t i = 0; i < unit_count(sizes); i++)
            pool.allocator.resize(pool.allocator.ctx, blocks[i], 0);
        if (!turn)
            slabs = pool.slabs;
        assert_ptr_equal(pool.slabs, slabs);
    }
    pool_fini(&pool);
}

static void test_too_much_is_refused(void **unused)
{
    struct pool pool;
    void *block;

    (void)unused;
    pool_init(&pool);
    block = pool.allocator.resize(pool.allocator.ctx, NULL, 100);
    assert_non_null(block);
    memset(block, 7, 100);
    assert_null(pool.allocator.resize(pool.allocator.ctx, NULL, SIZE_MAX - POOL_STEP + 1));
    assert_null(pool.allocator.resize(pool.allocator.ctx, block, SIZE_MAX - POOL_STEP + 1));
    block_check(&(struct held_block){block, 100, 7}, 100);
    pool.allocator.resize(pool.allocator.ctx, block, 0);
    pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_requests),
        cmocka_unit_test(test_sizes_share_memory),
        cmocka_unit_test(test_blocks_are_used_again),
        cmocka_unit_test(test_too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
