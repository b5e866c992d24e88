/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An allocator for one thread. What the stages keep of a session comes and goes in a few sizes, a dozen blocks a session: a
 * freed block is the next one of its size, so most requests are a few instructions.
 *
 * Memory goes back to the C library when the pool ends, not before: a size that was needed once will be needed again.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "smtpscope/types.h"

/* Blocks grow in steps of what malloc(3) aligns to, header included, as its own do. */
#define POOL_STEP 16
/* What is larger is rare (held octets, long replies, many recipients) and comes from realloc(3). */
#define POOL_CLASSES 64

struct pool_slab;

struct pool {
    struct smtpscope_allocator allocator; /* what is given to the stages; valid while the pool is where it is */
    struct pool_slab *slabs;
    char *at, *end;                       /* what is left of the newest slab */
    void *freed[POOL_CLASSES + 1];        /* by blocks' steps, through their first octets */
};

/* An empty pool. It must not move, and no other thread may use its blocks. End it with pool_fini(). */
void pool_init(struct pool *pool);
/* Frees all blocks but those beyond the classes, which their owners free before. */
void pool_fini(struct pool *pool);

#endif
