/* SPDX-License-Identifier: BSD-2-Clause */
/* How the handshake went. Internal to tls. */
#ifndef TLS_OUTCOME_H
#define TLS_OUTCOME_H

#include "connection.h"

void outcome_alert(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t *data, size_t len,
                   bool encrypted, const struct place *place);
/* An encrypted record that is not opened. */
void outcome_passed(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type, size_t len,
                    const struct place *place);
/* One that was opened, and is no alert. */
void outcome_content(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct place *place);
void outcome_finished(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct place *place);
/* Octets of the side were seen. */
void outcome_heard(struct smtpscope_tls_connection *connection, const struct smtpscope_octets *octets);
void outcome_close(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending);

#endif
