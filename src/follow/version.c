/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpscope/version.h"

const char *smtpscope_version(void)
{
    return SMTPSCOPE_VERSION;
}
