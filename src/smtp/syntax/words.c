/* SPDX-License-Identifier: BSD-2-Clause */
#include "words.h"

#include "base64.h"
#include "octets.h"
#include "offer.h"

#include <string.h>

/* In place, and with its length: of each word that is met, nearly all rows are dismissed by a look at that and the first letter. */
struct word_row {
    uint8_t len;
    bool part;
    char word[30];
};
#define YES true
#define NO false
static const struct word_row credentials[] = {
#define CREDENTIAL(word, part) {sizeof word - 1, part, word},
#define FOREIGN(word)
#include "words.def"
};
static const struct word_row foreign[] = {
#define CREDENTIAL(word, part)
#define FOREIGN(word) {sizeof word - 1, false, word},
#include "words.def"
};
#undef YES
#undef NO

/* A bit for each letter, whatever its case, that the word has; other octets may set some as well. */
static uint32_t letters_of(const char *at, size_t len)
{
    uint32_t letters = 0;

    for (size_t i = 0; i < len; i++)
        letters |= 1u << (at[i] & 31);
    return letters;
}

static bool row_fits(const struct word_row *row, const char *at, size_t len, uint32_t letters)
{
    if (!row->part)
        return len == row->len && same_letter(*at, row->word[0]) && starts_with(at, len, row->word);
    if (!(letters >> (row->word[0] & 31) & 1))
        return false;
    for (; len >= row->len; at++, len--)
        if (same_letter(*at, row->word[0]) && starts_with(at, len, row->word))
            return true;
    return false;
}

size_t word_len(const char *at, size_t len)
{
    size_t word = 0;

    while (word < len && (kind_of(at[word]) & KIND_WORD || at[word] == '_'))
        word++;
    return word;
}

bool word_is_credential(const char *at, size_t len)
{
    uint32_t letters = letters_of(at, len);

    for (size_t i = 0; i < sizeof credentials / sizeof *credentials; i++)
        if (row_fits(&credentials[i], at, len, letters))
            return true;
    return mechanism_find(at, len) != SMTPSCOPE_MECHANISM_NONE;
}

const char *credential_find(const char *at, size_t len)
{
    for (const char *end = at + len; at < end;) {
        size_t word = word_len(at, (size_t)(end - at));

        if (word && word_is_credential(at, word))
            return at + word;
        at += word + 1;
    }
    return NULL;
}

/* XYZZY, xyzzy or Xyzzy: a password or what is base64 seldom is. */
static bool is_one_case(const char *at, size_t len)
{
    size_t large = 0, small = 0;

    for (size_t i = 0; i < len; i++) {
        large += at[i] >= 'A' && at[i] <= 'Z';
        small += at[i] >= 'a' && at[i] <= 'z';
        if (!is_alpha(at[i]) && at[i] != '-')
            return false;
    }
    return len && is_alpha(at[0]) && (!large || !small || (large == 1 && at[0] >= 'A' && at[0] <= 'Z'));
}

bool word_may_be_shown(const char *at, size_t len)
{
    if (len < SECRET_MIN)
        return is_one_case(at, len);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (row_fits(&foreign[i], at, len, 0))
            return true;
    return false;
}

bool is_separator(char c)
{
    return kind_of(c) & (KIND_CONTROL | KIND_SPACE) || strchr("\r\n\"'`<>(){}[],;:=", c);
}

/* A host's name or an address, in brackets or not: letters, digits and a dot. */
static bool is_name(const char *at, size_t len)
{
    size_t dots = 0, ats = 0;

    for (size_t i = 0; i < len; i++) {
        dots += at[i] == '.';
        ats += at[i] == '@';
        if (!(kind_of(at[i]) & KIND_NAME) && !strchr("@<>[]", at[i]) && !(kind_of(at[i]) & KIND_ATEXT && !ats))
            return false;
    }
    return dots && (ats == 1 || !memchr(at, '&', len));
}

bool word_looks_secret(const char *at, size_t len)
{
    bool large = false, small = false, digit = false, sign = false;

    if (len < SECRET_MIN)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (at[i] >= 'a' && at[i] <= 'z')
            small = true;
        else if (at[i] >= 'A' && at[i] <= 'Z')
            large = true;
        else if (is_digit(at[i]))
            digit = true;
        else
            sign = sign || !strchr("-_.,:<>[]()'\"/", at[i]);
    }
    return (large + small + digit + sign > 2 || (digit && (large || small) && !memchr(at, '/', len)) ||
            (large && small && !is_one_case(at, len) && !memchr(at, '-', len))) &&
           !is_name(at, len);
}

/* "\0user\0password", or with the name of another user in front; "\1auth=". All else in it is text. */
static bool is_sasl(const char *at, size_t len)
{
    size_t nuls = 0;
    bool token = false;

    for (size_t i = 0; i < len; i++) {
        nuls += !at[i];
        token |= at[i] == '\1' && starts_with(at + i, len - i, "\1AUTH=");
        if (at[i] && at[i] != '\1' && (unsigned char)at[i] < ' ')
            return false;
    }
    return nuls == 2 || token;
}

/* The shortest has six octets; of a long one the beginning tells. */
#define SASL_LEAST 8
#define SASL_MOST 128

/* So long a run has one of every so many octets: only those are looked at, and what is around them if they may be of one. */
const char *sasl_find(const char *at, size_t len)
{
    char decoded[BASE64_DECODED(SASL_MOST)];
    const char *end = at + len;

    while (end - at >= SASL_LEAST) {
        const char *begin = at + SASL_LEAST, *behind = begin;
        unsigned kinds = 0, kind;
        size_t run;

        while (begin > at && kind_of(begin[-1]) & KIND_BASE64)
            kinds |= kind_of(*--begin);
        if (begin > at) { /* what is in between cannot be the beginning of a run that is long enough */
            at = begin;
            continue;
        }
        for (; behind < end && (kind = kind_of(*behind)) & KIND_BASE64; behind++)
            kinds |= kind;
        run = (size_t)(behind - begin);
        if (kinds & KIND_BASE64_LOW && is_sasl(decoded, base64_decode(begin, run < SASL_MOST ? run : SASL_MOST, decoded)))
            return begin;
        at = behind;
    }
    return NULL;
}

/* `*named`: there is "=", or a colon and no space, between a name and its value. */
static const char *separators_skip(const char *at, const char *end, bool *named)
{
    const char *begin = at;

    for (*named = false; at < end && (is_space(*at) || kind_of(*at) & KIND_COLON || strchr("\"'=", *at)); at++)
        *named |= *at == '=';
    *named |= at == begin + 1 && *begin == ':';
    return at;
}

static bool ends_value(char c)
{
    return is_space(c) || c == '"' || c == '\'' || c == '<' || c == '>' || !c;
}

const char *credential_value_find(const char *at, size_t len)
{
    for (const char *end = at + len; at < end;) {
        size_t word = word_len(at, (size_t)(end - at)), value = 0;
        const char *behind = at + word;
        bool named;

        if (word) { /* most words have no such value behind them, and that is seen sooner than what they are */
            behind = separators_skip(behind, end, &named);
            while (behind + value < end && !ends_value(behind[value]))
                value++;
            if ((named || word_looks_secret(behind, value)) && word_is_credential(at, word))
                return behind;
        }
        at += word + 1;
    }
    return NULL;
}

/* Does a user's name with a password begin here? A port has digits alone, and IPv6's colons stand in brackets. */
static bool is_userinfo(const char *at, const char *end)
{
    bool host = true;
    const char *colon = NULL, *port = NULL;

    for (; at < end && *at != '[' && !is_space(*at) && *at != '\n'; at++) {
        host &= !strchr("/?#\"<>", *at);
        if (colon && (host ? !is_digit(*at) : *at == '@' && port == colon))
            return true;
        if (host && *at == ':')
            colon = at;
        if (host)
            port = at;
    }
    return false;
}

const char *userinfo_find(const char *at, size_t len)
{
    const char *end = at + len, *begin = at;

    for (const char *slash; (slash = memchr(at, '/', (size_t)(end - at))); at = slash + 1)
        if (end - slash > 2 && slash > begin && slash[-1] == ':' && slash[1] == '/' && is_userinfo(slash + 2, end))
            return slash + 2;
    return NULL;
}
