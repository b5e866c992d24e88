/* SPDX-License-Identifier: BSD-2-Clause */
/* What may change of a finding after it was told, as it was told: small, as each note has it. */
#ifndef RULES_TOLD_STATE_H
#define RULES_TOLD_STATE_H

#include "smtpscope/finding.h"

/* The one list of it: X(type as it is kept, type, member). When and where a finding was seen last changes with its count. */
#define FINDING_CHANGES(X)                                                                                                     \
    X(const char *, const char *, server)                                                                                      \
    X(uint64_t, uint64_t, detail_number)                                                                                       \
    X(uint32_t, uint32_t, cause)                                                                                               \
    X(uint32_t, uint32_t, count)                                                                                               \
    X(uint32_t, uint32_t, folded)                                                                                              \
    X(uint8_t, enum smtpscope_severity, severity)                                                                              \
    X(uint8_t, enum smtpscope_verdict, verdict)                                                                                \
    X(uint8_t, enum smtpscope_reason, reason)                                                                                  \
    X(uint8_t, enum smtpscope_confidence, confidence)                                                                          \
    X(uint8_t, enum smtpscope_fault, fault)                                                                                    \
    X(uint8_t, enum smtpscope_detail, detail)

struct told_state {
#define KEPT(kept, type, member) kept member;
    FINDING_CHANGES(KEPT)
#undef KEPT
};

struct told_state told_state_of(const struct smtpscope_finding *finding);
bool told_state_equal(const struct told_state *a, const struct told_state *b);

#endif
