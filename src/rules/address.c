/* SPDX-License-Identifier: BSD-2-Clause */
/* Is what stands between the brackets of MAIL and RCPT an address? Asked only when a server refused it. */
#include "refusal_view.h"

#include <string.h>
#include <strings.h>

/* Octets of an atom or a host name that RFC 5321 4.1.2 allows: letters, digits and these, and what is beyond ASCII. */
static bool octets_are(const char *at, size_t len, const char *more)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)at[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0x80;

        if (!plain && (!c || !strchr(more, c)))
            return false;
    }
    return len > 0;
}

/* No part between dots may be empty. */
static bool dots_are_apart(const char *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (at[i] == '.' && (i == 0 || i + 1 == len || at[i + 1] == '.'))
            return false;
    return true;
}

static bool domain_is_valid(const char *at, size_t len)
{
    if (len && at[0] == '[')
        return len > 2 && at[len - 1] == ']';
    return octets_are(at, len, "-.") && dots_are_apart(at, len);
}

static bool local_part_is_valid(const char *at, size_t len)
{
    if (len && at[0] == '"')
        return len > 1 && at[len - 1] == '"';
    return octets_are(at, len, "!#$%&'*+-/=?^_`{|}~.") && dots_are_apart(at, len);
}

/* RFC 5321 appendix C: "@one,@two:" before the address, to be ignored. */
static size_t route_len(const char *at, size_t len)
{
    const char *colon = len && at[0] == '@' ? memchr(at, ':', len) : NULL;

    return colon ? (size_t)(colon - at) + 1 : 0;
}

bool path_is_valid(const struct smtpscope_text *path, bool empty)
{
    size_t route = route_len(path->at, path->len), len = path->len - route, at = len;
    const char *address = path->at + route;

    if (!path->len)
        return empty;
    while (at && address[at - 1] != '@')
        at--;
    if (!at)
        return !empty && len == strlen("postmaster") && !strncasecmp(address, "postmaster", len);
    return local_part_is_valid(address, at - 1) && domain_is_valid(address + at, len - at);
}
