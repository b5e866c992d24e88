/* SPDX-License-Identifier: BSD-2-Clause */
#include "told_state.h"

#include <string.h>

struct told_state told_state_of(const struct smtpscope_finding *finding)
{
    return (struct told_state){
#define FROM_FINDING(kept, type, member) .member = (kept)finding->member,
        FINDING_CHANGES(FROM_FINDING)};
}

bool told_state_equal(const struct told_state *a, const struct told_state *b)
{
    bool equal = true;

#define COMPARED(kept, type, member) equal &= a->member == b->member;
    FINDING_CHANGES(COMPARED)
    return equal;
}

void smtpscope_finding_revise(struct smtpscope_finding *finding, const struct smtpscope_finding *now)
{
#define COPIED(kept, type, member) finding->member = now->member;
    FINDING_CHANGES(COPIED)
    memcpy(finding->reason_evidence, now->reason_evidence, sizeof finding->reason_evidence);
    finding->last_time = now->last_time;
    finding->last_packet = now->last_packet;
}
