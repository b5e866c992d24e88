/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether what is claimed may be certain. Internal to rules. */
#ifndef RULES_CERTAINTY_H
#define RULES_CERTAINTY_H

#include "note.h"

/* How certain a claim can be, by what is known now to be missing. */
enum smtpscope_confidence confidence_of(const struct smtpscope_judge *judge, const struct claim *claim);

/* Octets of each side that the other had received when it said what the claim rests on. */
struct heard {
    uint64_t octets[2];
};
struct heard heard_of(const struct claim *claim);

#endif
