/* SPDX-License-Identifier: BSD-2-Clause */
#include "output/json_writer.h"

#include <string.h>

/* What was put last says whether a comma is due: nothing of ours ends in one of these but an opening or a key. */
static void put_separator(struct writer *writer)
{
    char last = writer->len ? writer->at[writer->len - 1] : '{';

    if (last != '{' && last != '[' && last != ':')
        writer_char(writer, ',');
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

void put_key(struct writer *writer, const char *key)
{
    put_separator(writer);
    writer_char(writer, '"');
    writer_string(writer, key);
    writer_octets(writer, "\":", 2);
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

void put_member_number(struct writer *writer, const char *key, uint64_t number)
{
    put_key(writer, key);
    put_number(writer, number);
}

void put_member_bool(struct writer *writer, const char *key, bool value)
{
    put_key(writer, key);
    put_bool(writer, value);
}

void put_member_string(struct writer *writer, const char *key, const char *string)
{
    put_key(writer, key);
    put_string(writer, string);
}

void put_member_nonempty(struct writer *writer, const char *key, const char *string)
{
    put_member_string(writer, key, string && *string ? string : NULL);
}

void put_member_text(struct writer *writer, const char *key, struct smtpscope_text text)
{
    put_key(writer, key);
    put_text(writer, text.at, text.len);
}

void put_member_nonzero(struct writer *writer, const char *key, uint64_t number)
{
    put_key(writer, key);
    if (number)
        put_number(writer, number);
    else
        put_null(writer);
}
