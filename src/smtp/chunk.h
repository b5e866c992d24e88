/* SPDX-License-Identifier: BSD-2-Clause */
/* The octets of a BDAT chunk. Internal to smtp. */
#ifndef SMTP_CHUNK_H
#define SMTP_CHUNK_H

#include "smtp/state/origin.h"
#include "smtpscope/session.h"

size_t chunk_take(struct smtpscope_session *session, const char *data, size_t len, const struct octet_origin *origin);
/* The same for octets that need not be there: a known length bridges a gap. */
size_t chunk_count(struct smtpscope_session *session, size_t len, const struct octet_origin *origin);
/* What was collected behind a refused BDAT, if anything, is the chunk, or a command where the chunk would be. */
void chunk_decide(struct smtpscope_session *session);
/* Octets of the command's chunk that were sent so far. */
uint64_t chunk_sent(const struct smtpscope_session *session, const struct smtpscope_command *bdat);

#endif
