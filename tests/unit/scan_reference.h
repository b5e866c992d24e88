/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sweep over a message must find, said the slow way: the whole text is there, and every position is looked at as a
 * line end, a dot and a line end. Shared by the unit test and the fuzz target.
 */
#ifndef SMTPSCOPE_TESTS_SCAN_REFERENCE_H
#define SMTPSCOPE_TESTS_SCAN_REFERENCE_H

#include "smtp/scan/scan.h"

#include <assert.h>

enum reference_end { REFERENCE_CRLF, REFERENCE_LF, REFERENCE_CR, REFERENCE_NONE };

struct reference {
    enum scan_event event;
    enum smtpscope_lookalike lookalike;
    size_t end; /* of the event in the text, or the text's own */
    enum reference_end after;
};

/* The line end at `at`, and where it ends. A CR that is the last octet may yet become CRLF: none. */
static inline enum reference_end reference_end_at(const uint8_t *text, size_t len, size_t at, size_t *end)
{
    *end = at + 1;
    if (at < len && text[at] == '\n')
        return REFERENCE_LF;
    if (at + 1 >= len || text[at] != '\r')
        return REFERENCE_NONE;
    *end += text[at + 1] == '\n';
    return text[at + 1] == '\n' ? REFERENCE_CRLF : REFERENCE_CR;
}

static inline size_t reference_skip_nul(const uint8_t *text, size_t len, size_t at)
{
    while (at < len && text[at] == 0)
        at++;
    return at;
}

static inline enum smtpscope_lookalike reference_name(enum reference_end before, enum reference_end after, bool nul)
{
    static const uint8_t names[3][3] = {
        {SMTPSCOPE_LOOKALIKE_NONE, SMTPSCOPE_LOOKALIKE_CRLF_LF, SMTPSCOPE_LOOKALIKE_CRLF_CR},
        {SMTPSCOPE_LOOKALIKE_LF_CRLF, SMTPSCOPE_LOOKALIKE_LF_LF, SMTPSCOPE_LOOKALIKE_LF_CR},
        {SMTPSCOPE_LOOKALIKE_CR_CRLF, SMTPSCOPE_LOOKALIKE_CR_LF, SMTPSCOPE_LOOKALIKE_CR_CR},
    };

    return nul ? SMTPSCOPE_LOOKALIKE_NUL : (enum smtpscope_lookalike)names[before][after];
}

/* The next event at or behind `at`, where a line begins behind a line end of the kind `before`; `nul_after_cr`: see scan.c. */
static inline struct reference reference_next(const uint8_t *text, size_t len, size_t at, enum reference_end before,
                                              bool nul_after_cr)
{
    bool begins = true;

    while (at < len) {
        size_t end, dot = before == REFERENCE_CR && !nul_after_cr ? at : reference_skip_nul(text, len, at);
        enum reference_end after;

        nul_after_cr = false;
        if (begins && dot < len && text[dot] == '.') {
            size_t behind = reference_skip_nul(text, len, dot + 1);

            after = reference_end_at(text, len, behind, &end);
            if (after != REFERENCE_NONE) {
                enum smtpscope_lookalike name = reference_name(before, after, dot > at || behind > dot + 1);

                return (struct reference){name ? SCAN_LOOKALIKE : SCAN_END, name, end, after};
            }
        }
        after = reference_end_at(text, len, at, &end);
        begins = after != REFERENCE_NONE;
        if (begins)
            before = after;
        at = begins ? end : at + 1;
    }
    return (struct reference){SCAN_MORE, SMTPSCOPE_LOOKALIKE_NONE, len, before};
}

/* The oddities of single octets in [0, len), by position alone. A CR at the end is not judged yet. */
static inline uint32_t reference_oddities(const uint8_t *text, size_t len)
{
    uint32_t oddities = 0;

    for (size_t at = 0; at < len; at++) {
        oddities |= text[at] == 0 ? SMTPSCOPE_DATA_NUL : 0;
        oddities |= text[at] >= 0x80 ? SMTPSCOPE_DATA_EIGHT_BIT : 0;
        oddities |= text[at] == '\n' && (at == 0 || text[at - 1] != '\r') ? SMTPSCOPE_DATA_BARE_LF : 0;
        oddities |= text[at] == '\r' && at + 1 < len && text[at + 1] != '\n' ? SMTPSCOPE_DATA_BARE_CR : 0;
    }
    return oddities;
}

static inline bool reference_same(const struct scan *a, const struct scan *b)
{
    return a->oddities == b->oddities && a->state == b->state && a->before == b->before && a->nul == b->nul &&
           a->lookalike == b->lookalike && a->line == b->line && a->longest == b->longest && a->odd_at == b->odd_at &&
           a->at == b->at && a->stuffed == b->stuffed;
}

/* One step of a version of the sweep and of the portable one: they stand alike in every member. */
static inline enum scan_event reference_sweep(const struct scan_version *version, struct scan scans[2], const uint8_t *text,
                                              size_t len, size_t *used)
{
    const struct scan_version *portable = version;
    enum scan_event event = scan_sweep_as(version, &scans[0], text, len, used), event_portable;
    size_t used_portable;

    for (unsigned i = 0; scan_version(i) != NULL; i++)
        portable = scan_version(i);
    event_portable = scan_sweep_as(portable, &scans[1], text, len, &used_portable);
    assert(event == event_portable && *used == used_portable && reference_same(&scans[0], &scans[1]));
    return event;
}

/* Sweeps the text in pieces of `cut` octets, restarting behind each end, and compares each event and all oddities. */
static inline unsigned reference_compare_as(const struct scan_version *version, const uint8_t *text, size_t len, size_t cut)
{
    const uint32_t octets = SMTPSCOPE_DATA_NUL | SMTPSCOPE_DATA_EIGHT_BIT | SMTPSCOPE_DATA_BARE_LF | SMTPSCOPE_DATA_BARE_CR;
    struct reference wanted = reference_next(text, len, 0, REFERENCE_CRLF, true);
    struct scan scans[2], *scan = &scans[0];
    size_t message = 0;
    unsigned events = 0;

    scan_start(&scans[0]);
    scan_start(&scans[1]);
    for (size_t at = 0; at < len;) {
        size_t take = cut - at % cut < len - at ? cut - at % cut : len - at, used = 0;
        enum scan_event event = reference_sweep(version, scans, text + at, take, &used);

        assert(used <= take && (event != SCAN_MORE || used == take));
        at += used;
        assert(scan->at == at - message);
        if (event == SCAN_MORE) {
            /* A CR at the end of the look-alike is only one when the next octet is there. */
            assert(wanted.event == SCAN_MORE || at < wanted.end + (wanted.after == REFERENCE_CR));
            continue;
        }
        events++;
        assert(event == wanted.event && at == wanted.end);
        assert(event == SCAN_END || scan->lookalike == wanted.lookalike);
        if (event == SCAN_END) {
            assert((scan->oddities & octets) == reference_oddities(text + message, at - message));
            scan_start(&scans[0]);
            scan_start(&scans[1]);
            message = at;
        }
        wanted = reference_next(text, len, at, wanted.after, true);
    }
    assert(wanted.event == SCAN_MORE);
    assert((scan->oddities & octets) == reference_oddities(text + message, len - message));
    return events;
}

/* The same for each version that this machine can run. Returns the number of events, which is the same for all. */
static inline unsigned reference_compare(const uint8_t *text, size_t len, size_t cut)
{
    unsigned events = reference_compare_as(scan_version(0), text, len, cut);

    for (unsigned i = 1; scan_version(i) != NULL; i++) {
        unsigned again = reference_compare_as(scan_version(i), text, len, cut);

        assert(again == events);
    }
    return events;
}

#endif
