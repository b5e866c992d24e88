/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's own name for a message, out of the reply by which it took it: what joins a message here with the server's log. */
#ifndef OUTPUT_QUEUE_ID_H
#define OUTPUT_QUEUE_ID_H

#include "smtpscope/types.h"

/* A part of the reply's text; empty when it names none. */
struct smtpscope_text queue_id(struct smtpscope_text reply);

#endif
