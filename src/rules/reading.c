/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text -> meaning. Addresses, host names in brackets and URLs are taken out first: what is in them is not the server's word
 * ("<quota@example.com>: unknown"). Then the first phrase of the table that is found decides; where none is, the enhanced
 * code does (RFC 3463); where there is none either, the code and the verb say what little they can.
 */
#include "reading.h"

#include <string.h>

#define TEXT_MAX_READ 1024
#define WORDS_MAX 192

enum codes { ANY, TEMPORARY, PERMANENT };

static const struct phrase {
    enum reading reading;
    enum codes codes;
    bool own; /* means this only when the server is known to be the one named */
    const char *server, *pattern;
} phrases[] = {
#define PHRASE(reading, codes, server, pattern) { READING_##reading, codes, false, server, pattern },
#define OWN_PHRASE(reading, codes, server, pattern) { READING_##reading, codes, true, server, pattern },
#include "phrases.def"
};
#define PHRASES (sizeof phrases / sizeof *phrases)

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The length of a part to leave out that begins at `at`: <...>, [...], a URL; 0 none. */
static size_t stripped_len(const char *at, size_t len)
{
    const char *close = NULL;
    size_t used = 0;

    /* "<LF>" and "<CR>" are words of the server, an address has an @ or is a host name. */
    if (*at == '<')
        close = len > 4 ? memchr(at, '>', len) : NULL;
    else if (*at == '[')
        close = memchr(at, ']', len);
    if (close)
        return close - at > 3 ? (size_t)(close - at) + 1 : 0;
    if (len > 8 && (!strncmp(at, "http://", 7) || !strncmp(at, "https://", 8)))
        while (used < len && at[used] != ' ' && at[used] != '\n')
            used++;
    return used;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A reply's text, normalised, and where its words begin: a phrase begins where a word does ("locked" is not in "blocked"). */
struct words {
    size_t count;
    uint32_t letters; /* a bit a letter: with which words begin */
    uint16_t starts[WORDS_MAX]; /* the last is followed by the text's end */
    char text[TEXT_MAX_READ];
};

static uint32_t letter_bit(char c)
{
    return 1u << ((unsigned char)c & 31);
}

static void word_begins(struct words *words, size_t at, char c)
{
    words->starts[words->count++] = (uint16_t)at;
    words->letters |= letter_bit(c);
}

/* Lower case, in one line, without what the server quotes. */
static void words_read(struct words *words, const struct smtpscope_text *text)
{
    size_t len = 0;

    words->count = words->letters = 0;
    for (size_t at = 0; at < text->len && len < TEXT_MAX_READ - 1;) {
        size_t skip = stripped_len(text->at + at, text->len - at);
        char c;

        if (skip) {
            at += skip;
            continue;
        }
        c = text->at[at] == '\n' ? ' ' : lower(text->at[at]);
        if (is_word(c) && (!len || !is_word(words->text[len - 1])) && words->count < WORDS_MAX)
            word_begins(words, len, c);
        words->text[len++] = c;
        at++;
    }
    words->text[len] = '\0';
}

/* Finds a part of a pattern from word `*at` on, and moves behind it. */
static bool part_found(const struct words *words, size_t *at, const char *part, size_t len)
{
    for (size_t i = *at; i < words->count; i++) {
        const char *word = words->text + words->starts[i];

        if (*word == *part && !strncmp(word, part, len)) {
            while (i < words->count && words->starts[i] < (size_t)(word - words->text) + len)
                i++;
            *at = i;
            return true;
        }
    }
    return false;
}

static bool pattern_found(const struct words *words, const char *pattern)
{
    if (!(words->letters & letter_bit(*pattern)))
        return false;
    for (size_t at = 0;; pattern++) {
        size_t len = 0;

        while (pattern[len] && pattern[len] != '*')
            len++;
        if (!part_found(words, &at, pattern, len))
            return false;
        pattern += len;
        if (!*pattern)
            return true;
    }
}

static bool phrase_applies(const struct phrase *phrase, const struct words *words, bool temporary, const char *server)
{
    if (phrase->codes != ANY && (phrase->codes == TEMPORARY) != temporary)
        return false;
    return (!phrase->own || !strcmp(phrase->server, server)) && pattern_found(words, phrase->pattern);
}

static bool is_temporary(const struct smtpscope_reply *reply)
{
    return reply->code >= 400 && reply->code < 500;
}

enum reading reading_without(const struct smtpscope_reply *reply, const char *server, const bool *left_out)
{
    struct words words;

    words_read(&words, &reply->text);
    for (size_t i = 0; i < PHRASES; i++)
        if (!(left_out && left_out[i]) && phrase_applies(&phrases[i], &words, is_temporary(reply), server))
            return phrases[i].reading;
    return READING_NONE;
}

enum reading reading_of(const struct smtpscope_reply *reply, const char *server)
{
    return reading_without(reply, server, NULL);
}

size_t phrase_count(void)
{
    return PHRASES;
}

bool phrase_matches(size_t row, const struct smtpscope_reply *reply, const char *server)
{
    struct words words;

    words_read(&words, &reply->text);
    return phrase_applies(&phrases[row], &words, is_temporary(reply), server);
}

const char *phrase_server(size_t row)
{
    return phrases[row].server;
}

/*
 * RFC 3463 and its registry: what the subject and detail say when no phrase does. Left out is what servers use for
 * anything: X.7.0 and X.7.1 (greylisting, rates, reverse DNS, TLS ...), X.2.1 (rates, locks), X.3.2, X.4.5.
 */
static const struct enhanced_row {
    uint16_t subject, detail;
    enum smtpscope_reason reason;
} enhanced[] = {
    { 1, 1, SMTPSCOPE_REASON_RECIPIENT_UNVERIFIED }, { 1, 2, SMTPSCOPE_REASON_RECIPIENT_UNVERIFIED },
    { 1, 3, SMTPSCOPE_REASON_MAILBOX_SYNTAX }, { 1, 7, SMTPSCOPE_REASON_SENDER_UNVERIFIED },
    { 1, 8, SMTPSCOPE_REASON_SENDER_UNVERIFIED }, { 2, 2, SMTPSCOPE_REASON_MAILBOX_FULL }, { 2, 3, SMTPSCOPE_REASON_MESSAGE_SIZE },
    { 3, 1, SMTPSCOPE_REASON_SERVER_RESOURCES },
    { 3, 4, SMTPSCOPE_REASON_MESSAGE_SIZE }, { 3, 5, SMTPSCOPE_REASON_SERVER_ERROR }, { 3, 0, SMTPSCOPE_REASON_SERVER_ERROR },
    { 4, 2, SMTPSCOPE_REASON_TIMEOUT }, { 4, 3, SMTPSCOPE_REASON_SERVER_ERROR },
    { 5, 3, SMTPSCOPE_REASON_TOO_MANY_RECIPIENTS }, { 7, 8, SMTPSCOPE_REASON_CREDENTIALS },
    { 7, 10, SMTPSCOPE_REASON_TLS_REQUIRED }, { 7, 11, SMTPSCOPE_REASON_TLS_REQUIRED },
    { 7, 20, SMTPSCOPE_REASON_SENDER_AUTHENTICATION }, { 7, 23, SMTPSCOPE_REASON_SENDER_AUTHENTICATION },
    { 7, 24, SMTPSCOPE_REASON_SENDER_AUTHENTICATION }, { 7, 25, SMTPSCOPE_REASON_CLIENT_IDENTITY },
    { 7, 26, SMTPSCOPE_REASON_SENDER_AUTHENTICATION }, { 7, 28, SMTPSCOPE_REASON_RATE_LIMITED },
    { 7, 650, SMTPSCOPE_REASON_REPUTATION },
};

struct subject_detail {
    uint16_t subject, detail;
};

/* Reads "7.1" and what must stand behind it. */
static bool subject_detail_read(const char *at, const char *end, struct subject_detail *code)
{
    uint16_t *const parts[] = { &code->subject, &code->detail };

    for (size_t part = 0; part < 2; part++, at++) {
        const char *begin = at;

        for (*parts[part] = 0; at < end && *at >= '0' && *at <= '9' && at - begin < 3; at++)
            *parts[part] = (uint16_t)(*parts[part] * 10 + (*at - '0'));
        if (at == begin || at == end || *at != (part ? ')' : '.'))
            return false;
    }
    return true;
}

/* The enhanced code in its place (RFC 2034 4), or as qmail writes it, behind the text: "(#5.7.1)". False: there is none. */
static bool enhanced_find(const struct smtpscope_reply *reply, struct subject_detail *code)
{
    const char *at = reply->text.at, *end = at + reply->text.len;

    *code = (struct subject_detail){ reply->enhanced_subject, reply->enhanced_detail };
    if (reply->enhanced_class)
        return true;
    for (; end - at >= 8; at++)
        if (at[0] == '(' && at[1] == '#' && at[2] == (char)('0' + reply->code / 100) && at[3] == '.' &&
            subject_detail_read(at + 4, end, code))
            return true;
    return false;
}

static enum smtpscope_reason reason_of_enhanced(const struct smtpscope_reply *reply)
{
    struct subject_detail code;

    if (!enhanced_find(reply, &code))
        return SMTPSCOPE_REASON_NONE;
    for (size_t i = 0; i < sizeof enhanced / sizeof *enhanced; i++)
        if (enhanced[i].subject == code.subject && enhanced[i].detail == code.detail)
            return enhanced[i].reason;
    if (code.subject == 7 && code.detail >= 500 && code.detail < 600)
        return SMTPSCOPE_REASON_REPUTATION; /* Exchange Online */
    return SMTPSCOPE_REASON_NONE;
}

static enum smtpscope_reason reason_of_code(enum smtpscope_verb verb, const struct smtpscope_reply *reply)
{
    switch (reply->code) {
    case 450:
        return verb == SMTPSCOPE_VERB_RCPT && reply->enhanced_subject == 2 && !reply->enhanced_detail ? SMTPSCOPE_REASON_MAILBOX_BUSY
                                                                                                     : SMTPSCOPE_REASON_NONE;
    case 452: return SMTPSCOPE_REASON_SERVER_RESOURCES;
    case 421: /* with a policy's or the network's code it closes for another reason */
        return reply->enhanced_subject == 7 || reply->enhanced_subject == 4 ? SMTPSCOPE_REASON_NONE : SMTPSCOPE_REASON_SHUTTING_DOWN;
    case 432: case 435: return SMTPSCOPE_REASON_AUTH_TEMPORARY;
    case 454:
        if (verb == SMTPSCOPE_VERB_STARTTLS)
            return SMTPSCOPE_REASON_TLS_TEMPORARY;
        return verb == SMTPSCOPE_VERB_AUTH || verb == SMTPSCOPE_VERB_ANSWER ? SMTPSCOPE_REASON_AUTH_TEMPORARY : SMTPSCOPE_REASON_NONE;
    case 530: return SMTPSCOPE_REASON_AUTH_REQUIRED;
    case 535: return SMTPSCOPE_REASON_CREDENTIALS;
    case 534: case 538: return SMTPSCOPE_REASON_MECHANISM;
    case 521: case 556: return SMTPSCOPE_REASON_NO_SERVICE;
    }
    return SMTPSCOPE_REASON_NONE;
}

enum smtpscope_reason smtpscope_reason_of(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server)
{
    return reason_without(verb, reply, server, NULL);
}

enum smtpscope_reason reason_without(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server,
                                     const bool *left_out)
{
    return reason_from(reading_without(reply, server, left_out), verb, reply);
}

enum smtpscope_reason reason_from(enum reading reading, enum smtpscope_verb verb, const struct smtpscope_reply *reply)
{
    enum smtpscope_reason reason = SMTPSCOPE_REASON_NONE;

    if (reading_is_reason(reading))
        reason = (enum smtpscope_reason)reading;
    if (reason == SMTPSCOPE_REASON_NONE && (verb == SMTPSCOPE_VERB_STARTTLS || verb == SMTPSCOPE_VERB_AUTH || verb == SMTPSCOPE_VERB_ANSWER))
        reason = reason_of_code(verb, reply);
    if (reason == SMTPSCOPE_REASON_NONE)
        reason = reason_of_enhanced(reply);
    if (reason == SMTPSCOPE_REASON_NONE)
        reason = reason_of_code(verb, reply);
    return reason == SMTPSCOPE_REASON_NONE ? SMTPSCOPE_REASON_UNSPECIFIED : reason;
}

static const struct software_row {
    const char *pattern, *name;
} software[] = {
    { "postfix", "Postfix" }, { "exim", "Exim" }, { "sendmail", "Sendmail" }, { "microsoft esmtp", "Exchange" },
    { "opensmtpd", "OpenSMTPD" }, { "haraka", "Haraka" }, { "python smtp", "aiosmtpd" }, { "gsmtp", "Gmail" },
    { "hmailserver", "hMailServer" }, { "dovecot", "Dovecot" }, { "qmail", "qmail" }, { "courier", "Courier" },
    { "zimbra", "Zimbra" }, { "mdaemon", "MDaemon" }, { "mailenable", "MailEnable" }, { "kerio", "Kerio Connect" },
    { "domino", "Domino" }, { "stalwart", "Stalwart" }, { "maddy", "maddy" }, { "james", "Apache James" },
    { "amazon", "Amazon SES" }, { "ironport", "Cisco ESA" }, { "mimecast", "Mimecast" }, { "proofpoint", "Proofpoint" },
};

const char *server_of(const struct smtpscope_text *text)
{
    struct words words;

    words_read(&words, text);
    for (size_t i = 0; i < sizeof software / sizeof *software; i++)
        if (pattern_found(&words, software[i].pattern))
            return software[i].name;
    return "";
}
