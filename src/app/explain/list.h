/* SPDX-License-Identifier: BSD-2-Clause */
/* --list-interfaces. */
#ifndef APP_EXPLAIN_LIST_H
#define APP_EXPLAIN_LIST_H

#include "app/process/status.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * A line an interface that can be watched, the likeliest first: its name, its state, its addresses; or a JSON object a line.
 * Write errors are left for the caller to find. STATUS_FAILED after saying why.
 */
enum status list_interfaces(bool json, FILE *out);

#endif
