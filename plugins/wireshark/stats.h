/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics: the tree smtpscope,tree, and the list smtpscope,findings. */
#ifndef STATS_H
#define STATS_H

#include "compat.h"

/* Once, at registration. The name of the tap is "smtpscope"; it hands over a struct record (records.h) a record. */
int stats_register(void);

#endif
