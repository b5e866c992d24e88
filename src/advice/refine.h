/* SPDX-License-Identifier: BSD-2-Clause */
/* Which reason speaks for a rule: shared by the texts and the settings. */
#ifndef ADVICE_REFINE_H
#define ADVICE_REFINE_H

#include "smtpscope/rule.h"

/*
 * The reason whose row of reasons.def serves the rule: for a deferral rule that carries a reason's word that one, or `reason`
 * where it speaks for itself; else `reason` where it refines the rule's family, else SMTPSCOPE_REASON_NONE.
 */
enum smtpscope_reason smtpscope_advice_refine(enum smtpscope_rule rule, enum smtpscope_reason reason);

#endif
