/* SPDX-License-Identifier: BSD-2-Clause */
/* Community ID v1: one name for a flow in all tools (https://github.com/corelight/community-id-spec). By nDPI. */
#ifndef DETECT_COMMUNITY_ID_H
#define DETECT_COMMUNITY_ID_H

#include "smtpscope/stream.h"

/* "1:", 28 characters of base64, and the end. */
#define COMMUNITY_ID_SIZE 31

/* Writes the flow's ID, terminated, to `id` of `size` octets; the same for both directions. false: none, `id` is "". */
bool community_id(const struct smtpscope_flow *flow, char *id, size_t size);

/* The version of nDPI. Static. */
const char *community_id_library(void);

#endif
