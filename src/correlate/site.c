/* SPDX-License-Identifier: BSD-2-Clause */
#include "site.h"

#include <libpsl.h>
#include <string.h>

/* RFC 1035 2.3.4 */
#define NAME_MAX_OCTETS 255

struct smtpscope_text site_of(const char *name, size_t len)
{
    char text[NAME_MAX_OCTETS + 1];
    const char *site;

    if (!len || len > NAME_MAX_OCTETS || name[0] == '[' || !memchr(name, '.', len))
        return (struct smtpscope_text){name, 0};
    memcpy(text, name, len);
    text[len] = '\0';
    site = psl_registrable_domain(psl_builtin(), text);
    return site ? (struct smtpscope_text){name + (site - text), strlen(site)} : (struct smtpscope_text){name, 0};
}
