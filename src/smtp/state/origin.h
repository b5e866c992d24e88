/* SPDX-License-Identifier: BSD-2-Clause */
/* Where and when octets were seen. Internal to smtp. */
#ifndef SMTP_ORIGIN_H
#define SMTP_ORIGIN_H

#include "smtpscope/types.h"

/* Travels with the octets when they are kept. */
struct octet_origin {
    uint64_t offset, acked, packet; /* acked: octets of the other side that the sender had acknowledged */
    smtpscope_time time;
};

#endif
