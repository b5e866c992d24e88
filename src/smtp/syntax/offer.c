/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reply to EHLO, read once for everybody: the state, the judge, and whoever asks what a reply can be the answer to.
 *
 *   ehlo-ok-rsp = "250-" Domain [ SP ehlo-greet ] CRLF *( "250-" ehlo-line CRLF ) "250" SP ehlo-line CRLF
 *   ehlo-line   = ehlo-keyword *( SP ehlo-param )                                               RFC 5321 4.1.1.1
 *
 * Keywords and parameters compare without case (RFC 5321 2.4). A line without a keyword of the table is passed over.
 */
#include "offer.h"

#include "octets.h"
#include "verbs.h"

enum exposes { NO, YES };
static const struct mechanism_row {
    const char *name;
    uint8_t len;
    enum exposes exposes;
} mechanisms[SMTPSCOPE_MECHANISMS] = {
    [SMTPSCOPE_MECHANISM_NONE] = {"", 0, NO},
#define MECHANISM(id, name, exposes) [SMTPSCOPE_MECHANISM_##id] = {name, sizeof name - 1, exposes},
#include "smtpscope/mechanisms.def"
};
_Static_assert(SMTPSCOPE_MECHANISMS <= 32, "a bit each in struct smtpscope_offer");

enum smtpscope_mechanism mechanism_find(const char *name, size_t len)
{
    for (enum smtpscope_mechanism mechanism = SMTPSCOPE_MECHANISM_NONE + 1; mechanism < SMTPSCOPE_MECHANISMS; mechanism++)
        if (len == mechanisms[mechanism].len && starts_with(name, len, mechanisms[mechanism].name))
            return mechanism;
    return SMTPSCOPE_MECHANISM_NONE;
}

bool smtpscope_mechanism_exposes(enum smtpscope_mechanism mechanism)
{
    return mechanisms[mechanism].exposes == YES;
}

/* Not RFC: "AUTH=LOGIN", an old habit. */
static bool is_between(char c)
{
    return c == ' ' || c == '=' || c == '\t' || c == '\r';
}

/* The next word of a line, without what separates it. False at the line's end. */
static bool word_next(const char **at, const char *end, struct smtpscope_text *word)
{
    const char *here = *at;

    while (here < end && is_between(*here))
        here++;
    word->at = here;
    while (here < end && !is_between(*here))
        here++;
    word->len = (size_t)(here - word->at);
    *at = here;
    return word->len > 0;
}

/* The number at the word's beginning, at most `max`. */
static uint64_t number_of(struct smtpscope_text word, uint64_t max)
{
    uint64_t value = 0;

    for (size_t i = 0; i < word.len && is_digit(word.at[i]) && value < max / 16; i++)
        value = value * 10 + (uint64_t)(word.at[i] - '0');
    return value;
}

/* RFC 1870 3. There may be more of a number that is `cut` off by the end: none is known then. */
static void size_read(struct smtpscope_offer *offer, const char *at, const char *end, bool cut)
{
    struct smtpscope_text word;

    offer->size_limit = word_next(&at, end, &word) && !(cut && at == end) ? number_of(word, UINT64_MAX) : 0;
}

static void mechanisms_read(struct smtpscope_offer *offer, const char *at, const char *end)
{
    struct smtpscope_text word;

    while (word_next(&at, end, &word))
        offer->mechanisms |= SMTPSCOPE_MECHANISM_BIT(mechanism_find(word.at, word.len));
    offer->mechanisms &= ~SMTPSCOPE_MECHANISM_BIT(SMTPSCOPE_MECHANISM_NONE);
}

static void limits_read(struct smtpscope_offer *offer, const char *at, const char *end)
{
    struct smtpscope_text name, value;

    while (word_next(&at, end, &name) && word_next(&at, end, &value)) {
        if (word_is(name.at, name.len, "RCPTMAX"))
            offer->limit_rcpt = (uint32_t)number_of(value, UINT32_MAX);
        else if (word_is(name.at, name.len, "MAILMAX"))
            offer->limit_mail = (uint32_t)number_of(value, UINT32_MAX);
    }
}

/* Xs, and perhaps one other letter at the end: what is left of a keyword that a firewall has written over. */
static bool is_masked(struct smtpscope_text word)
{
    size_t count = 0;

    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < 'A' || word.at[i] > 'Z')
            return false;
        count += word.at[i] == 'X';
    }
    return count >= 4 && word.len - count <= 1;
}

/* `cut`: the line ends where the capture does. */
static void line_read(struct smtpscope_offer *offer, const char *at, const char *end, bool cut)
{
    struct smtpscope_text word;
    uint64_t extension;

    while (at < end && is_between(*at))
        at++;
    extension = extension_find(at, (size_t)(end - at));
    offer->extensions |= extension;
    if (!extension && at < end && *at == 'X' && !offer->masked.len && word_next(&at, end, &word) && is_masked(word))
        offer->masked = word;
    if (!(extension & (SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SIZE) | SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_AUTH) |
                       SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_LIMITS))))
        return;
    word_next(&at, end, &word);
    if (extension == SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SIZE))
        size_read(offer, at, end, cut);
    else if (extension == SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_AUTH))
        mechanisms_read(offer, at, end);
    else
        limits_read(offer, at, end);
}

struct smtpscope_offer offer_read(const struct smtpscope_reply *reply)
{
    struct smtpscope_offer offer = {0};
    const char *at = reply->text.at, *end = at + reply->text.len, *line_end;

    if (reply->lines < 2 || !(at = memchr(at, '\n', reply->text.len))) /* the first line is the server's name */
        return offer;
    for (at++; at < end; at = line_end + 1) {
        line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            line_end = end;
        line_read(&offer, at, line_end, line_end == end && reply->oddities & SMTPSCOPE_REPLY_UNFINISHED);
    }
    return offer;
}
