/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether what others can write to a file or a folder must be reckoned with. */
#ifndef BASE_ENTRUSTED_H
#define BASE_ENTRUSTED_H

#include <stdbool.h>

/* May anybody on the machine write the file that is open? What it says is then anybody's word. */
bool entrusted_to_all(int fd);
/*
 * O_NOFOLLOW where anybody may make names in the folder of `path`, as in /tmp: a link that lies there may lead an output over a
 * file of ours. Elsewhere 0: links are the administrator's.
 */
int entrusted_link_flag(const char *path);

#endif
