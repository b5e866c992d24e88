/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The detail of a finding: the templates of details.def, which know two directives, %1$s and %2$llu.
 *
 * Not by snprintf(): the templates come from a translation file, and a formatter that knows only these two cannot be made to
 * read beyond its arguments by a wrong one.
 */
#include "smtpscope/advice.h"

#include "advice/text.h"

#include <string.h>

/* Words that findings put into a template and that are ours to translate; anything else is shown as it is. */
static const char *const words[] = {
    N_("client"), N_("server"), N_("commands"), N_("message"), N_("replies"), N_("tls"),
};

struct detail_buffer {
    char *at;
    size_t room; /* without the terminator */
};

static void detail_put(struct detail_buffer *to, const char *text, size_t len)
{
    size_t fits = len < to->room ? len : to->room;

    /* What does not fit is cut between characters, and nothing may follow it. */
    if (fits < len) {
        while (fits > 0 && ((unsigned char)text[fits] & 0xc0) == 0x80)
            fits--;
        to->room = fits;
    }
    memcpy(to->at, text, fits);
    to->at += fits;
    to->room -= fits;
}

static void detail_put_number(struct detail_buffer *to, uint64_t number)
{
    char digits[20]; /* of 2^64 - 1 */
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    detail_put(to, digits + at, sizeof digits - at);
}

static const char *detail_word(const char *text)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(text, words[i]) == 0)
            return text_translate(text);
    return text;
}

static bool starts(const char *at, const char *directive, size_t *len)
{
    *len = strlen(directive);
    return strncmp(at, directive, *len) == 0;
}

const char *smtpscope_advice_detail_template(enum smtpscope_detail detail, uint64_t number)
{
    return text_translate_number(smtpscope_detail_template(detail), smtpscope_detail_plural(detail), number);
}

size_t smtpscope_advice_detail(const struct smtpscope_finding *finding, char *buffer, size_t size)
{
    const char *template = smtpscope_advice_detail_template(finding->detail, finding->detail_number);

    return smtpscope_advice_detail_fill(template, finding, buffer, size);
}

size_t smtpscope_advice_detail_fill(const char *pattern, const struct smtpscope_finding *finding, char *buffer, size_t size)
{
    const char *at = pattern;
    const char *text = detail_word(finding->detail_text);
    struct detail_buffer to = {buffer, size == 0 ? 0 : size - 1};

    if (size == 0)
        return 0;
    while (*at != '\0') {
        size_t len;

        if (starts(at, "%1$s", &len)) {
            detail_put(&to, text, strlen(text));
        } else if (starts(at, "%2$llu", &len)) {
            detail_put_number(&to, finding->detail_number);
        } else {
            len = 1 + strcspn(at + 1, "%");
            detail_put(&to, at, len);
        }
        at += len;
    }
    *to.at = '\0';
    return (size_t)(to.at - buffer);
}
