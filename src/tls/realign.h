/* SPDX-License-Identifier: BSD-2-Clause */
/* The next record behind a gap. Internal to tls. */
#ifndef TLS_REALIGN_H
#define TLS_REALIGN_H

#include "connection.h"

/* `broken`: where the first record began that cannot be read. The octets go on at the place. */
void realign_begin(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t broken,
                   const struct place *place);
/*
 * Returns the octets from the next record on, once that is found, and sets `offset` to where it begins: then records are in
 * step. The caller frees them.
 */
struct gathered *realign_take(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data,
                              size_t len, const struct place *place, size_t *skip, uint64_t *offset);
void realign_free(struct smtpscope_tls_connection *connection, enum smtpscope_side side);
/* Can it be the head of a record? */
bool head_is_right(const uint8_t head[RECORD_HEAD]);

#endif
