/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/json_writer.h"

#include <string.h>

/* What was put last says whether a comma is due: nothing of ours ends in one of these but an opening or a key. */
static bool comma_is_due(const struct writer *writer)
{
    char last = writer->len ? writer->at[writer->len - 1] : '{';

    return last != '{' && last != '[' && last != ':';
}

static void put_separator(struct writer *writer)
{
    if (comma_is_due(writer))
        writer_char(writer, ',');
}

/* A quotation mark and two pieces, behind a comma where one is due. */
static inline void put_between(struct writer *writer, const char *at, size_t len, const char *after, size_t after_len)
{
    char *to;

    if (!writer_fits(writer, 2 + len + after_len))
        return;
    to = writer->at + writer->len;
    if (comma_is_due(writer))
        *to++ = ',';
    *to++ = '"';
    memcpy(to, at, len);
    memcpy(to + len, after, after_len);
    writer->len = (size_t)(to - writer->at) + len + after_len;
}

void put_open(struct writer *writer, char bracket)
{
    put_separator(writer);
    writer_char(writer, bracket);
}

void put_close(struct writer *writer, char bracket)
{
    writer_char(writer, bracket);
}

void put_label(struct writer *writer, const char *key, size_t len)
{
    put_between(writer, key, len, "\":", 2);
}

void put_raw(struct writer *writer, const char *at, size_t len)
{
    put_separator(writer);
    writer_octets(writer, at, len);
}

void put_null(struct writer *writer)
{
    put_raw(writer, "null", 4);
}

void put_bool(struct writer *writer, bool value)
{
    put_raw(writer, value ? "true" : "false", value ? 4 : 5);
}

void put_number(struct writer *writer, uint64_t number)
{
    put_separator(writer);
    writer_unsigned(writer, number);
}

void put_name(struct writer *writer, const char *name)
{
    if (name)
        put_between(writer, name, strlen(name), "\"", 1);
    else
        put_null(writer);
}

void put_text(struct writer *writer, const char *at, size_t len)
{
    put_separator(writer);
    writer_char(writer, '"');
    writer_escaped(writer, at, len, ESCAPE_JSON);
    writer_char(writer, '"');
}

void put_string(struct writer *writer, const char *string)
{
    if (string)
        put_text(writer, string, strlen(string));
    else
        put_null(writer);
}
