/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of the mail, by server and the domain of its recipients: the first thing that anyone asks. */
#ifndef OUTPUT_TALLY_H
#define OUTPUT_TALLY_H

#include "smtpscope/session.h"

/* The longest name that is kept (RFC 1035 2.3.4); longer ones are no names of hosts. */
#define TALLY_DOMAIN_MAX 255

/* The fate of a transaction towards a domain. */
enum tally_fate { TALLY_DELIVERED, TALLY_DEFERRED, TALLY_REFUSED, TALLY_UNSEEN, TALLY_FATES };

struct tally_row {
    struct smtpscope_endpoint server;
    char domain[TALLY_DOMAIN_MAX + 1]; /* "" where a recipient has none; in lower case */
    uint64_t tried, fates[TALLY_FATES];
};

struct tally;

/* NULL when out of memory. */
struct tally *tally_new(void);
void tally_free(struct tally *tally);
/* Counts a transaction once for each domain of its recipients. Beyond a bound of rows, under the row of all others. */
void tally_message(struct tally *tally, const struct smtpscope_flow *flow, const struct smtpscope_message *message);

/*
 * The rows in the order of what went wrong, then of what was tried; `*count` of them. Owned by the tally, until its next call.
 * `*others` is the sum of what found no row; its domain is "".
 */
const struct tally_row *tally_rows(struct tally *tally, size_t *count, const struct tally_row **others);
/* The sum of all. */
struct tally_row tally_total(const struct tally *tally);

#endif
