/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing text: lines are put together here and written with one call. */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* All zero is an empty writer. After a failed allocation what is put is dropped and `failed` stays set. */
struct writer {
    char *at; /* `len` octets, not terminated; NULL while nothing was put */
    size_t len, size;
    bool failed;
};

/* How octets that come from the wire are shown. */
enum escape {
    ESCAPE_TERMINAL, /* nothing that moves a cursor, hides or reorders text: such characters are \xNN, octet by octet */
    ESCAPE_JSON,     /* for the inside of a JSON string: characters keep their value; what is not UTF-8 is \\xNN */
};

void writer_fini(struct writer *writer);
void writer_clear(struct writer *writer);

/* As writer_fits(), when room may have to be made. */
bool writer_reserve(struct writer *writer, size_t len);

/* Whether `len` octets may be put at at + len. */
static inline bool writer_fits(struct writer *writer, size_t len)
{
    return (len <= writer->size - writer->len && !writer->failed) || writer_reserve(writer, len);
}

static inline void writer_octets(struct writer *writer, const char *at, size_t len)
{
    if (!len || !writer_fits(writer, len))
        return;
    memcpy(writer->at + writer->len, at, len);
    writer->len += len;
}

static inline void writer_char(struct writer *writer, char c)
{
    if (writer_fits(writer, 1))
        writer->at[writer->len++] = c;
}

/* Room for `len` octets, which count as put and are the caller's to fill; NULL when there is no memory. */
static inline void *writer_room(struct writer *writer, size_t len)
{
    if (!writer_fits(writer, len))
        return NULL;
    writer->len += len;
    return writer->at + writer->len - len;
}

/* A terminated string of our own; NULL puts nothing. */
static inline void writer_string(struct writer *writer, const char *string)
{
    if (string)
        writer_octets(writer, string, strlen(string));
}

void writer_unsigned(struct writer *writer, uint64_t number);
/* `number` with leading zeros, `digits` of them at least. */
void writer_digits(struct writer *writer, uint64_t number, unsigned digits);
/* printf(3); for labels and translated templates, not for bulk. */
__attribute__((format(printf, 2, 3))) void writer_format(struct writer *writer, const char *format, ...);
/* `len` octets from the wire, escaped. */
void writer_escaped(struct writer *writer, const char *at, size_t len, enum escape escape);

/* Octets of the UTF-8 character at `at` (RFC 3629: no overlong forms, no surrogates), 0 when there is none. `len` is not 0. */
size_t utf8_length(const uint8_t *at, size_t len);
/* Columns of a valid text, one a character: right for the scripts of our own languages. */
size_t utf8_columns(const char *text, size_t len);

#endif
