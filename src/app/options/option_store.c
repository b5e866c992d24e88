/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/options/option_store.h"

#include <stdlib.h>
#include <string.h>

static const void *field(const struct option_row *row, const struct options *options)
{
    return (const char *)options + row->offset;
}

static void *field_of(const struct option_row *row, struct options *options)
{
    return (char *)options + row->offset;
}

static size_t count(const struct option_row *row, const struct options *options)
{
    return *(const size_t *)(const void *)((const char *)options + row->count_offset);
}

static size_t *count_of(const struct option_row *row, struct options *options)
{
    return (size_t *)(void *)((char *)options + row->count_offset);
}

void option_put_number(const struct option_row *row, struct options *options, uint64_t number)
{
    void *to = field_of(row, options);

    switch (row->size) {
    case sizeof(bool): *(bool *)to = number; break;
    case sizeof(unsigned): memcpy(to, &(unsigned){(unsigned)number}, sizeof(unsigned)); break;
    default: memcpy(to, &number, sizeof number); break;
    }
}

/* The strings of a field: one or none, or a list's. */
static const char *const *strings(const struct option_row *row, const struct options *options, size_t *many)
{
    const char *const *string = field(row, options);

    if (row->storage == OPTION_STRING) {
        *many = *string ? 1 : 0;
        return string;
    }
    *many = count(row, options);
    return *(const char *const *const *)field(row, options);
}

bool option_equal(const struct option_row *row, const struct options *a, const struct options *b)
{
    const char *const *some, *const *others;
    size_t many, other_many;

    if (row->storage == OPTION_PLAIN)
        return !memcmp(field(row, a), field(row, b), row->size);
    some = strings(row, a, &many);
    others = strings(row, b, &other_many);
    if (many != other_many)
        return false;
    for (size_t i = 0; i < many; i++)
        if (strcmp(some[i], others[i]))
            return false;
    return true;
}

static void discard(const char *string)
{
    free((void *)(uintptr_t)string); /* ours; const is for its readers */
}

void option_clear(const struct option_row *row, struct options *options)
{
    const char **string = field_of(row, options);
    size_t *many = count_of(row, options);

    if (row->storage == OPTION_STRING) {
        discard(*string);
        *string = NULL;
    } else if (row->storage == OPTION_LIST) {
        const char ***list = field_of(row, options);

        for (size_t i = 0; i < *many; i++)
            discard((*list)[i]);
        free(*list);
        *list = NULL;
        *many = 0;
    }
}

static bool append(const struct option_row *row, struct options *options, const char *copy)
{
    size_t *many = count_of(row, options);
    const char ***list = field_of(row, options);
    const char **grown = realloc(*list, (*many + 1) * sizeof *grown);

    if (!grown)
        return false;
    *list = grown;
    grown[(*many)++] = copy;
    return true;
}

bool option_put_string(const struct option_row *row, struct options *options, const char *value)
{
    char *copy = strdup(value);

    if (copy && row->storage == OPTION_LIST && append(row, options, copy))
        return true;
    if (copy && row->storage == OPTION_STRING) {
        option_clear(row, options);
        *(const char **)field_of(row, options) = copy;
        return true;
    }
    free(copy);
    return false;
}

bool option_copy(const struct option_row *row, struct options *to, const struct options *from)
{
    const char *const *all;
    size_t many;

    if (row->storage == OPTION_PLAIN) {
        memcpy(field_of(row, to), field(row, from), row->size);
        return true;
    }
    option_clear(row, to);
    all = strings(row, from, &many);
    for (size_t i = 0; i < many; i++)
        if (!option_put_string(row, to, all[i]))
            return false;
    return true;
}
