/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a connection, from the store of secrets. Internal to tls. */
#ifndef TLS_KEY_H
#define TLS_KEY_H

#include "handshake.h"

/* NEVER: there is none to wait for. */
enum found { FOUND, MISSING, NEVER };

/* The key of that epoch. NULL: `found` says why. */
struct protection *key_make(struct smtpscope_tls_connection *connection, enum smtpscope_side side, enum epoch epoch,
                            enum found *found);
/* It is the side's from now on; NULL: none is. */
void key_set(struct smtpscope_tls_connection *connection, enum smtpscope_side side, struct protection *key, enum epoch epoch);
/* The client random of the session whose master secret this one has. False: it is not resumed, or not known. */
bool resumed_random(const struct smtpscope_tls_connection *connection, uint8_t random[SMTPSCOPE_RANDOM_LEN]);
/*
 * Behind a gap of `len` octets: does the record open with one of the numbers, or one of the keys, that may come next? Then they
 * are the side's, and `clear` is how many clear octets are lost. Adds to `tried` the octets that it has tried to open.
 */
bool record_find(struct smtpscope_tls_connection *connection, enum smtpscope_side side, const struct tls_record *record,
                 uint64_t len, uint64_t *clear, uint64_t *tried);

#endif
