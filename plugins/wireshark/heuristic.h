/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMTP on any port, known by its greeting: Wireshark has no heuristic of its own for it. Off until it is enabled. */
#ifndef HEURISTIC_H
#define HEURISTIC_H

#include "compat.h"

/* Once, when all protocols are registered. */
void heuristic_handoff(void);

#endif
