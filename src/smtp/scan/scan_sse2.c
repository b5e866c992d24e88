/* SPDX-License-Identifier: BSD-2-Clause */
/* Clean message text in vectors of 16 octets; see scan.c. */
#include "scan_blocks.h"

#ifdef SCAN_X86
#include <emmintrin.h>

/* In each octet what the caller allows; see struct scan_lines. */
struct allowed_16 {
    __m128i octet_max, lf_alone;
};

/* Not zero where the octet at `data` is not clean. `lf`: a bit where there is an LF. */
static inline __m128i odd_16(const uint8_t *data, const struct allowed_16 *allowed, uint64_t *lf)
{
    __m128i here = _mm_loadu_si128((const __m128i *)(const void *)data);
    __m128i before = _mm_loadu_si128((const __m128i *)(const void *)(data - 1));
    __m128i line_end = _mm_set1_epi8('\n'), ends = _mm_cmpeq_epi8(here, line_end), may_end, dot_behind, octet;

    *lf = (unsigned)_mm_movemask_epi8(ends);
    may_end = _mm_or_si128(_mm_cmpeq_epi8(before, _mm_set1_epi8('\r')), _mm_and_si128(ends, allowed->lf_alone));
    dot_behind = _mm_and_si128(_mm_cmpeq_epi8(here, _mm_set1_epi8('.')), _mm_cmpeq_epi8(before, line_end));
    octet = _mm_subs_epu8(_mm_sub_epi8(here, _mm_set1_epi8(1)), allowed->octet_max); /* 0 wraps around to the highest of all */
    return _mm_or_si128(_mm_or_si128(_mm_xor_si128(ends, may_end), dot_behind), octet);
}

static inline bool block_clean(const uint8_t *data, const struct allowed_16 *allowed, uint64_t *lf)
{
    uint64_t ends[4];
    __m128i odd = _mm_or_si128(_mm_or_si128(odd_16(data, allowed, &ends[0]), odd_16(data + 16, allowed, &ends[1])),
                               _mm_or_si128(odd_16(data + 32, allowed, &ends[2]), odd_16(data + 48, allowed, &ends[3])));

    *lf = ends[0] | ends[1] << 16 | ends[2] << 32 | ends[3] << 48;
    return _mm_movemask_epi8(_mm_cmpeq_epi8(odd, _mm_setzero_si128())) == 0xffff;
}

size_t scan_clean_sse2(struct scan_lines *caller, const uint8_t *data, size_t at, size_t len)
{
    struct scan_lines lines = *caller; /* in registers */
    const struct allowed_16 allowed = {_mm_set1_epi8((char)(lines.octet_max - 1)), _mm_set1_epi8((char)lines.lf_alone)};
    uint64_t lf;

    while (at + SCAN_BLOCK <= len && block_clean(data + at, &allowed, &lf) && scan_lines_block(&lines, at, lf))
        at += SCAN_BLOCK;
    if (at < len && at + SCAN_BLOCK > len && block_clean(data + len - SCAN_BLOCK, &allowed, &lf) &&
        scan_lines_block(&lines, len - SCAN_BLOCK, scan_block_rest(lf, len - at)))
        at = len;
    *caller = lines;
    return at;
}
#else
extern int scan_has_no_sse2; /* a file of nothing is no C */
#endif
