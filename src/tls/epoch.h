/* SPDX-License-Identifier: BSD-2-Clause */
/* Records -> contents, and what they do. Internal to tls. */
#ifndef TLS_EPOCH_H
#define TLS_EPOCH_H

#include "connection.h"

enum readiness {
    READY_READ, /* it is in clear, or there is a key to open it with */
    READY_PASS, /* nothing is wanted of it but that it was there */
    READY_WAIT, /* its key may still come */
};
/* What is to be done with a record of this type. Looks for the key. */
enum readiness record_readiness(struct smtpscope_tls_connection *connection, enum smtpscope_side side, uint8_t type);
/* A whole record of READY_READ. `place` is that of its last octets, and its offset the one behind the record. */
void record_read(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct tls_record *record,
                 const struct place *place);
/* One that was passed by: type and length are all that is known. */
void record_passed(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t head[RECORD_HEAD],
                   const struct place *place);
/* One that could have been read and lacks octets. */
void record_lost(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const uint8_t head[RECORD_HEAD],
                 const struct place *place);

#endif
