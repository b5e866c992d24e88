/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/entrusted.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool entrusted_to_all(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_mode & S_IWOTH;
}

int entrusted_link_flag(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);
    char folder[PATH_MAX];
    struct stat status;

    if (len >= sizeof folder)
        return O_NOFOLLOW;
    snprintf(folder, sizeof folder, "%.*s", (int)len, path);
    if (len == 0)
        strcpy(folder, slash == NULL ? "." : "/");
    return stat(folder, &status) != 0 || status.st_mode & S_IWOTH ? O_NOFOLLOW : 0;
}
