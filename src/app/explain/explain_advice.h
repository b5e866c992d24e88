/* SPDX-License-Identifier: BSD-2-Clause */
/* What a rule means and what to do about it, on a page and in JSON. */
#ifndef APP_EXPLAIN_EXPLAIN_ADVICE_H
#define APP_EXPLAIN_EXPLAIN_ADVICE_H

#include "app/explain/explain_page.h"
#include "smtpscope/rule.h"

/* `fault`: who has to act, where that is known; NULL: whom the rule is for. */
void explain_advice(const struct page *page, enum smtpscope_rule rule, enum smtpscope_reason reason,
                    const enum smtpscope_fault *fault);
/* Members of the object that is open. */
void explain_json_advice(struct writer *json, enum smtpscope_rule rule, enum smtpscope_reason reason);

#endif
