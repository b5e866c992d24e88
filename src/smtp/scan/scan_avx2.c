/* SPDX-License-Identifier: BSD-2-Clause */
/* Clean message text in vectors of 32 octets; see scan.c. */
#include "scan_blocks.h"

#ifdef SCAN_X86
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

/* In each octet what the caller allows; see struct scan_lines. */
struct allowed_32 {
    __m256i octet_max, lf_alone;
};

/* Not zero where the octet at `data` is not clean. `lf`: where there is an LF. */
AVX2 static inline __m256i odd_32(const uint8_t *data, const struct allowed_32 *allowed, __m256i *lf)
{
    __m256i here = _mm256_loadu_si256((const __m256i *)(const void *)data);
    __m256i before = _mm256_loadu_si256((const __m256i *)(const void *)(data - 1));
    __m256i line_end = _mm256_set1_epi8('\n'), ends = _mm256_cmpeq_epi8(here, line_end), may_end, dot_behind, octet;

    *lf = ends;
    may_end = _mm256_or_si256(_mm256_cmpeq_epi8(before, _mm256_set1_epi8('\r')), _mm256_and_si256(ends, allowed->lf_alone));
    dot_behind = _mm256_and_si256(_mm256_cmpeq_epi8(here, _mm256_set1_epi8('.')), _mm256_cmpeq_epi8(before, line_end));
    octet = _mm256_subs_epu8(_mm256_sub_epi8(here, _mm256_set1_epi8(1)),
                             allowed->octet_max); /* 0 wraps around to the highest of all */
    return _mm256_or_si256(_mm256_or_si256(_mm256_xor_si256(ends, may_end), dot_behind), octet);
}

AVX2 static inline bool block_clean(const uint8_t *data, const struct allowed_32 *allowed, uint64_t *lf)
{
    __m256i ends[2];
    __m256i odd = _mm256_or_si256(odd_32(data, allowed, &ends[0]), odd_32(data + 32, allowed, &ends[1]));

    *lf = (uint32_t)_mm256_movemask_epi8(ends[0]) | (uint64_t)(uint32_t)_mm256_movemask_epi8(ends[1]) << 32;
    return _mm256_testz_si256(odd, odd);
}

AVX2 size_t scan_clean_avx2(struct scan_lines *caller, const uint8_t *data, size_t at, size_t len)
{
    struct scan_lines lines = *caller; /* in registers */
    const struct allowed_32 allowed = {_mm256_set1_epi8((char)(lines.octet_max - 1)), _mm256_set1_epi8((char)lines.lf_alone)};
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
extern int scan_has_no_avx2; /* a file of nothing is no C */
#endif
