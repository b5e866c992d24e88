/* SPDX-License-Identifier: BSD-2-Clause */
/* The catalogue of findings, as data. */
#ifndef SMTPSCOPE_RULE_H
#define SMTPSCOPE_RULE_H

#include "smtpscope/types.h"

SMTPSCOPE_C_BEGIN

enum smtpscope_rule {
#define RULE(id, family, name, severity, reference, summary) SMTPSCOPE_RULE_##id,
#include "smtpscope/rules.def"
    SMTPSCOPE_RULES
};

/* They map one to one on syslog's err, warning, notice, info and on Wireshark's Error, Warn, Note, Chat. */
enum smtpscope_severity { SMTPSCOPE_ERROR, SMTPSCOPE_WARNING, SMTPSCOPE_NOTICE, SMTPSCOPE_INFO, SMTPSCOPE_SEVERITIES };

enum smtpscope_reason {
    SMTPSCOPE_REASON_NONE,
#define REASON(id, word, retry, fault, deferral, refusal) SMTPSCOPE_REASON_##id,
#include "smtpscope/reasons.def"
    SMTPSCOPE_REASONS
};

enum smtpscope_retry {
    SMTPSCOPE_RETRY_UNKNOWN,
    SMTPSCOPE_RETRY_YES,
    SMTPSCOPE_RETRY_SLOWER,
    SMTPSCOPE_RETRY_SPLIT,
    SMTPSCOPE_RETRY_OWNER,
    SMTPSCOPE_RETRY_RARELY,
    SMTPSCOPE_RETRY_SENDER,
    SMTPSCOPE_RETRY_DNS,
    SMTPSCOPE_RETRY_NEVER,
    SMTPSCOPE_RETRIES
};

/* What the server did about a violation (RULES: refused-503, refused-other, tolerated, unanswered). */
enum smtpscope_verdict {
    SMTPSCOPE_VERDICT_NONE,
    SMTPSCOPE_VERDICT_REFUSED_503,
    SMTPSCOPE_VERDICT_REFUSED_OTHER,
    SMTPSCOPE_VERDICT_TOLERATED,
    SMTPSCOPE_VERDICT_UNANSWERED,
    SMTPSCOPE_VERDICTS
};

enum smtpscope_confidence { SMTPSCOPE_CERTAIN, SMTPSCOPE_LIKELY };

/* Who has to act. */
enum smtpscope_fault {
    SMTPSCOPE_FAULT_UNDETERMINED,
    SMTPSCOPE_FAULT_CLIENT,
    SMTPSCOPE_FAULT_SERVER,
    SMTPSCOPE_FAULT_NETWORK,
    SMTPSCOPE_FAULT_NOBODY,
    SMTPSCOPE_FAULTS
};

enum smtpscope_detail {
#define DETAIL(id, word, template) SMTPSCOPE_DETAIL_##id,
#include "smtpscope/details.def"
    SMTPSCOPE_DETAILS
};

/* A row of the catalogue. Static; never freed. `summary` is English, for gettext. */
struct smtpscope_rule_info {
    const char *id;     /* "sequence.nested-mail" */
    const char *family; /* "sequence" */
    enum smtpscope_severity severity;
    const char *reference; /* NULL: none */
    const char *summary;
};

const struct smtpscope_rule_info *smtpscope_rule_info(enum smtpscope_rule rule);
/* The rule of an identifier, or -1. */
int smtpscope_rule_find(const char *id);
/* Does `glob` (shell wildcards * and ?) match the identifier? "deferral" alone matches the family. */
bool smtpscope_rule_matches(enum smtpscope_rule rule, const char *glob);

/* All return static words, never NULL but for REASON_NONE and VERDICT_NONE. */
const char *smtpscope_severity_name(enum smtpscope_severity severity);
const char *smtpscope_reason_name(enum smtpscope_reason reason);
enum smtpscope_retry smtpscope_reason_retry(enum smtpscope_reason reason);
/* Who has to act, as far as the reason alone tells. */
enum smtpscope_fault smtpscope_reason_fault(enum smtpscope_reason reason);
/* The same of a finding: behind a 5yz (refusal.*) what would pass by itself does not. */
enum smtpscope_retry smtpscope_finding_retry(enum smtpscope_rule rule, enum smtpscope_reason reason);
const char *smtpscope_retry_name(enum smtpscope_retry retry);
const char *smtpscope_verdict_name(enum smtpscope_verdict verdict);
const char *smtpscope_confidence_name(enum smtpscope_confidence confidence);
const char *smtpscope_fault_name(enum smtpscope_fault fault); /* "client", "server", "network", "nobody", "undetermined" */
const char *smtpscope_detail_name(enum smtpscope_detail detail);
/* English, for gettext: the template of a detail, which is the singular where there is a plural, and the plural or NULL. */
const char *smtpscope_detail_template(enum smtpscope_detail detail);
const char *smtpscope_detail_plural(enum smtpscope_detail detail);

SMTPSCOPE_C_END

#endif
