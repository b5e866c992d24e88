/* SPDX-License-Identifier: BSD-2-Clause */
/* The session's member `tls`. */
#ifndef OUTPUT_JSON_TLS_H
#define OUTPUT_JSON_TLS_H

#include "output/output_format.h"

void put_tls(struct output *output, const struct transcript *transcript);

#endif
