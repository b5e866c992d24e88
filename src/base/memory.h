/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocator's one function, under the names of its three uses. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "smtpscope/types.h"

#include <stdlib.h>
#include <string.h>

/* As realloc(3), from `allocator`, or from the C library when it is NULL. */
static inline void *memory_resize(const struct smtpscope_allocator *allocator, void *memory, size_t size)
{
    if (allocator)
        return allocator->resize(allocator->ctx, memory, size);
    if (size)
        return realloc(memory, size);
    free(memory);
    return NULL;
}

/* `size` zeroed octets, or NULL. */
static inline void *memory_new(const struct smtpscope_allocator *allocator, size_t size)
{
    void *memory = allocator ? memory_resize(allocator, NULL, size) : NULL;

    if (!allocator)
        return calloc(1, size); /* large tables: pages are zero before they are touched */
    return memory ? memset(memory, 0, size) : NULL;
}

/* NULL is fine. */
static inline void memory_free(const struct smtpscope_allocator *allocator, void *memory)
{
    if (memory)
        memory_resize(allocator, memory, 0);
}

/* Overwrites a secret; the compiler does not know that nobody reads it again. */
static inline void memory_wipe(void *secret, size_t len)
{
    if (len)
        memset(secret, 0, len);
    __asm__ volatile("" : : "r"(secret) : "memory");
}

#endif
