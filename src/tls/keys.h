/* SPDX-License-Identifier: BSD-2-Clause */
/* What the store of secrets keeps besides those of key logs. Internal to tls. */
#ifndef TLS_KEYS_H
#define TLS_KEYS_H

#include "smtpscope/tls.h"

/*
 * By what a session of up to TLS 1.2 is resumed -> the client random of the one whose master secret it has: then a log of the
 * first session's key opens the others. Kinds behind those of key logs.
 */
enum resumption { RESUMPTION_ID = SMTPSCOPE_SECRET_KINDS, RESUMPTION_TICKET };

/* What stands for a session id or a ticket. A hash: the wrong one would open nothing. */
void keys_name(const struct smtpscope_keys *keys, const uint8_t *octets, size_t len, uint8_t name[SMTPSCOPE_RANDOM_LEN]);
void keys_remember(struct smtpscope_keys *keys, enum resumption by, const uint8_t name[SMTPSCOPE_RANDOM_LEN],
                   const uint8_t random[SMTPSCOPE_RANDOM_LEN]);
/* False: not known. */
bool keys_recall(const struct smtpscope_keys *keys, enum resumption by, const uint8_t name[SMTPSCOPE_RANDOM_LEN],
                 uint8_t random[SMTPSCOPE_RANDOM_LEN]);

/* A line of a key log is right but none of ours, or is rubbish. */
void keys_ignored(struct smtpscope_keys *keys);
void keys_add(struct smtpscope_keys *keys, enum smtpscope_secret_kind kind, const uint8_t random[SMTPSCOPE_RANDOM_LEN],
              const struct smtpscope_secret *secret);
const struct smtpscope_allocator *keys_allocator(const struct smtpscope_keys *keys);

#endif
