/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef APP_PROCESS_STATUS_H
#define APP_PROCESS_STATUS_H

/* What the program ends with. */
enum status {
    STATUS_DONE = 0,
    STATUS_FOUND = 1,   /* a finding at or above --fail-on */
    STATUS_FAILED = 2,  /* wrong use, unreadable input, output that cannot be written */
    STATUS_DAMAGED = 3, /* analysed, but the input was damaged */
};

#endif
