/* SPDX-License-Identifier: BSD-2-Clause */
/* The filter on system calls. */
#ifndef APP_PROCESS_SANDBOX_H
#define APP_PROCESS_SANDBOX_H

#include <stdbool.h>

/* The sanitizers' runtime does more than the program. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

/*
 * From here on, in all threads, a system call that watching does not need ends the process with SIGSYS: no program is started,
 * no process forked or traced, nothing mounted, no privilege changed, no listening socket made. Paths cannot be told apart
 * by such a filter: what the user may write can be written. false: the reason was printed.
 */
bool sandbox_enter(void);

#endif
