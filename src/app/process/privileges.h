/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Becoming another user and giving up what is no longer needed. In this order, before there is a second thread:
 *
 *   privileges_lookup()   who to become: a wrong name is told before anything is opened
 *   ...                   what only root may: interfaces, listening sockets
 *   privileges_drop()
 *   ...                   outputs and captures, as the user who will rotate and reopen them
 */
#ifndef APP_PROCESS_PRIVILEGES_H
#define APP_PROCESS_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#define PRIVILEGES_NAME_SIZE 64

struct privileges {
    bool become;                     /* started as root: there is somebody else to become */
    char name[PRIVILEGES_NAME_SIZE]; /* of that user; what is longer is cut */
    uid_t uid;
    gid_t gid;
};

/*
 * Who `user` is; NULL: "smtpscope" where there is such a user, else "nobody". Who is not root stays who it is. false: the
 * reason and the remedy were printed.
 */
bool privileges_lookup(struct privileges *privileges, const char *user);
/*
 * The same for reading captures, where root is somebody else's habit: it becomes another user where there is one and the system
 * lets it; with `stays`, because files are still to be made where only root may, it keeps its name and nothing else.
 */
bool privileges_lookup_reader(struct privileges *privileges, const char *user, bool stays);
/*
 * Becomes that user with its groups, keeps no capability, sets no-new-privileges, and with `sandbox` enters the filter of
 * sandbox.h, all for good and for all threads. false: the reason was printed, and the program must end.
 */
bool privileges_drop(const struct privileges *privileges, bool sandbox);
/* Behind what was said of a file that could not be opened: as whom that was tried, for those who started us as root. */
void privileges_explain(const struct privileges *privileges);

#endif
