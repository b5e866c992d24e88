/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   slab    next | block | block | ...
 *   block   steps or size (8) | the caller's octets, aligned to POOL_STEP
 *
 * A slab is blocks from end to end, but for the newest one's rest, so neighbours can be found.
 */
#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#define HEADER sizeof(uint64_t)
/* Some two hundred blocks: few calls of malloc(3), and little is lost where few are needed. */
#define SLAB_OCTETS 32768
/* In the header of a block that is nobody's. */
#define FREED ((uint64_t)1 << 63)
/* So many slabs before neighbours are looked for: a quarter of a megabyte is no matter. */
#define MERGE_FIRST 8
/* ... and each time there are more by this part of them, of which as much is free: all looks then cost so many times the last. */
#define MERGE_PART 64

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
/* The largest request that becomes a block of the classes. */
#ifdef SANITIZED
#define SMALL_MAX 0 /* it can only watch over blocks that come from malloc(3) */
#else
#define SMALL_MAX (POOL_CLASSES * POOL_STEP - HEADER)
#endif

/* Out of the way of the common case, which then needs no room for what is kept across calls. */
#define SELDOM __attribute__((noinline))

struct pool_slab {
    struct pool_slab *next;
    _Alignas(HEADER) char blocks[SLAB_OCTETS];
};
_Static_assert(offsetof(struct pool_slab, blocks) == HEADER, "the caller's octets are aligned");

/* Steps of a block of the classes, else the caller's octets: more than there are classes. */
static uint64_t *header_of(void *memory)
{
    return (uint64_t *)(void *)((char *)memory - HEADER);
}

static size_t steps_of(size_t size)
{
    return (size + HEADER + POOL_STEP - 1) / POOL_STEP;
}

static SELDOM void large_free(void *memory)
{
    free((char *)memory - POOL_STEP);
}

static void *block_init(char *at, size_t steps)
{
    void *memory = at + HEADER;

    *header_of(memory) = steps;
    return memory;
}

/* A block of `steps`, which are of the classes. One that is but a header waits for a freed neighbour. */
static void block_spare(struct pool *pool, void *memory, size_t steps)
{
    *header_of(memory) = steps | FREED;
    pool->spare += steps;
    if (steps < 2)
        return;
    *(void **)memory = pool->freed[steps];
    pool->freed[steps] = memory;
}

static void block_free(struct pool *pool, void *memory)
{
    size_t steps = (size_t)*header_of(memory);

    if (steps > POOL_CLASSES)
        large_free(memory);
    else
        block_spare(pool, memory, steps);
}

static void *block_take(struct pool *pool, size_t steps)
{
    void *memory = pool->freed[steps];

    *header_of(memory) = steps;
    pool->spare -= steps;
    pool->freed[steps] = *(void **)memory;
    return memory;
}

/* Neighbours in a row, in as few blocks of the classes as there can be. */
static void run_spare(struct pool *pool, char *at, size_t steps)
{
    while (steps) {
        size_t part = steps <= POOL_CLASSES ? steps : steps == POOL_CLASSES + 1 ? POOL_CLASSES - 1 : POOL_CLASSES;

        block_spare(pool, at + HEADER, part);
        at += part * POOL_STEP;
        steps -= part;
    }
}

/* Spares the freed blocks of a slab, those of neighbours together, up to `end`. True: all of it is free, and nothing was done. */
static bool slab_merge(struct pool *pool, struct pool_slab *slab, const char *end)
{
    char *at = slab->blocks, *run = at;

    while (at < end) {
        uint64_t header = *header_of(at + HEADER);

        at += (header & ~FREED) * POOL_STEP;
        if (header & FREED)
            continue;
        run_spare(pool, run, (size_t)(at - run) / POOL_STEP - (size_t)header);
        run = at;
    }
    if (run == slab->blocks)
        return true;
    run_spare(pool, run, (size_t)(at - run) / POOL_STEP);
    return false;
}

/* The newest slab stays: its rest is in use. */
static void pool_merge(struct pool *pool)
{
    struct pool_slab **link = &pool->slabs->next, *slab;

    memset(pool->freed, 0, sizeof pool->freed);
    pool->spare = 0;
    if (slab_merge(pool, pool->slabs, pool->at))
        run_spare(pool, pool->slabs->blocks, (size_t)(pool->at - pool->slabs->blocks) / POOL_STEP);
    while ((slab = *link)) {
        if (!slab_merge(pool, slab, slab->blocks + sizeof slab->blocks)) {
            link = &slab->next;
            continue;
        }
        *link = slab->next;
        pool->slab_count--;
        free(slab);
    }
}

/* The smallest of the larger blocks, without what is too much of it; NULL: there is none. */
static void *block_split(struct pool *pool, size_t steps)
{
    size_t larger = steps + 1;
    void *memory;

    while (larger <= POOL_CLASSES && !pool->freed[larger])
        larger++;
    if (larger > POOL_CLASSES)
        return NULL;
    memory = block_take(pool, larger);
    if (larger - steps < 2)
        return memory;
    *header_of(memory) = steps;
    block_spare(pool, (char *)memory + steps * POOL_STEP, larger - steps);
    return memory;
}

static bool slab_add(struct pool *pool)
{
    struct pool_slab *slab = malloc(sizeof *slab);
    size_t left = (size_t)(pool->end - pool->at) / POOL_STEP;

    if (!slab)
        return false;
    if (left)
        block_spare(pool, pool->at + HEADER, left);
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->slab_count++;
    pool->at = slab->blocks;
    pool->end = pool->at + sizeof slab->blocks;
    return true;
}

/* From what was freed before the pool grows; NULL: it must. */
static void *block_from_others(struct pool *pool, size_t steps)
{
    void *memory = block_split(pool, steps);

    if (memory || pool->slab_count < pool->merge_at || pool->spare < pool->slab_count * (SLAB_OCTETS / POOL_STEP / MERGE_PART))
        return memory;
    pool_merge(pool);
    pool->merge_at = pool->slab_count + pool->slab_count / MERGE_PART + 1;
    return pool->freed[steps] ? block_take(pool, steps) : block_split(pool, steps);
}

static SELDOM void *block_carve(struct pool *pool, size_t steps)
{
    void *memory;

    if ((size_t)(pool->end - pool->at) < steps * POOL_STEP) {
        if ((memory = block_from_others(pool, steps)))
            return memory;
        if (!slab_add(pool))
            return NULL;
    }
    memory = block_init(pool->at, steps);
    pool->at += steps * POOL_STEP;
    return memory;
}

static void *block_new(struct pool *pool, size_t steps)
{
    return pool->freed[steps] ? block_take(pool, steps) : block_carve(pool, steps);
}

/* A block of realloc(3), whose header stands at the end of its first step. `memory` is NULL or such a block. */
static SELDOM void *large_resize(void *memory, size_t size)
{
    char *block = memory ? (char *)memory - POOL_STEP : NULL;

    if (size > SIZE_MAX - POOL_STEP || !(block = realloc(block, POOL_STEP + size)))
        return NULL;
    memory = block + POOL_STEP;
    *header_of(memory) = size > POOL_CLASSES ? size : POOL_CLASSES + 1; /* the sanitizer's are of any size */
    return memory;
}

static void *pool_request(struct pool *pool, size_t size)
{
    return size <= SMALL_MAX ? block_new(pool, steps_of(size)) : large_resize(NULL, size);
}

static SELDOM void *block_resize(struct pool *pool, void *memory, size_t size)
{
    size_t steps = (size_t)*header_of(memory);
    size_t room = steps > POOL_CLASSES ? steps : steps * POOL_STEP - HEADER;
    void *moved;

    if (steps > POOL_CLASSES && size > SMALL_MAX)
        return large_resize(memory, size);
    if (size <= SMALL_MAX && steps >= steps_of(size) && steps - steps_of(size) < 2)
        return memory;
    if (!(moved = pool_request(pool, size)))
        return NULL;
    memcpy(moved, memory, size < room ? size : room);
    block_free(pool, memory);
    return moved;
}

static void *pool_resize(void *ctx, void *memory, size_t size)
{
    struct pool *pool = ctx;

    if (!memory)
        return pool_request(pool, size);
    if (size)
        return block_resize(pool, memory, size);
    block_free(pool, memory);
    return NULL;
}

void pool_init(struct pool *pool)
{
    *pool = (struct pool){.allocator = {pool_resize, pool}, .merge_at = MERGE_FIRST};
}

void pool_fini(struct pool *pool)
{
    while (pool->slabs) {
        struct pool_slab *next = pool->slabs->next;
        free(pool->slabs);
        pool->slabs = next;
    }
    *pool = (struct pool){.slabs = NULL};
}
