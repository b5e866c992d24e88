/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text -> words. The text is cut into pieces at spaces and brackets; what a piece is (an address, a URL, a host, words) decides
 * how it is read. Nothing is decoded: letters with accents lose them, Cyrillic letters become small, other signs stay octets.
 *
 * Text that is no UTF-8 is old: ISO 8859-1 where an octet stands alone between ASCII letters, else GBK, Shift-JIS or KOI8-R,
 * which nothing tells apart. Their octets are kept, and the tables have their words in those encodings too.
 */
#include "words.h"

#include <limits.h>
#include <string.h>

/* A URL has no more labels than this that say anything. */
#define LABELS_MAX 24

struct text_reader {
    struct words *words;
    const char *at, *end;
    bool utf8, full;
    enum { BETWEEN, IN_LETTERS, IN_SIGNS } state;
};

/* --- letters */

/* What a letter or digit of ASCII is in lower case; 0 for what separates words. */
#define LETTERS(upper, lower) [upper] = lower, [lower] = lower
#define DIGIT(digit) [digit] = digit
static const char letters[UCHAR_MAX + 1] = {
    LETTERS('A', 'a'), LETTERS('B', 'b'), LETTERS('C', 'c'), LETTERS('D', 'd'), LETTERS('E', 'e'), LETTERS('F', 'f'),
    LETTERS('G', 'g'), LETTERS('H', 'h'), LETTERS('I', 'i'), LETTERS('J', 'j'), LETTERS('K', 'k'), LETTERS('L', 'l'),
    LETTERS('M', 'm'), LETTERS('N', 'n'), LETTERS('O', 'o'), LETTERS('P', 'p'), LETTERS('Q', 'q'), LETTERS('R', 'r'),
    LETTERS('S', 's'), LETTERS('T', 't'), LETTERS('U', 'u'), LETTERS('V', 'v'), LETTERS('W', 'w'), LETTERS('X', 'x'),
    LETTERS('Y', 'y'), LETTERS('Z', 'z'), DIGIT('0'),        DIGIT('1'),        DIGIT('2'),        DIGIT('3'),
    DIGIT('4'),        DIGIT('5'),        DIGIT('6'),        DIGIT('7'),        DIGIT('8'),        DIGIT('9'),
};

static char letter_of(char octet)
{
    return letters[(unsigned char)octet];
}

static bool is_digit(char octet)
{
    return octet >= '0' && octet <= '9';
}

/* U+00C0 to U+017F without their accents; a space is no letter. */
#define FOLD_FIRST 0xc0u
static const char folded[] = "aaaaaaaceeeeiiiidnooooo ouuuuytsaaaaaaaceeeeiiiidnooooo ouuuuyty"
                             "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkkllllllll"
                             "llnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
_Static_assert(sizeof folded - 1 == 0x180 - FOLD_FIRST, "a letter for each");

static unsigned octet_at(const struct text_reader *reader, size_t ahead)
{
    return ahead < (size_t)(reader->end - reader->at) ? (unsigned char)reader->at[ahead] : 0;
}

static bool is_continuation(unsigned octet)
{
    return (octet & 0xc0) == 0x80;
}

/* Octets of the sequence that this one begins; 0: it begins none. */
static size_t sequence_len(unsigned octet)
{
    return octet < 0x80 ? 1 : octet < 0xc2 ? 0 : octet < 0xe0 ? 2 : octet < 0xf0 ? 3 : octet < 0xf5 ? 4 : 0;
}

static bool is_ascii(const char *at, size_t len)
{
    unsigned char octets = 0;

    for (size_t i = 0; i < len; i++)
        octets |= (unsigned char)at[i];
    return octets < 0x80;
}

/* A sequence that the end cuts off is none that is wrong. */
static bool is_utf8(const char *at, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t sequence = sequence_len((unsigned char)at[i]);

        if (!sequence)
            return false;
        for (size_t octet = 1; octet < sequence && i + octet < len; octet++)
            if (!is_continuation((unsigned char)at[i + octet]))
                return false;
        i += sequence;
    }
    return true;
}

static void separate(struct text_reader *reader)
{
    reader->state = BETWEEN;
}

/* A word begins here; false when no more fits. */
static bool word_begin(struct text_reader *reader)
{
    struct words *words = reader->words;

    if (words->len + 2 * PREFIX_MAX > TEXT_MAX_READ || words->count == WORDS_MAX) {
        reader->full = true;
        return false;
    }
    if (reader->state == BETWEEN && words->len)
        words->text[words->len++] = ' ';
    words->starts[words->count++] = (uint16_t)words->len;
    return true;
}

/* Letters of one word; a sign is a word of its own. */
static void put(struct text_reader *reader, const char *octets, size_t len, bool sign)
{
    struct words *words = reader->words;

    if ((sign || reader->state != IN_LETTERS) && !word_begin(reader))
        return;
    if (words->len + len + PREFIX_MAX > TEXT_MAX_READ) {
        reader->full = true;
        return;
    }
    memcpy(words->text + words->len, octets, len);
    words->len += len;
    reader->state = sign ? IN_SIGNS : IN_LETTERS;
}

static void put_letter(struct text_reader *reader, char letter)
{
    if (letter != '\0' && letter != ' ')
        put(reader, &letter, 1, false);
    else
        separate(reader);
}

/* Capital Cyrillic letters, U+0410 to U+042F, and both of U+0401. */
static void put_cyrillic(struct text_reader *reader, unsigned lead, unsigned next)
{
    bool capital = lead == 0xd0 && next >= 0x90 && next < 0xb0,
         io = (lead == 0xd0 && next == 0x81) || (lead == 0xd1 && next == 0x91);
    unsigned letter = io ? 0x435 : ((lead & 0x1f) << 6 | (next & 0x3f)) + (capital ? 0x20 : 0);
    const char octets[] = {(char)(0xc0 | letter >> 6), (char)(0x80 | (letter & 0x3f))};

    put(reader, octets, sizeof octets, false);
}

/* A sequence of UTF-8 that is more than one octet. Returns its length. */
static size_t read_sequence(struct text_reader *reader)
{
    unsigned lead = octet_at(reader, 0), next = octet_at(reader, 1);
    size_t len = sequence_len(lead), left = (size_t)(reader->end - reader->at);

    if (len > left)
        return left;
    if (lead >= 0xc3 && lead <= 0xc5)
        put_letter(reader, folded[((lead & 0x1f) << 6 | (next & 0x3f)) - FOLD_FIRST]);
    else if (lead == 0xd0 || lead == 0xd1)
        put_cyrillic(reader, lead, next);
    else if (lead == 0xcc || lead == 0xcd)
        return len; /* an accent behind its letter */
    else if (lead == 0xc2 || lead == 0xe2 || (lead == 0xe3 && next == 0x80) || (lead == 0xef && next == 0xbc))
        separate(reader); /* signs between words */
    else
        put(reader, reader->at, len, lead >= 0xe3);
    return len;
}

/* A sign of one or two octets; the second may look like a bracket. */
static size_t old_sign_len(const struct text_reader *reader)
{
    unsigned next = octet_at(reader, 1);

    return next >= 0x40 && next < 0x7f && letter_of((char)next) == '\0' ? 2 : 1;
}

static size_t read_old_sign(struct text_reader *reader)
{
    unsigned octet = octet_at(reader, 0);
    unsigned next = octet_at(reader, 1);
    bool among_letters = next < 0x80 && (reader->state == IN_LETTERS || letter_of((char)next) != '\0');

    if (octet >= FOLD_FIRST && among_letters && reader->state != IN_SIGNS) {
        put_letter(reader, folded[octet - FOLD_FIRST]);
        return 1;
    }
    put(reader, reader->at, old_sign_len(reader), true);
    return old_sign_len(reader);
}

/* The ASCII letters from here on: what most texts are made of. */
static void read_ascii(struct text_reader *reader, const char *end)
{
    struct words *words = reader->words;
    const char *at = reader->at, *last;
    char *to;

    if (reader->state != IN_LETTERS && !word_begin(reader))
        return;
    to = words->text + words->len;
    last = words->text + TEXT_MAX_READ - PREFIX_MAX;
    for (; at < end && to < last && letter_of(*at) != '\0'; at++)
        *to++ = letter_of(*at);
    reader->full = to == last;
    words->len = (size_t)(to - words->text);
    reader->at = at;
    reader->state = IN_LETTERS;
}

static size_t read_character(struct text_reader *reader)
{
    unsigned octet = octet_at(reader, 0);

    if (octet >= 0x80)
        return reader->utf8 ? read_sequence(reader) : read_old_sign(reader);
    put_letter(reader, letter_of((char)octet));
    return 1;
}

/* --- pieces */

/* What octets tell of the piece they are in. */
enum trait { ENDS = 1, HAS_AT = 2, HAS_DOT = 4, HAS_COLON = 8 };
static const unsigned char traits[UCHAR_MAX + 1] = {
    ['\0'] = ENDS, [' '] = ENDS, ['\t'] = ENDS,  ['\r'] = ENDS,   ['\n'] = ENDS,     ['<'] = ENDS, ['>'] = ENDS,
    ['('] = ENDS,  [')'] = ENDS, ['['] = ENDS,   [']'] = ENDS,    ['{'] = ENDS,      ['}'] = ENDS, ['"'] = ENDS,
    [','] = ENDS,  [';'] = ENDS, ['@'] = HAS_AT, ['.'] = HAS_DOT, [':'] = HAS_COLON,
};

static unsigned trait_of(char octet)
{
    return traits[(unsigned char)octet];
}

struct piece {
    const char *end;
    unsigned traits; /* bits */
};

static struct piece piece_at(const struct text_reader *from)
{
    struct text_reader reader = *from;
    struct piece piece = {.traits = 0};

    while (reader.at < reader.end && !(trait_of(*reader.at) & ENDS)) {
        piece.traits |= trait_of(*reader.at);
        reader.at += (unsigned char)*reader.at < 0x80 || reader.utf8 ? 1 : old_sign_len(&reader);
    }
    piece.end = reader.at < reader.end ? reader.at : reader.end;
    return piece;
}

/* "192.0.2.1", and whatever stands behind it but a letter or a fifth number. */
static bool is_ipv4(const char *at, const char *end)
{
    for (int number = 0; number < 4; number++) {
        const char *digits = at;

        while (at < end && is_digit(*at))
            at++;
        if (at == digits || at - digits > 3)
            return false;
        if (number < 3 && (at == end || *at++ != '.'))
            return false;
    }
    return at == end || (letter_of(*at) == '\0' && (*at != '.' || at + 1 == end));
}

/* "IPv6:2001:db8::1" and "2001:db8::1". */
static bool is_ipv6(const char *at, const char *end)
{
    size_t colons = 0;

    if (end - at > 5 && (*at == 'I' || *at == 'i') && at[4] == ':')
        at += 5;
    while (at < end && (is_digit(*at) || *at == ':' || *at == '.' || (letter_of(*at) >= 'a' && letter_of(*at) <= 'f')))
        colons += *at++ == ':';
    return at == end && colons >= 2;
}

static bool is_ip(const char *at, const char *end)
{
    return is_ipv4(at, end) || is_ipv6(at, end);
}

/* 5.7.1, 8.17: no word. */
static bool is_number(const char *at, const char *end)
{
    bool dot = false;

    for (; at < end && (is_digit(*at) || *at == '.' || *at == '#'); at++)
        dot |= *at == '.';
    return at == end && dot;
}

static bool is_url(const char *at, const char *end)
{
    return end - at > 8 && (!strncmp(at, "http://", 7) || !strncmp(at, "https://", 8));
}

/* A dot with a small letter behind it, and at least one more: "mx.example". In "done.Try" a sentence ends. */
static bool is_host(const char *at, const char *end)
{
    for (const char *dot = at + 1; dot + 2 < end; dot++)
        if (*dot == '.' && letter_of(dot[-1]) != '\0' && dot[1] >= 'a' && dot[1] <= 'z' && letter_of(dot[2]) != '\0')
            return true;
    return false;
}

static void put_ip(struct text_reader *reader)
{
    separate(reader);
    put(reader, "ip", 2, false);
    separate(reader);
}

/* Each label of a host or URL that is more than a number. */
static void put_labels(struct text_reader *reader, const char *at, const char *end)
{
    for (size_t labels = 0; at < end && labels < LABELS_MAX && !reader->full; labels++) {
        const char *label;
        bool has_letters = false;

        while (at < end && letter_of(*at) == '\0')
            at++;
        for (label = at; at < end && letter_of(*at) != '\0'; at++)
            has_letters |= !is_digit(*at);
        separate(reader);
        if (has_letters)
            put(reader, "/", 1, false);
        reader->at = label;
        if (has_letters && !reader->full)
            read_ascii(reader, at);
    }
    separate(reader);
}

static void read_letters(struct text_reader *reader, const char *end)
{
    while (reader->at < end && !reader->full)
        if (letter_of(*reader->at) != '\0')
            read_ascii(reader, end);
        else
            reader->at += read_character(reader);
}

/* Where the address in the piece begins; NULL: there is none. */
static const char *address_in(const char *at, const char *end)
{
    const char *sign = at < end ? memchr(at + 1, '@', (size_t)(end - at - 1)) : NULL;

    if (sign == NULL || sign + 1 == end || letter_of(sign[1]) == '\0')
        return NULL;
    while (sign > at && strchr(":='`/", sign[-1]) == NULL && !(sign[-1] == '.' && *sign == '.'))
        sign--;
    return sign;
}

/* A piece that is more than letters. False: it is not. */
static bool read_name(struct text_reader *reader, const struct piece *piece)
{
    const char *at = reader->at, *end = piece->end;
    const char *address = piece->traits & HAS_AT ? address_in(at, end) : NULL;

    if (address != NULL)
        read_letters(reader, address);
    else if (is_ip(at, end))
        put_ip(reader);
    else if (is_url(at, end))
        put_labels(reader, at + 7, end);
    else if (is_host(at, end))
        put_labels(reader, at, end);
    else if (!is_number(at, end))
        return false;
    return true;
}

/* Most pieces are a word. False: this is not, and nothing was read. */
static bool read_word(struct text_reader *reader)
{
    const char *at = reader->at;
    size_t len = reader->words->len, count = reader->words->count;

    if (letter_of(*at) == '\0')
        return false;
    read_ascii(reader, reader->end);
    if (reader->at == reader->end || trait_of(*reader->at) & ENDS || reader->full)
        return true;
    reader->words->len = len;
    reader->words->count = count;
    reader->at = at;
    separate(reader);
    return false;
}

static void read_piece(struct text_reader *reader)
{
    struct piece piece = piece_at(reader);

    if (!(piece.traits & (HAS_AT | HAS_DOT | HAS_COLON)) || !read_name(reader, &piece))
        read_letters(reader, piece.end);
    reader->at = piece.end;
}

/* --- what is quoted in brackets */

/* Does the bracket's first piece name a host, an address, a setting? Words in brackets are the server's: "[SPF]". */
static bool is_name(const char *at, const char *end)
{
    for (; at < end && *at != ' '; at++)
        if (strchr(".@=#", *at) != NULL || (*at == ':' && at + 1 < end && at[1] != ' '))
            return true;
    return false;
}

/* "<LF>" and "<CR>" are words of the server. */
static const char *quote_end(const struct text_reader *reader)
{
    bool angle = *reader->at == '<';
    const char *close = NULL;

    if (angle || *reader->at == '[')
        close = memchr(reader->at, angle ? '>' : ']', (size_t)(reader->end - reader->at));
    if (close == NULL || close - reader->at <= 3 || (!angle && !is_name(reader->at + 1, close)) ||
        (angle && memchr(reader->at, ' ', (size_t)(close - reader->at)) != NULL) ||
        !strncmp(reader->at + 1, "http", 4)) /* there are five octets at least */
        return NULL;
    return close;
}

void words_read(struct words *words, const struct smtpscope_text *text)
{
    struct text_reader reader = {.words = words,
                                 .at = text->at,
                                 .end = text->at + text->len,
                                 .utf8 = is_ascii(text->at, text->len) || is_utf8(text->at, text->len)};

    words->count = words->len = 0;
    while (reader.at < reader.end && !reader.full) {
        const char *end = quote_end(&reader);

        if (end != NULL) { /* "User <joe> unknown" is "user unknown" */
            if (is_ip(reader.at + 1, end))
                put_ip(&reader);
            reader.at = end + 1;
        } else if (trait_of(*reader.at) & ENDS) {
            reader.at++;
        } else if (!read_word(&reader)) {
            read_piece(&reader);
        }
        separate(&reader);
    }
    memset(words->text + words->len, 0, PREFIX_MAX);
    words->text[words->len] = ' '; /* the last word ends there, as any does */
}
