/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of verbs, extensions and parameters. */
#include "verbs.h"

#include <string.h>

enum holds { PIPE, LAST, HOLD };

struct verb_row {
    const char *name;
    enum smtpscope_verb_family family;
    enum smtpscope_extension extension;
    enum holds holds;
    enum verb_argument argument;
    const char *success;
    uint16_t detail;
};

static const struct verb_row verbs[SMTPSCOPE_VERBS] = {
    [SMTPSCOPE_VERB_NONE] = {NULL, SMTPSCOPE_FAMILY_NO_VERB, SMTPSCOPE_EXT_NONE, PIPE, ARGUMENT_OPTIONAL, "", 0},
    [SMTPSCOPE_VERB_RAW] = {"(raw)", SMTPSCOPE_FAMILY_NO_VERB, SMTPSCOPE_EXT_NONE, PIPE, ARGUMENT_OPTIONAL, "", 0},
    [SMTPSCOPE_VERB_UNKNOWN] = {"(hidden)", SMTPSCOPE_FAMILY_NO_VERB, SMTPSCOPE_EXT_NONE, PIPE, ARGUMENT_OPTIONAL, "", 0},
    [SMTPSCOPE_VERB_EOD] = {".", SMTPSCOPE_FAMILY_NO_VERB, SMTPSCOPE_EXT_NONE, PIPE, ARGUMENT_NO, "250 353", 0},
    [SMTPSCOPE_VERB_PROXY] = {"PROXY", SMTPSCOPE_FAMILY_NO_VERB, SMTPSCOPE_EXT_NONE, PIPE, ARGUMENT_OPTIONAL, "221", 0},
    [SMTPSCOPE_VERB_BLOB] = {"(blob)", SMTPSCOPE_FAMILY_NO_VERB, SMTPSCOPE_EXT_NONE, PIPE, ARGUMENT_NO, "250", 0},
    [SMTPSCOPE_VERB_ANSWER] = {"(auth)", SMTPSCOPE_FAMILY_NO_VERB, SMTPSCOPE_EXT_NONE, HOLD, ARGUMENT_NO, "235 334", 0},
#define VERB(id, name, family, extension, holds, argument, success, detail)                                                    \
    [SMTPSCOPE_VERB_##                                                                                                         \
        id] = {name, SMTPSCOPE_FAMILY_##family, SMTPSCOPE_EXT_##extension, holds, ARGUMENT_##argument, success, detail},
#include "smtpscope/verbs.def"
};

static const char *const extensions[SMTPSCOPE_EXTENSIONS] = {
#define EXTENSION(id, keyword, source) [SMTPSCOPE_EXT_##id] = keyword,
#include "smtpscope/extensions.def"
};

/* ESMTP parameters (RFC 5321 4.1.2) and the extension that defines each. */
static const struct parameter_row {
    enum smtpscope_verb verb;
    const char *keyword;
    size_t len;
    enum smtpscope_extension extension;
} parameters[] = {
#define ROW(verb, keyword, extension)                                                                                          \
    {                                                                                                                          \
        SMTPSCOPE_VERB_##verb, keyword, sizeof keyword - 1, SMTPSCOPE_EXT_##extension                                          \
    }
    ROW(MAIL, "SIZE", SIZE),
    ROW(MAIL, "BODY", EIGHTBITMIME),
    ROW(MAIL, "SMTPUTF8", SMTPUTF8),
    ROW(MAIL, "RET", DSN),
    ROW(MAIL, "ENVID", DSN),
    ROW(RCPT, "NOTIFY", DSN),
    ROW(RCPT, "ORCPT", DSN),
    ROW(MAIL, "AUTH", AUTH),
    ROW(MAIL, "BY", DELIVERBY),
    ROW(MAIL, "HOLDFOR", FUTURERELEASE),
    ROW(MAIL, "HOLDUNTIL", FUTURERELEASE),
    ROW(MAIL, "REQUIRETLS", REQUIRETLS),
    ROW(MAIL, "MT-PRIORITY", MT_PRIORITY),
    ROW(MAIL, "MTRK", MTRK),
    ROW(MAIL, "TRANSID", CHECKPOINT),
    ROW(MAIL, "SUBMITTER", SUBMITTER),
    ROW(MAIL, "SOLICIT", NO_SOLICITING),
    ROW(MAIL, "CONPERM", CONPERM),
    ROW(RCPT, "CONNEG", CONNEG),
    ROW(RCPT, "RRVS", RRVS),
    ROW(MAIL, "ALT-ADDRESS", UTF8SMTP),
    ROW(MAIL, "PRDR", PRDR),
#undef ROW
};

const char *smtpscope_verb_name(enum smtpscope_verb verb)
{
    return verbs[verb].name;
}

struct smtpscope_text smtpscope_command_name(const struct smtpscope_command *command)
{
    if (command->verb == SMTPSCOPE_VERB_UNKNOWN && command->name.len)
        return command->name;
    return smtpscope_text_of(smtpscope_verb_name(command->verb));
}

enum smtpscope_verb_family smtpscope_verb_family(enum smtpscope_verb verb)
{
    return verbs[verb].family;
}

enum smtpscope_extension smtpscope_verb_extension(enum smtpscope_verb verb)
{
    return verbs[verb].extension;
}

const char *smtpscope_verb_success(enum smtpscope_verb verb)
{
    return verbs[verb].success;
}

const char *smtpscope_extension_keyword(enum smtpscope_extension extension)
{
    return extension < SMTPSCOPE_EXTENSIONS ? extensions[extension] : NULL;
}

bool verb_holds(enum smtpscope_verb verb)
{
    return verbs[verb].holds == HOLD;
}

enum smtpscope_hello smtpscope_verb_hello(enum smtpscope_verb verb)
{
    return verb == SMTPSCOPE_VERB_EHLO || verb == SMTPSCOPE_VERB_LHLO ? SMTPSCOPE_HELLO_EHLO
           : verb == SMTPSCOPE_VERB_HELO                              ? SMTPSCOPE_HELLO_HELO
                                                                      : SMTPSCOPE_HELLO_NONE;
}

bool smtpscope_verb_ends_group(enum smtpscope_verb verb)
{
    return verbs[verb].holds != PIPE;
}

enum verb_argument verb_argument(enum smtpscope_verb verb)
{
    return verbs[verb].argument;
}

/* The first octets of a word, letters without their case: where it differs, so do the words. */
static inline uint32_t word_head(const char *word, size_t len)
{
    uint32_t head = 0;

    if (len >= sizeof head)
        memcpy(&head, word, sizeof head);
    else
        memcpy(&head, word, len);
    return head & 0xdfdfdfdfu;
}

/* Are these `len` octets the word, in whatever case? */
static bool same_letters(const char *text, const char *upper_case, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != upper_case[i] && !(upper_case[i] >= 'A' && text[i] == (upper_case[i] | 0x20)))
            return false;
    return true;
}

/*
 * Does the text, whose head is `head`, begin with the literal `word`? The heads of a literal and of as many octets of the text
 * are constants: a row of these is a few comparisons of numbers, and the tables stay the only place where the words stand.
 */
#define WORD_LEN(word) (sizeof word - 1)
#define HEAD_LEN(word) (WORD_LEN(word) < sizeof(uint32_t) ? WORD_LEN(word) : sizeof(uint32_t))
#define BEGINS_WITH(text, len, head, word)                                                                                     \
    (((head)&word_head("\377\377\377\377", HEAD_LEN(word))) == word_head(word, HEAD_LEN(word)) && (len) >= WORD_LEN(word) &&   \
     (!memcmp(text, word, WORD_LEN(word)) || same_letters(text, word, WORD_LEN(word))))

enum smtpscope_verb verb_find(const char *name, size_t len)
{
    uint32_t head = word_head(name, len);

#define VERB(id, word, family, extension, holds, argument, success, detail)                                                    \
    if (len == WORD_LEN(word) && BEGINS_WITH(name, len, head, word))                                                           \
        return SMTPSCOPE_VERB_##id;
#include "smtpscope/verbs.def"
    return SMTPSCOPE_VERB_UNKNOWN;
}

/* Behind an EHLO keyword. Not RFC: "AUTH=LOGIN", an old habit. */
static bool is_keyword_end(char c)
{
    return c == ' ' || c == '\n' || c == '=' || c == '\r';
}

uint64_t extension_find(const char *text, size_t len)
{
    uint32_t head = word_head(text, len);

#define EXTENSION(id, word, source)                                                                                            \
    if (BEGINS_WITH(text, len, head, word) && (len == WORD_LEN(word) || is_keyword_end(text[WORD_LEN(word)])))                 \
        return SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_##id);
#include "smtpscope/extensions.def"
    return 0;
}

uint64_t parameter_extension(enum smtpscope_verb verb, const char *keyword, size_t len)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (parameters[i].verb == verb && parameters[i].len == len && same_letters(keyword, parameters[i].keyword, len))
            return SMTPSCOPE_EXT_BIT(parameters[i].extension);
    return 0;
}

static bool code_is_listed(const char *list, uint16_t code)
{
    for (; *list; list += list[3] ? 4 : 3)
        if ((list[0] - '0') * 100 + (list[1] - '0') * 10 + (list[2] - '0') == code)
            return true;
    return false;
}

bool smtpscope_verb_allows(enum smtpscope_verb verb, uint16_t code)
{
    return code_is_listed(verbs[verb].success, code);
}
