/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checked reader: the only way in which bytes from outside are touched.
 *
 * A reader is a half-open range [at, end). A field is read at an offset from `at`, and reads as zero past the end, so a
 * forgotten test can give a wrong field but never an octet that is not there. A header is best taken as a part of constant
 * length: the compiler then knows `end - at`, and every check on the part's fields is folded away.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *at, *end;
};

/* A reader over `len` octets at `data`, which may be NULL when `len` is 0. The octets stay the caller's. */
static inline struct reader reader_over(const uint8_t *data, size_t len)
{
    return (struct reader){data, len == 0 ? data : data + len};
}

/* The octets that are left. */
static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Whether [off, off + len) is inside; no sum is made that could wrap. */
static inline bool reader_has(const struct reader *reader, size_t off, size_t len)
{
    size_t left = reader_left(reader);
    return len <= left && off <= left - len;
}

/* Moves past `len` octets. False, and nothing moved, when fewer are left. */
static inline bool reader_skip(struct reader *reader, size_t len)
{
    if (len > reader_left(reader))
        return false;
    reader->at += len;
    return true;
}

/* Forgets what is behind the next `len` octets; no effect when fewer are left. */
static inline void reader_limit(struct reader *reader, size_t len)
{
    if (len < reader_left(reader))
        reader->end = reader->at + len;
}

/* Moves past `len` octets and makes `part` a reader of them. False, and nothing moved, when fewer are left. */
static inline bool reader_part(struct reader *reader, size_t len, struct reader *part)
{
    const uint8_t *start = reader->at;
    if (!reader_skip(reader, len))
        return false;
    *part = (struct reader){start, start + len};
    return true;
}

/* The field at `off`, zero when it is not all there: one octet, or several in the order that the name says. */
static inline uint8_t reader_u8(const struct reader *reader, size_t off)
{
    return reader_has(reader, off, 1) ? reader->at[off] : 0;
}

static inline uint16_t reader_be16(const struct reader *reader, size_t off)
{
    if (!reader_has(reader, off, 2))
        return 0;
    const uint8_t *at = reader->at + off;
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t reader_be32(const struct reader *reader, size_t off)
{
    if (!reader_has(reader, off, 4))
        return 0;
    const uint8_t *at = reader->at + off;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint16_t reader_le16(const struct reader *reader, size_t off)
{
    if (!reader_has(reader, off, 2))
        return 0;
    const uint8_t *at = reader->at + off;
    return (uint16_t)(at[1] << 8 | at[0]);
}

static inline uint32_t reader_le32(const struct reader *reader, size_t off)
{
    if (!reader_has(reader, off, 4))
        return 0;
    const uint8_t *at = reader->at + off;
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

#endif
