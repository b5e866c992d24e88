/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 5321 4.1.1.4 ends a message by CRLF "." CRLF and nothing else. Some servers take more for the end; so the sweep also
 * knows each look-alike: a line end (CRLF, LF, CR), a dot, a line end, not all of them CRLF, or with NULs between.
 *
 * Most text is clean: lines that end in CRLF and begin with no dot, of octets from 1 to 127. Vector code (scan_sse2.c,
 * scan_avx2.c) runs over whole blocks of that and notes line lengths, nothing else. Every other block, and what is too short
 * to be one, goes through the automaton, which alone says what is odd; on machines without such vectors all does. So there is
 * one judge, and the vector code can be wrong only in what it calls clean.
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

#include "scan_blocks.h"

#include <string.h>

static const uint8_t lookalikes[3][3] = {
    [END_CRLF] = {[END_LF] = SMTPSCOPE_LOOKALIKE_CRLF_LF, [END_CR] = SMTPSCOPE_LOOKALIKE_CRLF_CR},
    [END_LF] = {SMTPSCOPE_LOOKALIKE_LF_CRLF, SMTPSCOPE_LOOKALIKE_LF_LF, SMTPSCOPE_LOOKALIKE_LF_CR},
    [END_CR] = {SMTPSCOPE_LOOKALIKE_CR_CRLF, SMTPSCOPE_LOOKALIKE_CR_LF, SMTPSCOPE_LOOKALIKE_CR_CR},
};

void scan_start(struct scan *scan)
{
    *scan = (struct scan){.state = EOL, .before = END_CRLF};
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

static inline bool is_special(uint8_t octet, bool noted)
{
    return octet == '\r' || octet == '\n' || octet == 0 || (octet >= 0x80 && !noted);
}

/* The high bit of the first special octet of the word, and perhaps of some behind it; `eighth`: the high bits that are special. */
static inline uint64_t word_special(uint64_t word, uint64_t eighth)
{
    const uint64_t ones = ~(uint64_t)0 / 255, high = ones << 7;
    uint64_t lf = word ^ ones * '\n', cr = word ^ ones * '\r';

    /* Subtracting 1 borrows from an octet that is 0, and only behind one from an octet that is not. */
    return ((((word - ones) | (lf - ones) | (cr - ones)) & ~word) | (word & eighth)) & high;
}

/* Index of the first CR, LF, NUL or octet above 127, or `len`; without those above 127 where they are `noted` already. */
static size_t skip_text(const uint8_t *data, size_t len, bool noted)
{
    uint64_t word, eighth = noted ? 0 : ~(uint64_t)0;
    size_t at = 0;

    for (; at + sizeof word <= len; at += sizeof word) {
        memcpy(&word, data + at, sizeof word);
        word = word_special(word, eighth);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        if (word)
            return at + (unsigned)__builtin_ctzll(word) / 8;
#else
        if (word)
            break;
#endif
    }
    while (at < len && !is_special(data[at], noted))
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

bool scan_lacks_line_feed(const struct scan *scan)
{
    return scan && scan->state == DOTCR && scan->before == END_CRLF && !scan->nul;
}

/* From *at up to an event or `end`. */
static enum scan_event step_all(struct scan *scan, const uint8_t *data, size_t *at, size_t end)
{
    enum scan_event event = SCAN_MORE;

    while (*at < end && event == SCAN_MORE) {
        bool again;

        if (scan->state == MID) {
            size_t skipped = skip_text(data + *at, end - *at, scan->oddities & SMTPSCOPE_DATA_EIGHT_BIT);

            *at += skipped;
            scan->at += skipped;
            scan->line += skipped;
            if (*at == end)
                break;
        }
        scan->line++;
        event = step(scan, data[*at], &again);
        if (again) {
            scan->line = 0;
        } else {
            (*at)++;
            scan->at++;
        }
    }
    return event;
}

/* Whether the octet before tells all that there is to know. */
static bool stands_clean(const struct scan *scan)
{
    return scan->state == MID || scan->state == CR || (scan->state == EOL && scan->before != END_CR && !scan->nul);
}

/* Blocks of clean text from `at` on. Returns where they end. */
static size_t skip_clean(const struct scan_version *version, struct scan *scan, const uint8_t *data, size_t at, size_t len)
{
    struct scan_lines lines = {
        .begin = at - scan->line,
        .longest = scan->longest,
        .limit = scan->oddities & SMTPSCOPE_DATA_LINE_TOO_LONG ? UINT64_MAX : TEXT_LINE_MAX,
        .octet_max = scan->oddities & SMTPSCOPE_DATA_EIGHT_BIT ? 0xff : 0x7f,
        .lf_alone = scan->oddities & SMTPSCOPE_DATA_BARE_LF ? 0xff : 0,
    };
    uint64_t begin = lines.begin;
    size_t end = version->clean(&lines, data, at, len);

    if (end == at)
        return at;
    scan->at += end - at;
    scan->line = end - lines.begin;
    scan->longest = lines.longest;
    scan->state = data[end - 1] == '\r' ? CR : data[end - 1] == '\n' ? EOL : MID;
    if (lines.begin != begin) { /* behind an LF, and there was an octet before that one */
        scan->before = data[lines.begin - 2] == '\r' ? END_CRLF : END_LF;
        scan->nul = false;
    }
    return end;
}

enum scan_event scan_sweep_as(const struct scan_version *version, struct scan *scan, const uint8_t *data, size_t len,
                              size_t *used)
{
    bool in_blocks = version->clean != NULL && len > SCAN_BLOCK;
    size_t at = 0, stretch = in_blocks ? 1 : len; /* the vectors look at the octet before, and the first has none at hand */
    enum scan_event event = SCAN_MORE;

    while (at < len && event == SCAN_MORE) {
        if (in_blocks && at > 0 && stands_clean(scan)) {
            size_t end = skip_clean(version, scan, data, at, len);

            /* Where all is odd, the next look at it is put off: trying costs half of what the automaton does. */
            stretch = end > at || stretch < SCAN_BLOCK ? SCAN_BLOCK : 2 * stretch;
            at = end;
        }
        event = step_all(scan, data, &at, len - at > stretch ? at + stretch : len);
    }
    *used = at;
    return event;
}

/* --- the choice at run time: cheap enough to be made at each call, so that there is nothing to keep */

static const struct scan_version versions[] = {
#ifdef SCAN_X86
    {"avx2", scan_clean_avx2},
    {"sse2", scan_clean_sse2},
#endif
    {"portable", NULL},
};

static const struct scan_version *version_best(void)
{
#ifdef SCAN_X86
    return __builtin_cpu_supports("avx2") ? &versions[0] : &versions[1];
#else
    return &versions[0];
#endif
}

const struct scan_version *scan_version(unsigned index)
{
    const struct scan_version *version = version_best() + index;

    return version < versions + sizeof versions / sizeof versions[0] ? version : NULL;
}

const char *scan_version_name(const struct scan_version *version)
{
    return version->name;
}

enum scan_event scan_sweep(struct scan *scan, const uint8_t *data, size_t len, size_t *used)
{
    return scan_sweep_as(version_best(), scan, data, len, used);
}
