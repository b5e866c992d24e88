/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/files/capture_files.h"

#include "app/process/warn_user.h"
#include "base/gettext.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files kept open from the first look to their turn: well below the usual 1024 descriptors. Others are opened twice. */
#define SOURCES_OPEN_MAX 32
#define ERROR_MAX 512

bool sources_reopen(struct source *source)
{
    char error[ERROR_MAX];

    if (source->file)
        return true;
    if (!savefile_open(&source->file, source->path, error, sizeof error))
        return true;
    source->file = NULL;
    complain("%s: %s", source->name, error);
    return false;
}

void sources_close(struct source *source)
{
    if (source->file)
        savefile_close(source->file);
    source->file = NULL;
}

int sources_stat(const char *path, struct stat *status)
{
    return strcmp(path, "-") ? stat(path, status) : fstat(STDIN_FILENO, status);
}

/* A pipe gives its octets once. */
static bool can_reopen(const char *path)
{
    struct stat status;

    return !stat(path, &status) && S_ISREG(status.st_mode);
}

static int source_compare(const void *a, const void *b)
{
    const struct source *x = a, *y = b;

    if (x->has_first_time != y->has_first_time)
        return x->has_first_time ? -1 : 1;
    if (x->first_time != y->first_time)
        return x->first_time < y->first_time ? -1 : 1;
    return strcmp(x->path, y->path);
}

bool sources_open(struct sources *sources, const char *const *paths, size_t count)
{
    struct source *source;

    sources->items = calloc(count, sizeof *sources->items);
    if (!sources->items) {
        complain(_("out of memory"));
        return false;
    }
    for (; sources->count < count; sources->count++) {
        source = &sources->items[sources->count];
        source->path = paths[sources->count];
        source->name = strcmp(source->path, "-") ? source->path : _("standard input");
        if (!sources_reopen(source))
            return false;
        source->octets = savefile_octets(source->file);
        if (count == 1)
            continue;
        source->has_first_time = savefile_first_time(source->file, &source->first_time);
        if (sources->count >= SOURCES_OPEN_MAX && can_reopen(source->path))
            sources_close(source);
    }
    qsort(sources->items, count, sizeof *sources->items, source_compare);
    return true;
}

void sources_fini(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        sources_close(&sources->items[i]);
    free(sources->items);
    *sources = (struct sources){0};
}
