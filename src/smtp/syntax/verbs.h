/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of verbs, extensions and parameters, and how a reply fits a verb. Internal to smtp. */
#ifndef SMTP_VERBS_H
#define SMTP_VERBS_H

#include "smtpscope/session.h"

enum smtpscope_verb verb_find(const char *name, size_t len);
/* Are the client's octets behind it held back until its reply says what they are? */
bool verb_holds(enum smtpscope_verb verb);
enum verb_argument { ARGUMENT_NO, ARGUMENT_OPTIONAL, ARGUMENT_REQUIRED, ARGUMENT_PATH };
enum verb_argument verb_argument(enum smtpscope_verb verb);
/* The extension whose keyword the text begins with, as a bit; 0 unknown. */
uint64_t extension_find(const char *text, size_t len);
/* The extension that defines an ESMTP parameter of MAIL or RCPT, as a bit; 0 unknown. */
uint64_t parameter_extension(enum smtpscope_verb verb, const char *keyword, size_t len);

#endif
