/* SPDX-License-Identifier: BSD-2-Clause */
/* What a store tells: all of it for other programs, or what became of mail to somebody. */
#ifndef APP_HISTORY_HISTORY_H
#define APP_HISTORY_HISTORY_H

#include "app/process/status.h"

#include <stdbool.h>
#include <stdio.h>

/*
 * Each recipient of each transaction in the store at `path`, in order of time: a JSON object a line, or CSV with a heading. Write
 * errors are left for the caller to find. STATUS_FAILED after saying why.
 */
enum status history_export(const char *path, bool json, FILE *out);
/* The same of mail to the address `rcpt` alone, for people or as JSON. */
enum status history_mail(const char *path, const char *rcpt, bool json, FILE *out);

#endif
