/* SPDX-License-Identifier: BSD-2-Clause */
/* What the automaton of the sweep (scan.c) and its vector code (scan_sse2.c, scan_avx2.c) share. */
#ifndef SMTP_SCAN_BLOCKS_H
#define SMTP_SCAN_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* GNU's builtins and target attributes choose the code at run time; SSE2 is part of x86-64. */
#if defined(__x86_64__) && defined(__GNUC__)
#define SCAN_X86
#endif

#define SCAN_BLOCK 64 /* octets: a bit each in a word */

enum state { MID, CR, EOL, DOT, DOTCR };
enum line_end { END_CRLF, END_LF, END_CR };

/* RFC 5321 4.5.3.1.6, with the CRLF. */
#define TEXT_LINE_MAX 1000

struct scan_lines {
    uint64_t begin;    /* index of the current line's first octet; before the data's first one: modulo 2^64 */
    uint64_t longest;  /* octets of the longest line that has ended, with its end */
    uint64_t limit;    /* a longer line is for the automaton to note */
    uint8_t octet_max; /* 127, or 255 when octets above that are noted already */
    uint8_t lf_alone;  /* 255 when a bare LF is noted already, else 0 */
};

/*
 * Goes over blocks of data from `at`, at least 1, as long as they are clean; a last block that is not whole is the last
 * SCAN_BLOCK octets once more, so that `len` is more than a block. Clean: LF behind CR and nowhere else (unless `lf_alone`), CR before LF
 * and nowhere else, no dot behind LF, octets from 1 to `octet_max`, no line beyond the limit. Returns the first index that it
 * did not take; `lines` tells of what it took.
 */
typedef size_t scan_clean(struct scan_lines *lines, const uint8_t *data, size_t at, size_t len);

struct scan_version {
    const char *name;
    scan_clean *clean; /* NULL: the automaton does it all */
};

#ifdef SCAN_X86
scan_clean scan_clean_sse2, scan_clean_avx2;

/* Each line that ends in the block at `at`; `lf` has a bit for each LF. False: one is beyond the limit, and nothing is changed. */
static inline bool scan_lines_each(struct scan_lines *lines, size_t at, uint64_t lf)
{
    uint64_t begin = lines->begin, longest = lines->longest;

    for (; lf != 0; lf &= lf - 1) {
        uint64_t end = at + (unsigned)__builtin_ctzll(lf) + 1;

        if (end - begin > lines->limit)
            return false;
        if (end - begin > longest)
            longest = end - begin;
        begin = end;
    }
    lines->begin = begin;
    lines->longest = longest;
    return true;
}

/*
 * The same, quicker. What begins and ends inside a block is shorter than a block; so, once there was a line as long as that,
 * only the first that ends here can be longer than all before it.
 */
static inline bool scan_lines_block(struct scan_lines *lines, size_t at, uint64_t lf)
{
    uint64_t first = lf != 0 ? (unsigned)__builtin_ctzll(lf) : SCAN_BLOCK;

    if (__builtin_expect(at + first + 1 - lines->begin > lines->longest || lines->longest < SCAN_BLOCK, 0))
        return scan_lines_each(lines, at, lf);
    /* 63 - clz is 63 ^ clz: so written it becomes one instruction, also where there is no LZCNT. */
    lines->begin = lf != 0 ? at + ((SCAN_BLOCK - 1u) ^ (unsigned)__builtin_clzll(lf)) + 1 : lines->begin;
    return true;
}

/* A block's bits for its last octets, `rest` of them and at least one. */
static inline uint64_t scan_block_rest(uint64_t bits, size_t rest)
{
    return bits & ~(uint64_t)0 << (SCAN_BLOCK - rest);
}
#endif

#endif
