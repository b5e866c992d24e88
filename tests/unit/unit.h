/* SPDX-License-Identifier: BSD-2-Clause */
/* The one place that includes cmocka, whose header is not self-contained before 1.1.6, and what every unit test wants. */
#ifndef SMTPSCOPE_TESTS_UNIT_H
#define SMTPSCOPE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define unit_count(array) (sizeof(array) / sizeof(array)[0])

/* A copy of octets that ends where a page without any access begins: reading one octet too far dies. */
struct unit_guarded {
    uint8_t *data;
    void *map;
    size_t map_len;
};

/* Copies `len` octets in front of a guard page. Free with unit_guarded_fini(). Fails the test when out of memory. */
static inline struct unit_guarded unit_guarded_init(const void *octets, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (len + page - 1) / page * page;
    struct unit_guarded guarded = {.map_len = room + page};
    guarded.map = mmap(NULL, guarded.map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(guarded.map != MAP_FAILED);
    assert_int_equal(mprotect((uint8_t *)guarded.map + room, page, PROT_NONE), 0);
    guarded.data = (uint8_t *)guarded.map + room - len;
    if (len > 0)
        memcpy(guarded.data, octets, len);
    return guarded;
}

static inline void unit_guarded_fini(struct unit_guarded *guarded)
{
    munmap(guarded->map, guarded->map_len);
    *guarded = (struct unit_guarded){0};
}

/* least <= value <= most. cmocka's own has other names in its versions 1 and 2. */
#define assert_between(value, least, most) unit_between((intmax_t)(value), (intmax_t)(least), (intmax_t)(most), #value)
static inline void unit_between(intmax_t value, intmax_t least, intmax_t most, const char *what)
{
    if (value < least || value > most)
        fail_msg("%s: got %jd, wanted %jd to %jd", what, value, least, most);
}

/* An allocator whose n-th request for memory fails, for both smtpscope_allocator and a test's own loop. */
struct unit_failing {
    size_t countdown; /* requests that still succeed; SIZE_MAX: all of them */
    size_t requests;  /* seen so far */
    size_t blocks;    /* handed out and not freed */
};

/* struct smtpscope_allocator's `resize`; `ctx` is a struct unit_failing. */
static inline void *unit_failing_resize(void *ctx, void *memory, size_t size)
{
    struct unit_failing *failing = ctx;
    if (size == 0) {
        failing->blocks -= memory != NULL;
        free(memory);
        return NULL;
    }
    failing->requests++;
    if (failing->countdown != SIZE_MAX && failing->countdown-- == 0) {
        failing->countdown = 0;
        return NULL;
    }
    void *moved = realloc(memory, size);
    failing->blocks += memory == NULL && moved != NULL;
    return moved;
}

#endif
