/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections whose keys may still come keep their octets. A key log is written while, or after, the octets are sent that need
 * its keys: a server's library says its secrets some milliseconds later than the network sees the record.
 */
#ifndef TLS_KEYLESS_H
#define TLS_KEYLESS_H

#include "connection.h"

/* From these octets on. `octets` may be of no length, `gap` is what is lost behind them. False: there is no room. */
bool keyless_add(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets, uint64_t gap);
/* Reads what waits again, as far as there are keys now; to its end, where no more are waited for. */
void keyless_replay(struct smtpscope_tls_connection *connection);
void keyless_clock_stepped(struct smtpscope_tls_connection *connection, smtpscope_time delta);
void keyless_free(struct smtpscope_tls_connection *connection);

#endif
