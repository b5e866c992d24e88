/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/writer.h"

#include "base/digits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most findings fit: growing is for the first line, not for each. */
#define WRITER_FIRST_SIZE 4096
/* of 2^64 - 1 */
#define DIGITS_MAX 20

void writer_fini(struct writer *writer)
{
    free(writer->at);
    *writer = (struct writer){0};
}

void writer_clear(struct writer *writer)
{
    writer->len = 0;
}

bool writer_reserve(struct writer *writer, size_t len)
{
    size_t size = writer->size ? writer->size : WRITER_FIRST_SIZE;
    char *at;

    if (writer->failed)
        return false;
    if (len <= writer->size - writer->len)
        return true;
    while (size - writer->len < len && size <= SIZE_MAX / 2)
        size *= 2;
    at = size - writer->len < len ? NULL : realloc(writer->at, size);
    writer->failed = !at;
    if (!at)
        return false;
    writer->at = at;
    writer->size = size;
    return true;
}

void writer_digits(struct writer *writer, uint64_t number, unsigned digits)
{
    unsigned count = digits_count(number);

    if (count < digits)
        count = digits < DIGITS_MAX ? digits : DIGITS_MAX;
    if (writer_fits(writer, count))
        writer->len = (size_t)(digits_put(writer->at + writer->len, number, count) - writer->at);
}

void writer_unsigned(struct writer *writer, uint64_t number)
{
    writer_digits(writer, number, 1);
}

void writer_format(struct writer *writer, const char *format, ...)
{
    va_list arguments;
    int len;

    va_start(arguments, format);
    len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (len < 0 || !writer_fits(writer, (size_t)len + 1))
        return;
    va_start(arguments, format);
    vsnprintf(writer->at + writer->len, (size_t)len + 1, format, arguments);
    va_end(arguments);
    writer->len += (size_t)len;
}

static bool utf8_continues(const uint8_t *at, size_t count)
{
    for (size_t i = 1; i <= count; i++)
        if ((at[i] & 0xc0) != 0x80)
            return false;
    return true;
}

size_t utf8_length(const uint8_t *at, size_t len)
{
    uint8_t lead = at[0];

    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return len >= 2 && utf8_continues(at, 1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (len < 3 || !utf8_continues(at, 2) || (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xed && at[1] > 0x9f))
            return 0;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (len < 4 || !utf8_continues(at, 3) || (lead == 0xf0 && at[1] < 0x90) || (lead == 0xf4 && at[1] > 0x8f))
            return 0;
        return 4;
    }
    return 0;
}

size_t utf8_columns(const char *text, size_t len)
{
    size_t columns = 0;

    for (size_t i = 0; i < len; i++)
        columns += ((uint8_t)text[i] & 0xc0) != 0x80;
    return columns;
}

static uint32_t utf8_value(const uint8_t *at, size_t len)
{
    static const uint8_t mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t value = at[0] & mask[len];

    for (size_t i = 1; i < len; i++)
        value = value << 6 | (at[i] & 0x3f);
    return value;
}

/* C0, DEL, C1, line and paragraph separators, and the marks that reorder or hide what stands beside them (CVE-2021-42574). */
static bool acts_on_terminal(uint32_t value)
{
    return value < 0x20 || (value >= 0x7f && value < 0xa0) || value == 0xad || value == 0x61c ||
           (value >= 0x200b && value <= 0x200f) || (value >= 0x2028 && value <= 0x202e) ||
           (value >= 0x2060 && value <= 0x206f) || value == 0xfeff || (value >= 0xfff9 && value <= 0xfffb) ||
           (value >= 0xe0000 && value <= 0xe007f);
}

static void writer_hex(struct writer *writer, const char *prefix, uint32_t value, unsigned digits)
{
    static const char hex[] = "0123456789abcdef";

    writer_string(writer, prefix);
    while (digits--)
        writer_char(writer, hex[value >> 4 * digits & 0xf]);
}

static void writer_json_character(struct writer *writer, uint32_t value)
{
    if (value == '"' || value == '\\') {
        writer_char(writer, '\\');
        writer_char(writer, (char)value);
    } else if (value > 0xffff) {
        writer_hex(writer, "\\u", 0xd7c0 + (value >> 10), 4);
        writer_hex(writer, "\\u", 0xdc00 + (value & 0x3ff), 4);
    } else {
        writer_hex(writer, "\\u", value, 4);
    }
}

/* The character or octet at `at`, which is not plain; returns how many octets it took. */
static size_t writer_special(struct writer *writer, const uint8_t *at, size_t len, enum escape escape)
{
    size_t length = utf8_length(at, len);
    uint32_t value;

    if (!length) {
        writer_hex(writer, escape == ESCAPE_JSON ? "\\\\x" : "\\x", at[0], 2);
        return 1;
    }
    value = utf8_value(at, length);
    if (!acts_on_terminal(value) && (escape == ESCAPE_TERMINAL || (value != '"' && value != '\\')))
        writer_octets(writer, (const char *)at, length);
    else if (escape == ESCAPE_JSON)
        writer_json_character(writer, value);
    else
        for (size_t i = 0; i < length; i++)
            writer_hex(writer, "\\x", at[i], 2);
    return length;
}

/* Whether one of eight octets is a control, a quotation mark, a backslash, DEL or no ASCII. It errs to true alone. */
static inline bool any_special(uint64_t octets)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);

    return ((octets - ones * 0x20) | ((octets ^ ones * '"') - ones) | ((octets ^ ones * '\\') - ones) | (octets + ones) |
            octets) &
           ones * 0x80;
}

static bool is_plain(uint8_t octet)
{
    return octet >= 0x20 && octet < 0x7f && octet != '"' && octet != '\\';
}

/* How many of the octets need no escape. Eight at a time: replies and texts of advice are lines of plain ASCII. */
static size_t plain_length(const uint8_t *at, size_t len)
{
    uint64_t octets;
    size_t i = 0;

    for (; len - i >= sizeof octets; i += sizeof octets) {
        memcpy(&octets, at + i, sizeof octets);
        if (any_special(octets))
            break;
    }
    while (i < len && is_plain(at[i]))
        i++;
    return i;
}

void writer_escaped(struct writer *writer, const char *at, size_t len, enum escape escape)
{
    const uint8_t *octet = (const uint8_t *)at;
    size_t plain, i = 0;

    while (i < len) {
        plain = plain_length(octet + i, len - i);
        writer_octets(writer, at + i, plain);
        i += plain;
        if (i < len)
            i += writer_special(writer, octet + i, len - i, escape);
    }
}
