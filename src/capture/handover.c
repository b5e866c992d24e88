/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture/handover.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct handed {
    struct handed *next;
    int fd;
    char path[];
};

static struct handed *handed_first;
static pthread_mutex_t handed_lock = PTHREAD_MUTEX_INITIALIZER; /* one worker looks for secrets while another reads */

static bool handed_add(const char *path)
{
    size_t size = strlen(path) + 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct handed *handed = fd < 0 ? NULL : malloc(sizeof *handed + size);

    if (handed == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    handed->next = handed_first;
    handed->fd = fd;
    memcpy(handed->path, path, size);
    handed_first = handed;
    return true;
}

void handover_open(const char *path, unsigned times)
{
    struct stat status;

    if (strcmp(path, "-") == 0 || !handed_add(path))
        return;
    if (fstat(handed_first->fd, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    while (--times > 0 && handed_add(path))
        continue;
}

static struct handed **handed_find(const char *path)
{
    struct handed **at = &handed_first;

    while (*at != NULL && strcmp((*at)->path, path) != 0)
        at = &(*at)->next;
    return at;
}

int handover_take(const char *path)
{
    int fd = -1;

    pthread_mutex_lock(&handed_lock);
    struct handed **at = handed_find(path), *handed = *at;
    if (handed != NULL) {
        fd = handed->fd;
        *at = handed->next;
        free(handed);
    }
    pthread_mutex_unlock(&handed_lock);
    return fd;
}

bool handover_stat(const char *path, struct stat *status)
{
    pthread_mutex_lock(&handed_lock);
    struct handed *handed = *handed_find(path);
    bool found = handed != NULL && fstat(handed->fd, status) == 0;
    pthread_mutex_unlock(&handed_lock);
    return found;
}

void handover_close(void)
{
    for (struct handed *handed; (handed = handed_first) != NULL;) {
        handed_first = handed->next;
        close(handed->fd);
        free(handed);
    }
}
