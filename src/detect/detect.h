/* SPDX-License-Identifier: BSD-2-Clause */
/* Which protocol the first octets of a connection are, by nDPI. */
#ifndef DETECT_DETECT_H
#define DETECT_DETECT_H

#include "smtpscope/types.h"

struct detect;

/* What one side said before the other one did. The side that speaks need not change: that is one turn cut in two. */
struct detect_turn {
    enum smtpscope_side side;
    const uint8_t *data;
    size_t len;
};

/*
 * For one thread. Costs nothing until it is first asked; then about 7 MiB and 20 ms. NULL when out of memory. Freed by
 * detect_free(), which takes NULL too.
 */
struct detect *detect_new(void);
void detect_free(struct detect *detect);

/*
 * The protocol's name as nDPI has it ("SMTP", "HTTP", "SSH", "TLS"), or NULL when it cannot tell. By the octets alone: the
 * ports have no say. Valid until detect_free().
 */
const char *detect_protocol(struct detect *detect, const struct detect_turn *turns, size_t count);

/* The name that detect_protocol() gives to SMTP. */
#define DETECT_SMTP "SMTP"

#endif
