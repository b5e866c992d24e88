/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 5321 4.1.1.4 ends a message by CRLF "." CRLF and nothing else. Some servers take more for the end; so the sweep also
 * knows each look-alike: a line end (CRLF, LF, CR), a dot, a line end, not all of them CRLF, or with NULs between.
 *
 * An automaton judges the few octets around line ends. Between them nothing but four kinds of octets matters, and a vector
 * search skips to the next one.
 *
 *      state        stands behind                CR          LF            "."        NUL      other
 *      MID          text                         CR          bare LF, EOL  MID        (skip)   MID
 *      CR           a CR                         CR (bare)   EOL crlf      DOT cr     MID      MID (bare CR)
 *      EOL          a line end                   CR          EOL lf        DOT        EOL+nul  MID
 *      DOT          a line end and a dot         DOTCR       look-alike    MID        DOT+nul  MID
 *      DOTCR        a line end, a dot, a CR      look-alike  the end, or   look-alike ...
 *                                                            look-alike
 */
#include "scan.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum state { MID, CR, EOL, DOT, DOTCR };
enum line_end { END_CRLF, END_LF, END_CR };

/* RFC 5321 4.5.3.1.6, with the CRLF. */
#define TEXT_LINE_MAX 1000

static const uint8_t lookalikes[3][3] = {
    [END_CRLF] = { [END_LF] = SMTPSCOPE_LOOKALIKE_CRLF_LF, [END_CR] = SMTPSCOPE_LOOKALIKE_CRLF_CR },
    [END_LF] = { SMTPSCOPE_LOOKALIKE_LF_CRLF, SMTPSCOPE_LOOKALIKE_LF_LF, SMTPSCOPE_LOOKALIKE_LF_CR },
    [END_CR] = { SMTPSCOPE_LOOKALIKE_CR_CRLF, SMTPSCOPE_LOOKALIKE_CR_LF, SMTPSCOPE_LOOKALIKE_CR_CR },
};

void scan_start(struct scan *scan)
{
    *scan = (struct scan){ .state = EOL, .before = END_CRLF };
}

void scan_resume(struct scan *scan, uint64_t lost)
{
    scan->state = MID;
    scan->nul = false;
    scan->line = 0;
    scan->at += lost;
}

static void note(struct scan *scan, uint32_t oddity, uint64_t at)
{
    if (!scan->oddities)
        scan->odd_at = at;
    scan->oddities |= oddity;
}

static inline bool is_special(uint8_t octet)
{
    return octet == '\r' || octet == '\n' || octet == 0 || octet >= 0x80;
}

/* Index of the first CR, LF, NUL or octet above 127, or `len`. */
static size_t skip_text(const uint8_t *data, size_t len)
{
    size_t at = 0;

#ifdef __SSE2__
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n'), zero = _mm_setzero_si128();

    for (; at + 16 <= len; at += 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(data + at));
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, cr), _mm_cmpeq_epi8(block, lf)),
                                   _mm_or_si128(_mm_cmpeq_epi8(block, zero), block));
        int mask = _mm_movemask_epi8(hit);

        if (mask)
            return at + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (at < len && !is_special(data[at]))
        at++;
    return at;
}

static void line_ended(struct scan *scan, enum line_end end)
{
    if (scan->line > scan->longest)
        scan->longest = scan->line;
    if (scan->line > TEXT_LINE_MAX)
        note(scan, SMTPSCOPE_DATA_LINE_TOO_LONG, scan->at);
    scan->line = 0;
    scan->state = EOL;
    scan->before = (uint8_t)end;
    scan->nul = false;
}

static enum scan_event found(struct scan *scan, enum line_end after)
{
    enum line_end before = (enum line_end)scan->before;
    bool nul = scan->nul;

    line_ended(scan, after);
    if (before == END_CRLF && after == END_CRLF && !nul)
        return SCAN_END;
    scan->lookalike = nul ? SMTPSCOPE_LOOKALIKE_NUL : lookalikes[before][after];
    note(scan, SMTPSCOPE_DATA_LOOKALIKE, scan->at);
    return SCAN_LOOKALIKE;
}

static enum scan_event step_mid(struct scan *scan, uint8_t octet)
{
    if (octet == '\r') {
        scan->state = CR;
    } else if (octet == '\n') {
        note(scan, SMTPSCOPE_DATA_BARE_LF, scan->at);
        line_ended(scan, END_LF);
    } else {
        if (octet == 0)
            note(scan, SMTPSCOPE_DATA_NUL, scan->at);
        else if (octet >= 0x80)
            note(scan, SMTPSCOPE_DATA_EIGHT_BIT, scan->at);
        scan->state = MID;
    }
    return SCAN_MORE;
}

static enum scan_event step_cr(struct scan *scan, uint8_t octet)
{
    if (octet == '\n') {
        line_ended(scan, END_CRLF);
        return SCAN_MORE;
    }
    note(scan, SMTPSCOPE_DATA_BARE_CR, scan->at - 1);
    if (octet == '.') {
        scan->state = DOT;
        scan->before = END_CR;
        scan->nul = false;
        return SCAN_MORE;
    }
    return step_mid(scan, octet);
}

static enum scan_event step_eol(struct scan *scan, uint8_t octet)
{
    if (octet == '.') {
        scan->state = DOT;
        return SCAN_MORE;
    }
    if (octet == 0) {
        note(scan, SMTPSCOPE_DATA_NUL, scan->at);
        scan->nul = true;
        return SCAN_MORE;
    }
    return step_mid(scan, octet);
}

static enum scan_event step_dot(struct scan *scan, uint8_t octet)
{
    if (octet == '\r') {
        scan->state = DOTCR;
        return SCAN_MORE;
    }
    if (octet == '\n') {
        note(scan, SMTPSCOPE_DATA_BARE_LF, scan->at);
        return found(scan, END_LF);
    }
    if (octet == 0) {
        note(scan, SMTPSCOPE_DATA_NUL, scan->at);
        scan->nul = true;
        return SCAN_MORE;
    }
    scan->stuffed++;
    scan->line--; /* RFC 5321 4.5.3.1.6 does not count it */
    return step_mid(scan, octet);
}

/* One octet. *again: the octet was not consumed, it stands behind a look-alike that ended before it. */
static enum scan_event step(struct scan *scan, uint8_t octet, bool *again)
{
    *again = false;
    switch ((enum state)scan->state) {
    case MID: return step_mid(scan, octet);
    case CR: return step_cr(scan, octet);
    case EOL: return step_eol(scan, octet);
    case DOT: return step_dot(scan, octet);
    case DOTCR: break;
    }
    if (octet == '\n')
        return found(scan, END_CRLF);
    *again = true;
    scan->line--; /* the octet belongs to the next line */
    note(scan, SMTPSCOPE_DATA_BARE_CR, scan->at - 1);
    return found(scan, END_CR);
}

enum scan_event scan_sweep(struct scan *scan, const uint8_t *data, size_t len, size_t *used)
{
    enum scan_event event = SCAN_MORE;
    size_t at = 0;

    while (at < len && event == SCAN_MORE) {
        bool again;

        if (scan->state == MID) {
            size_t skipped = skip_text(data + at, len - at);

            at += skipped;
            scan->at += skipped;
            scan->line += skipped;
            if (at == len)
                break;
        }
        scan->line++;
        event = step(scan, data[at], &again);
        if (again) {
            scan->line = 0;
        } else {
            at++;
            scan->at++;
        }
    }
    *used = at;
    return event;
}
