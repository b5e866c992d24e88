/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *   slab    next | block | block | ...
 *   block   steps or size (8) | the caller's octets, aligned to POOL_STEP
 */
#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

#define HEADER sizeof(uint64_t)
/* Some two hundred blocks: few calls of malloc(3), and little is lost where few are needed. */
#define SLAB_OCTETS 32768

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

static void block_free(struct pool *pool, void *memory)
{
    uint64_t steps = *header_of(memory);

    if (steps > POOL_CLASSES) {
        large_free(memory);
        return;
    }
    *(void **)memory = pool->freed[steps];
    pool->freed[steps] = memory;
}

static void *block_init(char *at, size_t steps)
{
    void *memory = at + HEADER;

    *header_of(memory) = steps;
    return memory;
}

static bool slab_add(struct pool *pool)
{
    struct pool_slab *slab = malloc(sizeof *slab);
    size_t left = (size_t)(pool->end - pool->at) / POOL_STEP;

    if (!slab)
        return false;
    if (left)
        block_free(pool, block_init(pool->at, left));
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->at = slab->blocks;
    pool->end = pool->at + sizeof slab->blocks;
    return true;
}

static SELDOM void *block_carve(struct pool *pool, size_t steps)
{
    void *memory;

    if ((size_t)(pool->end - pool->at) < steps * POOL_STEP && !slab_add(pool))
        return NULL;
    memory = block_init(pool->at, steps);
    pool->at += steps * POOL_STEP;
    return memory;
}

static void *block_new(struct pool *pool, size_t steps)
{
    void *memory = pool->freed[steps];

    if (!memory)
        return block_carve(pool, steps);
    pool->freed[steps] = *(void **)memory;
    return memory;
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
    uint64_t steps = *header_of(memory);
    size_t room = steps > POOL_CLASSES ? steps : steps * POOL_STEP - HEADER;
    void *moved;

    if (steps > POOL_CLASSES && size > SMALL_MAX)
        return large_resize(memory, size);
    if (size <= SMALL_MAX && steps == steps_of(size))
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
    *pool = (struct pool){.allocator = {pool_resize, pool}};
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
