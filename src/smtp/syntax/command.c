/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One command line -> verb, argument, path, parameters, and what is odd about it. Accepts everything: what RFC 5321 does
 * not allow is noted, never refused.
 *
 *   command   = verb [SP argument]
 *   argument  = "FROM:" reverse-path / "TO:" forward-path, [SP esmtp-param *(SP esmtp-param)]     RFC 5321 4.1.1, 4.1.2
 */
#include "command.h"

#include "octets.h"
#include "offer.h"
#include "path.h"
#include "verbs.h"

#include <string.h>

#define COMMAND_LINE_MAX 512 /* RFC 5321 4.5.3.1.4 */
#define VERB_MAX 32

/* The length of the word that could be a verb: letters, digits and hyphens, then a space or the end. 0: none. */
static size_t verb_len(const char *line, size_t len)
{
    size_t at = 0;

    if (!len || !is_alpha(line[0]))
        return 0;
    while (at < len && (kind_of(line[at]) & KIND_WORD || line[at] == '_'))
        at++;
    return at > VERB_MAX || (at < len && !is_space(line[at])) ? 0 : at;
}

bool command_is_known(const char *line, size_t len)
{
    const char *end = len ? memchr(line, '\n', len) : NULL; /* of nothing there may be no address either */
    size_t word;

    len = end ? (size_t)(end - line) : len;
    word = verb_len(line, len && line[len - 1] == '\r' ? len - 1 : len);
    return word && verb_find(line, word) > SMTPSCOPE_VERB_UNKNOWN;
}

static uint64_t number(const char *at, size_t len, bool *valid)
{
    uint64_t value = 0;

    *valid = len > 0;
    for (size_t i = 0; i < len; i++) {
        uint64_t digit = (uint64_t)(at[i] - '0');

        if (!is_digit(at[i])) {
            *valid = false;
            return 0;
        }
        value = value > (UINT64_MAX - digit) / 10 ? UINT64_MAX : value * 10 + digit;
    }
    return value;
}

/* RFC 6152 2, RFC 3030 3 */
static void body_parse(struct smtpscope_command *command, const char *at, size_t len)
{
    bool binary = starts_with(at, len, "BODY=BINARYMIME"), eight = starts_with(at, len, "BODY=8BITMIME");

    command->eight_bit |= binary || eight;
    if (binary)
        command->parameters |= SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_BINARYMIME);
    else if (!eight && !starts_with(at, len, "BODY=7BIT"))
        command->unknown_parameter = (struct smtpscope_text){at, len};
}

static void parameter_parse(struct smtpscope_command *command, const char *at, size_t len)
{
    const char *equals = memchr(at, '=', len);
    size_t keyword = equals ? (size_t)(equals - at) : len;
    uint64_t extension = parameter_extension(command->verb, at, keyword);
    bool valid;

    for (size_t i = 0; i < keyword; i++)
        if (!(kind_of(at[i]) & KIND_WORD))
            command->oddities |= SMTPSCOPE_COMMAND_BAD_PARAMETER;
    if (!keyword || (equals && keyword + 1 == len))
        command->oddities |= SMTPSCOPE_COMMAND_BAD_PARAMETER;
    command->parameters |= extension;
    if (!extension && !command->unknown_parameter.len)
        command->unknown_parameter = (struct smtpscope_text){at, len};
    if (extension == SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SIZE)) {
        command->declared_size = number(at + keyword + 1, len > keyword ? len - keyword - 1 : 0, &valid);
        command->has_size = valid;
        if (!valid)
            command->oddities |= SMTPSCOPE_COMMAND_BAD_PARAMETER;
    }
    if (keyword == 4 && starts_with(at, len, "BODY="))
        body_parse(command, at, len);
}

static void parameters_parse(struct smtpscope_command *command, const char *at, const char *end)
{
    while (at < end) {
        const char *word;

        while (at < end && is_space(*at))
            at++;
        for (word = at; at < end && !is_space(*at);)
            at++;
        if (at > word)
            parameter_parse(command, word, (size_t)(at - word));
    }
}

/* `seen`: the kinds of the line's octets. */
static void path_parse(struct smtpscope_command *command, unsigned seen, const char *at, const char *end)
{
    const char *keyword = command->verb == SMTPSCOPE_VERB_RCPT ? "TO" : "FROM", *close, *begin;

    if (!starts_with(at, (size_t)(end - at), keyword)) {
        command->oddities |= at == end ? SMTPSCOPE_COMMAND_NO_ARGUMENT : SMTPSCOPE_COMMAND_NO_PATH;
        return;
    }
    at += strlen(keyword);
    if (at < end && is_space(*at)) {
        command->oddities |= SMTPSCOPE_COMMAND_SPACE_AT_COLON;
        while (at < end && is_space(*at))
            at++;
    }
    if (at == end || *at != ':') {
        command->oddities |= SMTPSCOPE_COMMAND_NO_PATH;
        return;
    }
    for (at++; at < end && is_space(*at); at++)
        command->oddities |= SMTPSCOPE_COMMAND_SPACE_AT_COLON;
    close = at < end && *at == '<' ? path_close(at + 1, end, seen) : NULL;
    begin = at;
    if (close) {
        command->path = (struct smtpscope_text){begin + 1, (size_t)(close - begin - 1)};
        parameters_parse(command, close + 1, end);
    } else {
        command->oddities |= SMTPSCOPE_COMMAND_NO_PATH;
        while (at < end && !is_space(*at))
            at++;
        command->path = (struct smtpscope_text){begin, (size_t)(at - begin)};
        parameters_parse(command, at, end);
    }
    command->oddities |= path_oddities(&command->path, seen, command->verb != SMTPSCOPE_VERB_RCPT);
}

static bool has_three_dots(const char *at, size_t len)
{
    size_t dots = 0;

    for (size_t i = 0; i < len; i++)
        dots += at[i] == '.';
    return dots == 3;
}

/* RFC 5321 4.1.1.1: a fully qualified name, or an address literal in brackets. */
static void name_check(struct smtpscope_command *command)
{
    const char *name = command->path.at;
    size_t len = command->path.len;
    unsigned any = 0, every = ~0u;

    if (!len || name[0] == '[')
        return;
    for (size_t i = 0; i + 1 < len; i++) {
        any |= kind_of(name[i]);
        every &= kind_of(name[i]);
    }
    any |= kind_of(name[len - 1]) & ~(unsigned)KIND_DOT; /* the root's dot qualifies no name */
    every &= kind_of(name[len - 1]);
    if ((every & KIND_DOTTED && has_three_dots(name, len)) || (any & KIND_COLON && len > 2))
        command->oddities |= SMTPSCOPE_COMMAND_NAME_BARE_IP;
    else if (!(every & KIND_NAME))
        command->oddities |= SMTPSCOPE_COMMAND_NAME_INVALID;
    else if (!(any & KIND_DOT))
        command->oddities |= SMTPSCOPE_COMMAND_NAME_NOT_QUALIFIED;
}

static void bdat_parse(struct smtpscope_command *command, const char *at, const char *end)
{
    const char *digits = at;
    bool valid;

    while (at < end && !is_space(*at))
        at++;
    command->declared_size = number(digits, (size_t)(at - digits), &valid);
    command->has_size = valid;
    while (at < end && is_space(*at))
        at++;
    if (end - at == 4 && starts_with(at, 4, "LAST"))
        command->last = true;
    else if (at < end)
        valid = false;
    if (!valid)
        command->oddities |= SMTPSCOPE_COMMAND_BAD_PARAMETER;
}

static void auth_parse(struct smtpscope_command *command, const char *at, const char *end)
{
    const char *begin = at;

    while (at < end && !is_space(*at))
        at++;
    command->mechanism = mechanism_find(begin, (size_t)(at - begin));
}

/* MS-XEXCH50 2.2.1: how many octets follow the 354, and more that tells nothing here. */
static void blob_parse(struct smtpscope_command *command, const char *at, const char *end)
{
    size_t digits = 0;

    while (at + digits < end && is_digit(at[digits]))
        digits++;
    command->declared_size = number(at, digits, &command->has_size);
}

static bool has_word(const char *at, const char *end, const char *word)
{
    for (; at < end; at++)
        if (starts_with(at, (size_t)(end - at), word))
            return true;
    return false;
}

static void argument_parse(struct smtpscope_command *command, unsigned seen, const char *at, const char *end)
{
    enum verb_argument wanted = verb_argument(command->verb);

    if (wanted == ARGUMENT_PATH) {
        path_parse(command, seen, at, end);
        return;
    }
    if (wanted == ARGUMENT_NO && at < end)
        command->oddities |= SMTPSCOPE_COMMAND_ARGUMENT;
    if (wanted == ARGUMENT_REQUIRED && at == end)
        command->oddities |= SMTPSCOPE_COMMAND_NO_ARGUMENT;
    if (command->verb == SMTPSCOPE_VERB_BDAT)
        bdat_parse(command, at, end);
    else if (smtpscope_verb_is_login(command->verb))
        auth_parse(command, at, end);
    else if (command->verb == SMTPSCOPE_VERB_XEXCH50)
        blob_parse(command, at, end);
    else if (command->verb == SMTPSCOPE_VERB_BURL) /* RFC 4468 3.2 */
        command->last = end - at > 5 && starts_with(end - 5, 5, " LAST");
    else if (command->verb == SMTPSCOPE_VERB_XLINK2STATE && has_word(at, end, "CHUNK"))
        command->oddities |= SMTPSCOPE_COMMAND_EXPLOIT;
    else if (smtpscope_verb_hello(command->verb)) {
        command->path = (struct smtpscope_text){at, (size_t)(end - at)};
        name_check(command);
    }
}

/* An extension may add to the 512 octets (RFC 5321 4.1.1.11): DSN, AUTH and SIZE parameters do; 512 more is beyond all. */
static void length_check(struct smtpscope_command *command)
{
    uint32_t limit = COMMAND_LINE_MAX + (command->parameters ? 512 : 0);

    if (smtpscope_verb_is_login(command->verb) || command->verb == SMTPSCOPE_VERB_ANSWER)
        limit = 12288; /* RFC 4954 4 */
    if (command->len > limit)
        command->oddities |= SMTPSCOPE_COMMAND_LINE_TOO_LONG;
}

/* As many Xs as the verb had letters. No verb of the table has fewer than four. */
static bool is_masked(const char *word, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (word[i] != 'X')
            return false;
    return len >= 4;
}

unsigned command_parse(struct smtpscope_command *command, const char *line, size_t len)
{
    const char *at = line, *end = line + len, *word;
    unsigned seen = kinds_of(line, len);
    size_t word_len;

    if (seen & KIND_NUL)
        command->oddities |= SMTPSCOPE_COMMAND_NUL;
    if (seen & KIND_EIGHT_BIT)
        command->oddities |= SMTPSCOPE_COMMAND_EIGHT_BIT;
    if (at < end && is_space(*at)) {
        command->oddities |= SMTPSCOPE_COMMAND_LEADING_SPACE;
        while (at < end && is_space(*at))
            at++;
    }
    if (end > at && is_space(end[-1])) {
        command->oddities |= SMTPSCOPE_COMMAND_TRAILING_SPACE;
        while (end > at && is_space(end[-1]))
            end--;
    }
    word = at;
    word_len = verb_len(at, (size_t)(end - at));
    command->verb = word_len ? verb_find(at, word_len) : SMTPSCOPE_VERB_RAW;
    if (at == end)
        command->oddities |= SMTPSCOPE_COMMAND_EMPTY;
    command->name = (struct smtpscope_text){word, word_len};
    if (command->verb == SMTPSCOPE_VERB_UNKNOWN && is_masked(word, word_len))
        command->oddities |= SMTPSCOPE_COMMAND_MASKED;
    for (at += word_len; at < end && is_space(*at);)
        at++;
    command->argument = (struct smtpscope_text){at, (size_t)(end - at)};
    if (command->verb > SMTPSCOPE_VERB_ANSWER)
        argument_parse(command, seen, at, end);
    length_check(command);
    return seen;
}

static const struct alien_row {
    char prefix[14];
    uint8_t len, alien; /* enum smtpscope_alien */
} aliens[] = {
#define ROW(prefix, alien)                                                                                                     \
    {                                                                                                                          \
        prefix, sizeof prefix - 1, SMTPSCOPE_ALIEN_##alien                                                                     \
    }
    ROW("GET /", HTTP),       ROW("POST /", HTTP),       ROW("HEAD /", HTTP),       ROW("PUT /", HTTP),
    ROW("CONNECT ", HTTP),    ROW("GET http", HTTP),     ROW("POST http", HTTP),    ROW("OPTIONS /", HTTP),
    ROW("OPTIONS *", HTTP),   ROW("PRI * HTTP/2", HTTP), ROW("DELETE /", HTTP),     ROW("HEAD http", HTTP),
    ROW("PATCH /", HTTP),     ROW("TRACE /", HTTP),      ROW("PROPFIND /", HTTP),   ROW("SSH-", SSH),
    ROW("OPTIONS sip:", SIP), ROW("INVITE sip:", SIP),   ROW("REGISTER sip:", SIP), ROW("\x16\x03\x01", TLS),
    ROW("\x16\x03\x02", TLS), ROW("\x16\x03\x03", TLS),  ROW("\x16\x03\x04", TLS),  ROW("\x16\x03\x00", TLS),
#undef ROW
};

/* What a terminal negotiates before the first word is typed: PuTTY asks for seven options, of three octets each. */
#define PREFACE_MAX 64

/*
 * A command whose argument is no ASCII, as the name of a Windows host can be; or a hello behind a byte order mark or what a
 * terminal negotiates.
 */
static bool speaks_smtp(const char *line, size_t len)
{
    size_t max = len < PREFACE_MAX ? len : PREFACE_MAX, word;
    enum smtpscope_verb verb;

    if (command_is_known(line, len))
        return true;
    for (size_t at = 0; at < max; at++) {
        if (!is_alpha(line[at]) || (at && is_alpha(line[at - 1])))
            continue;
        word = verb_len(line + at, len - at);
        verb = word ? verb_find(line + at, word) : SMTPSCOPE_VERB_UNKNOWN;
        if (smtpscope_verb_hello(verb))
            return true;
    }
    return false;
}

/* Keys of someone who types: backspace, and what an arrow's sequence begins with. */
static bool is_typed(char c)
{
    return c == '\b' || c == '\033';
}

enum smtpscope_alien alien_of(const char *line, size_t len)
{
    size_t oddity = 0;

    for (size_t i = 0; len && i < sizeof aliens / sizeof *aliens; i++)
        if (line[0] == aliens[i].prefix[0] && len >= aliens[i].len && !memcmp(line, aliens[i].prefix, aliens[i].len))
            return (enum smtpscope_alien)aliens[i].alien;
    if (!(kinds_of(line, len) & (KIND_CONTROL | KIND_EIGHT_BIT)))
        return SMTPSCOPE_ALIEN_NONE;
    for (size_t i = 0; i < len; i++)
        oddity += kind_of(line[i]) & (KIND_CONTROL | KIND_EIGHT_BIT) && !is_typed(line[i]);
    return oddity * 8 > len && !speaks_smtp(line, len) ? SMTPSCOPE_ALIEN_BINARY : SMTPSCOPE_ALIEN_NONE;
}

/* RFC 3501 7.1, RFC 1939 4, RFC 2812 and its servers' notices. "SSH-" is none: some banners of mail begin so. */
static const struct alien_row greetings[] = {
#define ROW(prefix, alien)                                                                                                     \
    {                                                                                                                          \
        prefix, sizeof prefix - 1, SMTPSCOPE_ALIEN_##alien                                                                     \
    }
    ROW("* OK", IMAP), ROW("* PREAUTH", IMAP), ROW("* BYE", IMAP), ROW("+OK", POP3),
    ROW("-ERR", POP3), ROW("NOTICE ", IRC),    ROW(":", IRC),
#undef ROW
};

enum smtpscope_alien alien_of_greeting(const char *line, size_t len, uint16_t code)
{
    const char *end = line + len;

    for (size_t i = 0; !code && i < sizeof greetings / sizeof *greetings; i++)
        if (len >= greetings[i].len && !memcmp(line, greetings[i].prefix, greetings[i].len))
            return (enum smtpscope_alien)greetings[i].alien;
    /* RFC 959 4.2.2 has the same 220. No server of mail calls itself one of files. */
    return code == 220 && !has_word(line, end, "SMTP") &&
                   (has_word(line, end, "FTP SERVER") || has_word(line, end, "FTPD") || has_word(line, end, "FILEZILLA"))
               ? SMTPSCOPE_ALIEN_FTP
               : SMTPSCOPE_ALIEN_NONE;
}

const char *smtpscope_alien_name(enum smtpscope_alien alien)
{
    static const char *const names[] = {
        [SMTPSCOPE_ALIEN_NONE] = "",     [SMTPSCOPE_ALIEN_HTTP] = "HTTP", [SMTPSCOPE_ALIEN_TLS] = "TLS",
        [SMTPSCOPE_ALIEN_SSH] = "SSH",   [SMTPSCOPE_ALIEN_SIP] = "SIP",   [SMTPSCOPE_ALIEN_BINARY] = "binary",
        [SMTPSCOPE_ALIEN_IMAP] = "IMAP", [SMTPSCOPE_ALIEN_POP3] = "POP3", [SMTPSCOPE_ALIEN_FTP] = "FTP",
        [SMTPSCOPE_ALIEN_IRC] = "IRC",
    };

    return names[alien];
}
