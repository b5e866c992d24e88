/* SPDX-License-Identifier: BSD-2-Clause */
/* The version: of the headers at hand, and of the library that is there when the program runs. */
#ifndef SMTPSCOPE_VERSION_H
#define SMTPSCOPE_VERSION_H

#include "smtpscope/types.h"

SMTPSCOPE_C_BEGIN

/* The build reads them here. While the first one is 0, a change of the second one may change any struct. */
#define SMTPSCOPE_VERSION_MAJOR 0
#define SMTPSCOPE_VERSION_MINOR 2
#define SMTPSCOPE_VERSION_PATCH 0

#define SMTPSCOPE_VERSION_WORDS(major, minor, patch) #major "." #minor "." #patch
#define SMTPSCOPE_VERSION_TEXT(major, minor, patch) SMTPSCOPE_VERSION_WORDS(major, minor, patch)
/* "0.2.0" */
#define SMTPSCOPE_VERSION SMTPSCOPE_VERSION_TEXT(SMTPSCOPE_VERSION_MAJOR, SMTPSCOPE_VERSION_MINOR, SMTPSCOPE_VERSION_PATCH)

/* SMTPSCOPE_VERSION as the library was built. Static. */
const char *smtpscope_version(void);

SMTPSCOPE_C_END

#endif
