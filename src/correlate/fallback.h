/* SPDX-License-Identifier: BSD-2-Clause */
/* A client whose TLS handshake failed, and that delivers in clear on a later connection to the same server. */
#ifndef CORRELATE_FALLBACK_H
#define CORRELATE_FALLBACK_H

#include "smtpscope/correlate.h"

/* Clients and their servers: direct-mapped, a newcomer takes the slot. */
#define FALLBACK_SLOTS 1024u

struct fallback_slot {
    uint64_t key;               /* of the client and the server; 0: free */
    struct smtpscope_flow flow; /* of the session whose handshake failed last */
    smtpscope_time time;
    uint64_t packet;
};

struct fallback {
    struct fallback_slot slots[FALLBACK_SLOTS];
};

/* A SMTPSCOPE_TRACE_HANDSHAKE or SMTPSCOPE_TRACE_CLEAR. */
void fallback_note(struct fallback *fallback, uint64_t seed, const struct smtpscope_trace *trace,
                   void (*tell)(void *ctx, const struct smtpscope_finding *finding), void *ctx);

#endif
