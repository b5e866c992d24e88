/* SPDX-License-Identifier: BSD-2-Clause */
/* The remediation of findings as JSON: advice is looked up, translated and escaped once for each (rule, reason, server). */
#ifndef OUTPUT_REMEDIES_H
#define OUTPUT_REMEDIES_H

#include "output/writer.h"
#include "smtpscope/finding.h"

struct remedies;

/* NULL when out of memory. */
struct remedies *remedies_new(void);
void remedies_free(struct remedies *remedies);
/* Puts the member "remediation" of `finding`. */
void remedies_put(struct remedies *remedies, struct writer *writer, const struct smtpscope_finding *finding);

/* "sender", "receiver", "network", "nobody", "undetermined": who acts, in the words of mail. */
const char *remedies_audience(enum smtpscope_fault fault);

#endif
