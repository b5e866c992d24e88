/* SPDX-License-Identifier: BSD-2-Clause */
/* The record layer: octets -> records. Internal to tls. */
#ifndef TLS_RECORD_H
#define TLS_RECORD_H

#include "connection.h"

/* Returns the octets used: fewer where a key is waited for. */
size_t records_take(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len,
                    const struct place *place);
void records_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t len,
                 const struct place *place);

#endif
