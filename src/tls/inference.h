/* SPDX-License-Identifier: BSD-2-Clause */
/* What the lengths of records tell that nobody can read. Internal to tls. */
#ifndef TLS_INFERENCE_H
#define TLS_INFERENCE_H

#include "connection.h"

/* A record of application data was passed by, with about so many octets of content. */
void inference_record(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t len,
                      const struct place *place);
/* Records of the side are missing: what follows is not guessed at. */
void inference_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side);
/* Tells each transaction, in order. */
void inference_close(struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending);
/* Behind inference_close(): did the server close behind the client's first turn? */
bool inference_closed_at_once(const struct smtpscope_tls_connection *connection, const struct smtpscope_ending *ending);
void inference_free(struct smtpscope_tls_connection *connection);

#endif
