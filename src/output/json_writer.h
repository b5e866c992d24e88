/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON (RFC 8259) written straight into a line. A tree of objects, as libraries build it, costs an allocation a member, and findings
 * come by the hundred thousand. Commas place themselves.
 */
#ifndef OUTPUT_JSON_WRITER_H
#define OUTPUT_JSON_WRITER_H

#include "base/writer.h"
#include "smtpscope/types.h"

/* '{' or '[', as the next element, or as the value of the key that was put last. */
void put_open(struct writer *writer, char bracket);
void put_close(struct writer *writer, char bracket);
/* A member's name, of our own; its value is put next. */
void put_label(struct writer *writer, const char *key, size_t len);

void put_null(struct writer *writer);
void put_bool(struct writer *writer, bool value);
void put_number(struct writer *writer, uint64_t number);
/* A name of ours, in which nothing is to be escaped; NULL is null. */
void put_name(struct writer *writer, const char *name);
/* Any octets, escaped. */
void put_text(struct writer *writer, const char *at, size_t len);
/* A text of ours or of a library; NULL is null. */
void put_string(struct writer *writer, const char *string);
/* JSON that was written before. */
void put_raw(struct writer *writer, const char *at, size_t len);

/* Keys are constants, so that their lengths are known where they stand. */
static inline void put_key(struct writer *writer, const char *key)
{
    put_label(writer, key, strlen(key));
}

/* Key and value. */
static inline void put_member_number(struct writer *writer, const char *key, uint64_t number)
{
    put_key(writer, key);
    writer_unsigned(writer, number);
}

static inline void put_member_bool(struct writer *writer, const char *key, bool value)
{
    put_key(writer, key);
    put_bool(writer, value);
}

static inline void put_member_name(struct writer *writer, const char *key, const char *name)
{
    put_key(writer, key);
    put_name(writer, name);
}

static inline void put_member_string(struct writer *writer, const char *key, const char *string)
{
    put_key(writer, key);
    put_string(writer, string);
}

/* Empty is null. */
static inline void put_member_nonempty(struct writer *writer, const char *key, const char *string)
{
    put_member_string(writer, key, string && *string ? string : NULL);
}

static inline void put_member_text(struct writer *writer, const char *key, struct smtpscope_text text)
{
    put_key(writer, key);
    put_text(writer, text.at, text.len);
}

/* 0 is null. */
static inline void put_member_nonzero(struct writer *writer, const char *key, uint64_t number)
{
    put_key(writer, key);
    if (number)
        writer_unsigned(writer, number);
    else
        put_null(writer);
}

#endif
