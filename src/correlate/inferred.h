/* SPDX-License-Identifier: BSD-2-Clause */
/* Transactions inside TLS without keys, by their sizes: which of them are the same message again. */
#ifndef CORRELATE_INFERRED_H
#define CORRELATE_INFERRED_H

#include "smtpscope/correlate.h"

/* Transactions that may be tried again; neighbourhoods of 16. */
#define INFERRED_SLOTS 16384u
/* Retries that were found last. */
#define INFERRED_FOUND 512u

struct inferred_slot {
    uint64_t peers; /* the client's address, the server; 0: free */
    uint64_t session;
    uint32_t envelope, octets;
    smtpscope_time end;   /* of its session */
    smtpscope_time first; /* the end of the first try's */
    uint8_t outcome;      /* enum smtpscope_inferred_outcome */
    bool sent, together;
};

struct inferred_found {
    uint64_t session;
    uint32_t index;
    struct smtpscope_inferred_retry retry;
};

struct inferred {
    struct inferred_slot slots[INFERRED_SLOTS];
    struct inferred_found found[INFERRED_FOUND];
    uint32_t found_count; /* so far: the next one's place is the rest */
};

/* A SMTPSCOPE_TRACE_INFERRED. Tells where a message went through that had not before. */
void inferred_note(struct inferred *inferred, uint64_t seed, const struct smtpscope_trace *trace,
                   void (*tell)(void *ctx, const struct smtpscope_finding *finding), void *ctx);
struct smtpscope_inferred_retry inferred_retry(const struct inferred *inferred, uint64_t session, uint32_t index);

#endif
