/* SPDX-License-Identifier: BSD-2-Clause */
/* What the comparison of codes needs beyond smtpscope/advice.h. */
#ifndef ADVICE_CODE_USE_H
#define ADVICE_CODE_USE_H

/* Completes "a server answers NNN when ...", translated; NULL for a code of no list. Static, never freed. */
const char *smtpscope_advice_code_use(unsigned code);

#endif
