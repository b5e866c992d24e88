/* SPDX-License-Identifier: BSD-2-Clause */
/* What a message of the handshake says. Internal to tls. */
#ifndef TLS_HELLO_H
#define TLS_HELLO_H

#include "handshake.h"

/* `body` NULL: it was not kept. */
void message_read(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type, const uint8_t *body,
                  size_t len, const struct place *place);

#endif
