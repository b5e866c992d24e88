/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/files/capture_files.h"

#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Files kept open from the first look to their turn: well below the usual 1024 descriptors. Others are opened twice. */
#define FILES_OPEN_MAX 32
#define ERROR_MAX 512

bool capture_file_reopen(struct capture_file *capture)
{
    char error[ERROR_MAX];

    if (capture->file)
        return true;
    if (!savefile_open(&capture->file, capture->path, error, sizeof error))
        return true;
    capture->file = NULL;
    warn_user("%s: %s", capture->name, error);
    return false;
}

void capture_file_close(struct capture_file *capture)
{
    if (capture->file)
        savefile_close(capture->file);
    capture->file = NULL;
}

/* A pipe gives its octets once. */
static bool can_reopen(const char *path)
{
    struct stat status;

    return !stat(path, &status) && S_ISREG(status.st_mode);
}

static int capture_file_compare(const void *a, const void *b)
{
    const struct capture_file *x = a, *y = b;

    if (x->has_first_time != y->has_first_time)
        return x->has_first_time ? -1 : 1;
    if (x->first_time != y->first_time)
        return x->first_time < y->first_time ? -1 : 1;
    return strcmp(x->path, y->path);
}

bool capture_files_open(struct capture_files *files, const char *const *paths, size_t count)
{
    struct capture_file *capture;

    files->items = calloc(count, sizeof *files->items);
    if (!files->items) {
        warn_user(_("out of memory"));
        return false;
    }
    for (; files->count < count; files->count++) {
        capture = &files->items[files->count];
        capture->path = paths[files->count];
        capture->name = strcmp(capture->path, "-") ? capture->path : _("standard input");
        if (!capture_file_reopen(capture))
            return false;
        capture->octets = savefile_octets(capture->file);
        if (count == 1)
            continue;
        capture->has_first_time = savefile_first_time(capture->file, &capture->first_time);
        if (files->count >= FILES_OPEN_MAX && can_reopen(capture->path))
            capture_file_close(capture);
    }
    qsort(files->items, count, sizeof *files->items, capture_file_compare);
    return true;
}

void capture_files_fini(struct capture_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        capture_file_close(&files->items[i]);
    free(files->items);
    *files = (struct capture_files){0};
}
