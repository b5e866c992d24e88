/* SPDX-License-Identifier: BSD-2-Clause */
/* Spreading an interface's frames over several packet sockets (Linux, packet(7) PACKET_FANOUT). */
#ifndef CAPTURE_FANOUT_H
#define CAPTURE_FANOUT_H

/*
 * Makes the packet socket `fd` a member of `*group`, or of a new group when that is negative; `*group` becomes its number.
 * 0, or an errno value.
 */
int fanout_join(int fd, int *group);

#endif
