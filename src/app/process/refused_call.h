/* SPDX-License-Identifier: BSD-2-Clause */
/* One line that names the system call which the filter refused, before the program ends of it. */
#ifndef APP_PROCESS_REFUSED_CALL_H
#define APP_PROCESS_REFUSED_CALL_H

/*
 * To be called once, before the filter is loaded: afterwards SIGSYS writes the line to standard error and ends the process by
 * that signal. What it needs is made here, as the handler may run inside malloc(3). Never fails: without memory for the
 * names of the calls, their numbers are told.
 */
void refused_call_prepare(void);

#endif
