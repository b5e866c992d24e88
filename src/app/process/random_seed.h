/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef APP_PROCESS_RANDOM_SEED_H
#define APP_PROCESS_RANDOM_SEED_H

#include <stdint.h>

/* What nobody can know beforehand. 0 where the system has none: collisions could be prepared then, but nothing else breaks. */
uint64_t random_seed(void);

#endif
