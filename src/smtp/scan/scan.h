/* SPDX-License-Identifier: BSD-2-Clause */
/* One sweep over the text of a message sent by DATA: its end, and all that is odd in it. */
#ifndef SMTP_SCAN_H
#define SMTP_SCAN_H

#include "smtpscope/session.h"

struct scan {
    uint32_t oddities;      /* SMTPSCOPE_DATA_* up to LOOKALIKE */
    uint8_t state, before;  /* where the automaton stands, and which line end stands before it */
    bool nul;               /* a NUL stands between the line end and here */
    uint8_t lookalike;      /* enum smtpscope_lookalike, of the last event */
    uint64_t line, longest; /* octets of the line so far, and of the longest line; with its end */
    uint64_t odd_at;        /* offset of the first oddity, from the message's start */
    uint64_t at;            /* octets swept */
    uint64_t stuffed;       /* dots that transparency added, RFC 5321 4.5.2 */
};

/* The oddities that a sweep finds. */
#define SCAN_ODDITIES                                                                                                          \
    (SMTPSCOPE_DATA_BARE_LF | SMTPSCOPE_DATA_BARE_CR | SMTPSCOPE_DATA_NUL | SMTPSCOPE_DATA_EIGHT_BIT |                         \
     SMTPSCOPE_DATA_LINE_TOO_LONG | SMTPSCOPE_DATA_LOOKALIKE)

enum scan_event { SCAN_MORE, SCAN_END, SCAN_LOOKALIKE };

/* At the first octet of a message, or, with `known` false, behind a gap. */
void scan_start(struct scan *scan);
void scan_resume(struct scan *scan, uint64_t lost);

/*
 * Sweeps `data` up to an event, or its end. `used` is how many octets were consumed: with SCAN_END up to and with the final
 * dot's line end, with SCAN_LOOKALIKE up to and with the look-alike (scan->lookalike says which); sweep on from there.
 */
enum scan_event scan_sweep(struct scan *scan, const uint8_t *data, size_t len, size_t *used);

/* Was all swept but the last octet of the end, its LF? False for NULL, too. */
bool scan_lacks_line_feed(const struct scan *scan);

/*
 * The same sweep by each version that this machine can run: the fastest, which scan_sweep() takes, has index 0, the portable
 * one stands last, behind it is NULL. For tests and measurements; the results are the same.
 */
struct scan_version;
const struct scan_version *scan_version(unsigned index);
const char *scan_version_name(const struct scan_version *version);
enum scan_event scan_sweep_as(const struct scan_version *version, struct scan *scan, const uint8_t *data, size_t len,
                              size_t *used);

#endif
