/* SPDX-License-Identifier: BSD-2-Clause */
/* One line on standard error, with the program's name in front. */
#ifndef APP_PROCESS_WARN_USER_H
#define APP_PROCESS_WARN_USER_H

/* As printf(3), with the line's end added. What the arguments bring from outside is shown without control characters. */
__attribute__((format(printf, 1, 2))) void warn_user(const char *format, ...);

#endif
