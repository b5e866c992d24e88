/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is the same for all findings of a kind, as JSON: names, summary and advice are looked up, translated and escaped once a
 * kind. Findings come by the hundred thousand, of a few kinds.
 */
#ifndef OUTPUT_FINDING_CACHE_H
#define OUTPUT_FINDING_CACHE_H

#include "base/writer.h"
#include "smtpscope/finding.h"

struct kinds;

/* NULL when out of memory. */
struct kinds *kinds_new(void);
void kinds_free(struct kinds *kinds);
/* Puts the members "rule", "severity", "summary", "verdict", "fault", "reason", "retry" and "confidence" of `finding`. */
void kinds_put_judgement(struct kinds *kinds, struct writer *writer, const struct smtpscope_finding *finding);
/* Puts the member "remediation" of `finding`. */
void kinds_put_remediation(struct kinds *kinds, struct writer *writer, const struct smtpscope_finding *finding);
/* The template of the detail of `finding`, translated, for smtpscope_advice_detail_fill(). */
const char *kinds_detail(struct kinds *kinds, const struct smtpscope_finding *finding);

#endif
