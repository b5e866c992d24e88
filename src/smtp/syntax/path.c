/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The path of MAIL and RCPT, read once for everybody.
 *
 *   Path         = "<" [ A-d-l ":" ] Mailbox ">"                          RFC 5321 4.1.2; the route is ignored (RFC 5321 C)
 *   Mailbox      = Local-part "@" ( Domain / address-literal )
 *   Local-part   = Dot-string / Quoted-string
 *
 * What the grammar does not allow is noted, never refused: servers differ in what they take.
 */
#include "path.h"

#include "octets.h"

/* RFC 5321 4.5.3.1 */
#define LOCAL_PART_MAX 64
#define DOMAIN_MAX 255
#define PATH_MAX_OCTETS 256

/* The length of the quoted string at the text's beginning, with its quotes; 0: there is none, or it is not closed. */
static size_t quoted_len(const char *at, size_t len)
{
    if (!len || at[0] != '"')
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (at[i] == '"')
            return i + 1;
        i += at[i] == '\\';
    }
    return 0;
}

const char *path_close(const char *at, const char *end, unsigned seen)
{
    bool quoted = false;

    if (!(seen & KIND_QUOTING))
        return memchr(at, '>', (size_t)(end - at));
    for (; at < end; at++) {
        if (quoted && *at == '\\' && at + 1 < end)
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (*at == '>' && !quoted)
            return at;
    }
    return NULL;
}

static size_t route_len(const struct smtpscope_text *text)
{
    const char *colon = text->len && text->at[0] == '@' ? memchr(text->at, ':', text->len) : NULL;

    return colon ? (size_t)(colon - text->at) + 1 : 0;
}

/* Where the local part ends: behind its quotes, or at the last "@". */
static size_t local_len(const char *at, size_t len)
{
    size_t quoted = quoted_len(at, len), end = len;

    if (quoted && (quoted == len || at[quoted] == '@'))
        return quoted;
    while (end && at[end - 1] != '@')
        end--;
    return end ? end - 1 : len;
}

struct path path_split(const struct smtpscope_text *text)
{
    size_t route = route_len(text), len = text->len - route, local = local_len(text->at + route, len), at = local < len;

    return (struct path){
        .route = {text->at, route},
        .local = {text->at + route, local},
        .domain = {text->at + route + local + at, len - local - at},
    };
}

/* Atoms of these kinds, with a dot between any two. */
static bool is_dotted(const struct smtpscope_text *text, unsigned kinds)
{
    unsigned kind, before = KIND_DOT;

    for (const char *at = text->at, *end = at + text->len; at < end; at++, before = kind) {
        kind = kind_of(*at);
        if (!(kind & (kinds | (~before & KIND_DOT))))
            return false;
    }
    return !(before & KIND_DOT);
}

static bool domain_is_valid(const struct smtpscope_text *domain)
{
    if (domain->len && domain->at[0] == '[')
        return domain->len > 2 && domain->at[domain->len - 1] == ']';
    return is_dotted(domain, KIND_WORD | KIND_EIGHT_BIT);
}

static bool path_is_valid(const struct smtpscope_text *text, const struct path *path, bool empty)
{
    if (!text->len)
        return empty;
    if (!path->domain.len && !path->route.len && !empty && word_is(path->local.at, path->local.len, "POSTMASTER"))
        return true; /* RFC 5321 4.5.1 */
    return domain_is_valid(&path->domain) &&
           (is_dotted(&path->local, KIND_ATEXT) ||
            (path->local.len && quoted_len(path->local.at, path->local.len) == path->local.len));
}

/* RFC 2047 2; in an address SMTPUTF8 is what would be right. */
static bool is_encoded_word(const struct smtpscope_text *local)
{
    return local->len > 6 && !memcmp(local->at, "=?", 2) && !memcmp(local->at + local->len - 2, "?=", 2);
}

/*
 * "${run{...}}" of Exim, a pipe as an address, and what a shell would run. A backquote alone is a character of an address
 * (RFC 5322 3.2.3) and in names that are mistyped: it takes two, or one beside something else that a shell knows.
 */
static bool looks_like_exploit(const struct smtpscope_text *text)
{
    size_t backquotes = 0, others = 0, quoted_end = 0;

    for (size_t i = 0; i < text->len; i++) {
        char c = text->at[i], next = i + 1 < text->len ? text->at[i + 1] : '\0';

        if (c == '"' && i >= quoted_end)
            quoted_end = i + quoted_len(text->at + i, text->len - i);
        if ((c == '$' && (next == '{' || next == '(')) || (c == ';' && i >= quoted_end) || (c == '|' && i == 0))
            return true;
        backquotes += c == '`';
        others += c == '|' || c == ';';
    }
    return backquotes > 1 || (backquotes && others);
}

uint32_t path_oddities(const struct smtpscope_text *text, unsigned seen, bool empty)
{
    struct path path = path_split(text);
    uint32_t oddities = 0;

    if (text->len + strlen("<>") > PATH_MAX_OCTETS)
        oddities |= SMTPSCOPE_COMMAND_PATH_TOO_LONG;
    if (path.local.len > LOCAL_PART_MAX)
        oddities |= SMTPSCOPE_COMMAND_LOCAL_TOO_LONG;
    if (path.domain.len > DOMAIN_MAX)
        oddities |= SMTPSCOPE_COMMAND_DOMAIN_TOO_LONG;
    if (!path_is_valid(text, &path, empty))
        oddities |= SMTPSCOPE_COMMAND_BAD_ADDRESS;
    if (is_encoded_word(&path.local))
        oddities |= SMTPSCOPE_COMMAND_ENCODED_WORD;
    if (seen & KIND_SHELL && looks_like_exploit(text))
        oddities |= SMTPSCOPE_COMMAND_EXPLOIT;
    return oddities;
}
