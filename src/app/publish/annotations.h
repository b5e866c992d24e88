/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --annotate: findings are kept as they are published, and at the end the captures are written once more with each finding as a comment
 * on its packet, and the totals as the file's. What a run finds has no bound but its own: a comment is some hundred octets.
 */
#ifndef APP_PUBLISH_ANNOTATIONS_H
#define APP_PUBLISH_ANNOTATIONS_H

#include "base/packet_numbering.h"
#include "output/summary.h"
#include "smtpscope/finding.h"

struct annotations;

/* Creates the file, which must be none of the captures that are read. NULL: told. */
struct annotations *annotations_open(const char *path, const char *const *captures, size_t capture_count);
/* NULL is fine. */
void annotations_free(struct annotations *annotations);

void annotations_finding(struct annotations *annotations, const struct smtpscope_finding *finding);
/* Writes all of it. false: told. */
bool annotations_write(struct annotations *annotations, const struct packet_numbering *numbering,
                       const struct summary *summary);

#endif
