/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that never came to a word, folded by server, kind and minute: a flood of them is one finding a minute. */
#ifndef CORRELATE_UNREACHED_H
#define CORRELATE_UNREACHED_H

#include "smtpscope/correlate.h"

/* Servers and kinds at a time; a newcomer to a full table has the one that began first told. */
#define UNREACHED_SLOTS 256u

struct unreached_slot {
    struct smtpscope_trace first; /* of the minute */
    struct smtpscope_trace last;
    uint32_t count, tries; /* count 0: it is free */
};

struct unreached {
    uint64_t keys[UNREACHED_SLOTS]; /* of the slots; 0: free */
    struct unreached_slot slots[UNREACHED_SLOTS];
    size_t used;
    smtpscope_time due; /* when the first of them has its minute behind it */
};

/* What is told of it; all that the finding points to is valid during the call. */
typedef void unreached_tell(void *ctx, const struct smtpscope_finding *finding);

void unreached_note(struct unreached *unreached, uint64_t seed, const struct smtpscope_trace *trace, unreached_tell *tell,
                    void *ctx);
/* Packet time is `now`: tells those whose minute is over. Costs next to nothing where none is. */
void unreached_expire(struct unreached *unreached, smtpscope_time now, unreached_tell *tell, void *ctx);
/* Tells all. */
void unreached_finish(struct unreached *unreached, unreached_tell *tell, void *ctx);

#endif
