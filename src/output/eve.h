/* SPDX-License-Identifier: BSD-2-Clause */
/* What of the eve format others may ask. */
#ifndef OUTPUT_EVE_H
#define OUTPUT_EVE_H

#include <stdint.h>

/* The number by which the alerts of a rule are known: of its identifier, so that it stays when rules are added. */
uint64_t eve_signature_id(const char *rule);

#endif
