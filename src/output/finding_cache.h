/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is the same for all findings of a kind, as JSON: names, summary and advice are looked up, translated and escaped once a
 * kind. Findings come by the hundred thousand, of a few kinds.
 */
#ifndef OUTPUT_FINDING_CACHE_H
#define OUTPUT_FINDING_CACHE_H

#include "base/writer.h"
#include "output/output.h"
#include "smtpscope/finding.h"

struct finding_cache;

/* NULL when out of memory. */
struct finding_cache *finding_cache_new(enum output_remediation remediation);
void finding_cache_free(struct finding_cache *cache);
/* Puts the members "rule", "severity", "summary", "verdict", "fault", "reason", "retry" and "confidence" of `finding`. */
void finding_cache_put_judgement(struct finding_cache *cache, struct writer *writer, const struct smtpscope_finding *finding);
/* Puts the member "remediation" of `finding`, unless none is wanted. */
void finding_cache_put_remediation(struct finding_cache *cache, struct writer *writer, const struct smtpscope_finding *finding);
/* The template of the detail of `finding`, translated, for smtpscope_advice_detail_fill(). */
const char *finding_cache_detail(struct finding_cache *cache, const struct smtpscope_finding *finding);

#endif
