/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client sent as a secret must not come back: servers repeat what they do not understand, some of them decoded, some
 * much later. Of each secret a hash of each eight octets in a row is kept, as it was sent, decoded, and as base64 would have
 * it again: so whatever part is repeated is found, and no password stays in memory.
 *
 * Words of less than eight octets are too usual to be looked for everywhere; they are found in replies to their own lines.
 * The road not taken is to keep the texts themselves: less work, and a core file or a fault in the program would tell them.
 */
#include "secret.h"

#include "smtp/state/held_octets.h"
#include "smtp/syntax/base64.h"
#include "smtp/syntax/octets.h"
#include "smtp/syntax/words.h"

#include "base/memory.h"

#define WINDOW SECRET_MIN
/* All windows of so many octets, then every eighth: what is repeated of a long token is longer than that. */
#define WINDOWS_DENSE 64
/* As many as one session needs: thirty logins, or a few tokens of some thousand octets. */
#define WINDOWS_MAX 2048
/* Places for one short word in all its forms. */
#define WINDOWS_FIRST 128
#define RECENT_MAX 16
#define RECENT_MIN 4
/* In one line. */
#define WORDS_MAX 64
/* Octets of a password that may come back as base64. */
#define ENCODED_MAX 96
/* Octets of one that may come back in hexadecimal. */
#define HEX_MAX 32
#define HASH_BASE 0x9e3779b97f4a7c15u

struct recent_word {
    uint32_t hash;
    uint32_t len; /* up to WINDOW octets of it */
};

struct secrets {
    uint32_t *windows; /* open addressing; 0: free */
    uint32_t count, room;
    struct recent_word recent[RECENT_MAX]; /* the oldest makes room */
    uint32_t recent_at;
    char *copy;
};

/* Octets go in and out of it at both ends; case does not count, servers repeat in upper case, too. */
struct rolling {
    uint64_t hash, power; /* of the octet that goes out next */
};

static uint64_t octet_of(char c)
{
    return (unsigned char)c | 0x20u;
}

static struct rolling rolling_of(const char *at, size_t len)
{
    struct rolling rolling = {0, 1};

    for (size_t i = 0; i < len; i++) {
        rolling.hash = rolling.hash * HASH_BASE + octet_of(at[i]);
        rolling.power *= HASH_BASE;
    }
    return rolling;
}

static void rolling_move(struct rolling *rolling, char out, char in)
{
    rolling->hash = rolling->hash * HASH_BASE + octet_of(in) - rolling->power * octet_of(out);
}

static uint32_t rolling_hash(const struct rolling *rolling)
{
    uint32_t hash = (uint32_t)(rolling->hash >> 32);

    return hash ? hash : 1;
}

/* Its place in the table, or the free one where it would be. There is a free one. `mask`: the room, less one. */
static uint32_t *window_place(uint32_t *windows, uint32_t mask, uint32_t hash)
{
    uint32_t at = hash & mask;

    while (windows[at] && windows[at] != hash)
        at = (at + 1) & mask;
    return &windows[at];
}

static bool windows_grow(struct smtpscope_session *session, struct secrets *secrets)
{
    struct secrets grown = *secrets;

    if (secrets->count >= WINDOWS_MAX)
        return false;
    grown.room = secrets->room ? secrets->room * 2 : WINDOWS_FIRST;
    grown.windows = memory_resize(session->config->allocator, NULL, grown.room * sizeof *grown.windows);
    if (!grown.windows)
        return false;
    memset(grown.windows, 0, grown.room * sizeof *grown.windows);
    for (uint32_t i = 0; i < secrets->room; i++)
        if (secrets->windows[i])
            *window_place(grown.windows, grown.room - 1, secrets->windows[i]) = secrets->windows[i];
    memory_free(session->config->allocator, secrets->windows);
    *secrets = grown;
    return true;
}

/* Puts windows in the table, from the one at `*at` on, until no octets are left or the table is three quarters full. */
static void windows_fill(struct secrets *secrets, struct smtpscope_text text, size_t *at, struct rolling *rolling)
{
    uint32_t *const windows = secrets->windows, mask = secrets->room - 1;
    uint32_t left = secrets->room / 4 * 3 - secrets->count;
    size_t i = *at;

    for (; left; i++) {
        if (i < WINDOWS_DENSE || i % WINDOW == 0 || i + WINDOW == text.len) {
            uint32_t hash = rolling_hash(rolling), *place = window_place(windows, mask, hash);

            left -= !*place;
            *place = hash;
        }
        if (i + WINDOW == text.len) {
            i = text.len;
            break;
        }
        rolling_move(rolling, text.at[i], text.at[i + WINDOW]);
    }
    secrets->count = secrets->room / 4 * 3 - left;
    *at = i;
}

/* What is not remembered could come back: then no text is shown. */
static void windows_add(struct smtpscope_session *session, struct secrets *secrets, const char *at, size_t len)
{
    struct rolling rolling;

    if (len < WINDOW)
        return;
    rolling = rolling_of(at, WINDOW);
    for (size_t i = 0; i < len;) {
        if (secrets->count * 4 >= secrets->room * 3 && !windows_grow(session, secrets)) {
            session->secrets_lost = true;
            return;
        }
        windows_fill(secrets, (struct smtpscope_text){at, len}, &i, &rolling);
    }
}

static void recent_add(struct secrets *secrets, const char *at, size_t len)
{
    size_t head = len < WINDOW ? len : WINDOW;
    struct rolling rolling = rolling_of(at, head);

    if (head >= RECENT_MIN)
        secrets->recent[secrets->recent_at++ % RECENT_MAX] = (struct recent_word){rolling_hash(&rolling), (uint32_t)head};
}

/* In hexadecimal, two characters an octet, and in a URL, three for what is no letter nor digit (RFC 3986 2.1). */
static size_t hex_encode(const char *at, size_t len, bool url, char *to)
{
    static const char digits[] = "0123456789abcdef";
    const char *begin = to;

    for (; len; at++, len--) {
        if (url && (is_alpha(*at) || is_digit(*at))) {
            *to++ = *at;
            continue;
        }
        if (url)
            *to++ = '%';
        *to++ = digits[(unsigned char)*at >> 4];
        *to++ = digits[*at & 15];
    }
    return (size_t)(to - begin);
}

/* A secret in clear: also as base64 has it, whatever stands before it there, and in hexadecimal. */
static void clear_add(struct smtpscope_session *session, struct secrets *secrets, const char *at, size_t len)
{
    char encoded[HEX_MAX * 3 > BASE64_ENCODED(ENCODED_MAX + 2) ? HEX_MAX * 3 : BASE64_ENCODED(ENCODED_MAX + 2)];

    windows_add(session, secrets, at, len);
    recent_add(secrets, at, len);
    for (unsigned before = 0; before < 3 && len >= RECENT_MIN; before++)
        windows_add(session, secrets, encoded, base64_encode(at, len < ENCODED_MAX ? len : ENCODED_MAX, before, encoded));
    for (int url = 0; url < 2 && len >= RECENT_MIN; url++) {
        size_t part = len < HEX_MAX ? len : HEX_MAX, hex = hex_encode(at, part, url, encoded);

        if (hex != part) /* a URL has most words as they are */
            windows_add(session, secrets, encoded, hex);
    }
}

/* The part of what was decoded that is secret: behind "auth=" (RFC 7628 3.1), else behind the last NUL (RFC 4616 2). */
static struct smtpscope_text secret_part(const char *at, size_t len)
{
    static const char auth[] = "\1AUTH=";
    size_t begin = len;

    for (size_t i = 0; i < len; i++)
        if (starts_with(at + i, len - i, auth)) {
            begin = i + sizeof auth - 1;
            while (begin < len && at[begin] != ' ' && at[begin] != '\1')
                begin++;
            begin += begin < len && at[begin] == ' ';
            while (len > begin && at[len - 1] == '\1')
                len--;
            return (struct smtpscope_text){at + begin, len - begin};
        }
    while (len && !at[len - 1])
        len--;
    for (begin = len; begin && at[begin - 1];)
        begin--;
    return (struct smtpscope_text){at + begin, len - begin};
}

static void words_add(struct smtpscope_session *session, struct secrets *secrets, const char *at, size_t len, bool sure);

/* RFC 2831, RFC 5802: names and values; the names of the host and the user are among them. */
static bool is_structured(const char *at, size_t len)
{
    return memchr(at, ',', len) && memchr(at, '=', len);
}

static void decoded_add(struct smtpscope_session *session, struct secrets *secrets, const char *at, size_t len, bool user)
{
    struct smtpscope_text part = secret_part(at, len);

    if (part.at == at && is_structured(at, len))
        words_add(session, secrets, at, len, false);
    else if (part.at != at || !user)
        clear_add(session, secrets, part.at, part.len);
}

static void answer_add(struct smtpscope_session *session, struct secrets *secrets, const char *at, size_t len, bool user)
{
    char decoded[BASE64_DECODED(LINE_MAX_KEPT)];
    size_t decoded_len = len <= LINE_MAX_KEPT ? base64_decode(at, len, decoded) : 0;

    if (decoded_len)
        decoded_add(session, secrets, decoded, decoded_len, user);
    if (decoded_len) {
        recent_add(secrets, at, len);
        windows_add(session, secrets, at, len);
    }
    if (!user)
        clear_add(session, secrets, at, len); /* it may have been sent in clear */
}

/* A word of a line. HTTP's "Basic" says user and password (RFC 7617 2). */
static void word_add(struct smtpscope_session *session, struct secrets *secrets, const char *at, size_t len)
{
    char decoded[BASE64_DECODED(LINE_MAX_KEPT)];
    size_t decoded_len = len >= WINDOW && len <= LINE_MAX_KEPT ? base64_decode(at, len, decoded) : 0, begin = decoded_len;

    clear_add(session, secrets, at, len);
    while (begin && decoded[begin - 1] && decoded[begin - 1] != ':')
        begin--;
    if (decoded_len)
        clear_add(session, secrets, decoded + begin, decoded_len - begin);
}

static void words_add(struct smtpscope_session *session, struct secrets *secrets, const char *at, size_t len, bool sure)
{
    const char *end = at + len, *word;

    for (int count = 0; count < WORDS_MAX && at < end; count++) {
        while (at < end && is_separator(*at))
            at++;
        for (word = at; at < end && !is_separator(*at);)
            at++;
        if (sure || word_looks_secret(word, (size_t)(at - word)))
            word_add(session, secrets, word, (size_t)(at - word));
        else
            recent_add(secrets, word, (size_t)(at - word));
    }
}

static struct secrets *secrets_need(struct smtpscope_session *session)
{
    struct session_extra *extra = extra_need(session);

    if (extra && !extra->secrets)
        extra->secrets = memory_new(session->config->allocator, sizeof *extra->secrets);
    if (extra && extra->secrets)
        return extra->secrets;
    session->secrets_lost = true;
    return NULL;
}

void secret_note(struct smtpscope_session *session, const char *at, size_t len, enum secret_kind kind)
{
    struct secrets *secrets;
    bool lost = session->secrets_lost;

    while (len && (is_space(at[len - 1]) || at[len - 1] == '\r' || at[len - 1] == '\n'))
        len--;
    for (; len && is_space(*at); at++)
        len--;
    if (!len || !(secrets = secrets_need(session)))
        return;
    switch (kind) {
    case SECRET_ANSWER:
    case SECRET_USER: answer_add(session, secrets, at, len, kind == SECRET_USER); break;
    case SECRET_WORDS:
        windows_add(session, secrets, at, len); /* it may have separators in it */
        words_add(session, secrets, at, len, true);
        break;
    case SECRET_MAYBE:
        words_add(session, secrets, at, len, false);
        session->secrets_lost = lost; /* a flood of junk blinds nobody */
        break;
    }
}

void secrets_free(struct smtpscope_session *session)
{
    struct secrets *secrets = extra_of(session)->secrets;

    if (!secrets)
        return;
    memory_free(session->config->allocator, secrets->windows);
    memory_free(session->config->allocator, secrets->copy);
    memory_free(session->config->allocator, secrets);
    session->extra->secrets = NULL;
}

static size_t window_find(const struct secrets *secrets, struct smtpscope_text text, size_t at)
{
    struct rolling rolling;

    if (!secrets->count || text.len - at < WINDOW)
        return text.len;
    rolling = rolling_of(text.at + at, WINDOW);
    for (;; at++) {
        if (*window_place(secrets->windows, secrets->room - 1, rolling_hash(&rolling)))
            return at;
        if (at + WINDOW == text.len)
            return text.len;
        rolling_move(&rolling, text.at[at], text.at[at + WINDOW]);
    }
}

static size_t recent_find(const struct recent_word *word, struct smtpscope_text text, size_t at)
{
    struct rolling rolling;

    if (!word->len || text.len - at < word->len)
        return text.len;
    rolling = rolling_of(text.at + at, word->len);
    for (;; at++) {
        if (rolling_hash(&rolling) == word->hash)
            return at;
        if (at + word->len == text.len)
            return text.len;
        rolling_move(&rolling, text.at[at], text.at[at + word->len]);
    }
}

size_t secret_find(const struct smtpscope_session *session, struct smtpscope_text text, size_t at, bool recent, size_t *len)
{
    const struct secrets *secrets = extra_of(session)->secrets;
    size_t found = text.len;

    *len = WINDOW;
    if (!secrets)
        return found;
    found = window_find(secrets, text, at);
    for (size_t i = 0; recent && i < RECENT_MAX; i++) {
        size_t place = recent_find(&secrets->recent[i], text, at);

        if (place < found) {
            found = place;
            *len = secrets->recent[i].len;
        }
    }
    return found;
}

char *secrets_copy(struct smtpscope_session *session, struct smtpscope_text text)
{
    struct secrets *secrets = extra_of(session)->secrets;
    char *copy = memory_resize(session->config->allocator, secrets->copy, text.len);

    if (!copy)
        return NULL;
    secrets->copy = copy;
    return memcpy(copy, text.at, text.len);
}
