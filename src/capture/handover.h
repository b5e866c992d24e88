/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captures that are opened before their turn, while the program still may: a reader that gives up its privileges before it looks
 * at the first octet takes its files from here by the paths that it knows them by. Of one process, for any of its threads.
 */
#ifndef CAPTURE_HANDOVER_H
#define CAPTURE_HANDOVER_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Opens `path` as often as it will be asked for: a regular file `times` times, each with a place of its own, anything else once.
 * What cannot be opened is left to whoever asks for it, who can tell why. "-" is nobody's.
 */
void handover_open(const char *path, unsigned times);
/* A descriptor of that path, which is the caller's from now on; -1: there is none. */
int handover_take(const char *path);
/* As fstat(2), of a path that waits to be taken. False: none does. */
bool handover_stat(const char *path, struct stat *status);
/* Closes what nobody took. */
void handover_close(void);

#endif
