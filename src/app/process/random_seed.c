/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/process/random_seed.h"

#include <sys/random.h>
#include <sys/types.h>

uint64_t random_seed(void)
{
    uint64_t seed = 0;

#ifdef SMTPSCOPE_FIXED_SEED /* counts are to be the same in each build: see cmake/SmtpscopeProfile.cmake */
    return SMTPSCOPE_FIXED_SEED;
#endif
    return getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed ? seed : 0;
}
