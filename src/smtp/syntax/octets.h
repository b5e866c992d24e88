/* SPDX-License-Identifier: BSD-2-Clause */
/* What an octet of a command line may be part of, and words without their case. Internal to smtp. */
#ifndef SMTP_OCTETS_H
#define SMTP_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bits: those of a line say which closer looks it needs, and most lines need none. */
enum octet_kind {
    KIND_NUL = 1 << 0,
    KIND_CONTROL = 1 << 1, /* no text: below SP, without HT, CR and LF */
    KIND_EIGHT_BIT = 1 << 2,
    KIND_QUOTING = 1 << 3, /* a quoted local part */
    KIND_SHELL = 1 << 4,   /* an exploit */
    KIND_SPACE = 1 << 5,
    KIND_ALPHA = 1 << 6,
    KIND_WORD = 1 << 7,   /* letters, digits, hyphen: a keyword */
    KIND_NAME = 1 << 8,   /* a host name. Not RFC: the underscore is common and harmless */
    KIND_DOTTED = 1 << 9, /* an IPv4 address */
    KIND_DOT = 1 << 10,
    KIND_COLON = 1 << 11,
    KIND_ATEXT = 1 << 12, /* an atom: RFC 5322 3.2.3, and what is beyond ASCII (RFC 6531 3.3) */
    KIND_BASE64 = 1 << 13,
    KIND_BASE64_LOW = 1 << 14, /* a digit of base64 below 8: an octet of 0 or 1 has one, wherever it stands */
    KIND_RETURN = 1 << 15,     /* CR */
};
extern const uint16_t octet_kinds[256];

static inline unsigned kind_of(char c)
{
    return octet_kinds[(unsigned char)c];
}

static inline bool is_space(char c)
{
    return kind_of(c) & KIND_SPACE;
}

static inline bool is_alpha(char c)
{
    return kind_of(c) & KIND_ALPHA;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The kinds of all octets together. */
static inline unsigned kinds_of(const char *at, size_t len)
{
    unsigned all = 0;

    for (; len >= 4; at += 4, len -= 4)
        all |= kind_of(at[0]) | kind_of(at[1]) | kind_of(at[2]) | kind_of(at[3]);
    for (; len; at++, len--)
        all |= kind_of(*at);
    return all;
}

/* Is it the letter, whatever its case? `letter` is one, in upper case. */
static inline bool same_letter(char c, char letter)
{
    return (c & ~0x20) == letter;
}

/* `prefix` is in upper case. */
static inline bool starts_with(const char *at, size_t len, const char *prefix)
{
    size_t prefix_len = strlen(prefix);

    if (len < prefix_len)
        return false;
    if (!memcmp(at, prefix, prefix_len))
        return true;
    for (size_t i = 0; i < prefix_len; i++)
        if (at[i] != prefix[i] && !(is_alpha(at[i]) && (at[i] ^ 0x20) == prefix[i]))
            return false;
    return true;
}

/* The same, and nothing more. */
static inline bool word_is(const char *at, size_t len, const char *word)
{
    return strlen(word) == len && starts_with(at, len, word);
}

#endif
