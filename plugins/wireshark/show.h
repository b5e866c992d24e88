/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of a frame -> tree, expert infos, Info column, tap. */
#ifndef SHOW_H
#define SHOW_H

#include "records.h"

/* Once, at registration: fields and expert infos. */
void show_register(int proto);
/* `session` or `records` may be NULL. */
void show_packet(tvbuff_t *tvb, packet_info *pinfo, proto_tree *tree, const struct session_record *session,
                 const struct record *records);

/* In words, of the pool; "" where there is none. */
const char *show_detail(wmem_allocator_t *pool, const struct smtpscope_finding *finding);
/* "4.7.1"; "" where there is none. */
const char *show_enhanced(wmem_allocator_t *pool, const struct smtpscope_enhanced *enhanced);

#endif
