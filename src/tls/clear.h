/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of clear octets. Internal to tls. */
#ifndef TLS_CLEAR_H
#define TLS_CLEAR_H

#include "connection.h"

/* Clear octets of so many in a fragment, as far as the suite tells. */
uint64_t clear_len(const struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t fragment);
/* Clear octets that will not come, told once the session is in clear. Returns how many: none but of the traffic. */
uint64_t clear_gap(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint64_t len,
                   const struct place *place);
void clear_tell(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct content *content,
                const struct place *place);

#endif
