/* SPDX-License-Identifier: BSD-2-Clause */
/* Logins refused and recipients unknown, counted by client over many sessions: a patient attacker makes few in each. */
#ifndef CORRELATE_ATTEMPTS_H
#define CORRELATE_ATTEMPTS_H

#include "smtpscope/correlate.h"

/* Clients watched at a time: direct-mapped, a newcomer takes the place. */
#define ATTEMPTS_CLIENTS 4096u

struct attempts_client {
    uint64_t client, session; /* 0: free; the session of the last attempt */
    smtpscope_time since;
    uint32_t logins, unknown, known;          /* since then */
    uint32_t session_logins, session_unknown; /* of the last session */
    bool told_logins, told_unknown;
};

struct attempts {
    struct attempts_client clients[ATTEMPTS_CLIENTS];
};

/*
 * Counts a SMTPSCOPE_TRACE_LOGIN, SMTPSCOPE_TRACE_UNKNOWN or SMTPSCOPE_TRACE_KNOWN for its client. Returns true when that reaches the limit over several
 * sessions: then *finding is complete; it points into the trace.
 */
bool attempts_note(struct attempts *attempts, uint64_t seed, const struct smtpscope_trace *trace,
                   struct smtpscope_finding *finding);

#endif
