/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text -> meaning. Addresses, host names in brackets and URLs are taken out first: what is in them is not the server's word
 * ("<quota@example.com>: unknown"). Then the first phrase of the table that is found decides; where none is, the enhanced
 * code does (RFC 3463); where there is none either, the code and the verb say what little they can.
 */
#include "reply_meaning.h"

#include "phrases.h"

#include <string.h>

uint16_t code_meant(const struct smtpscope_reply *reply)
{
    bool about_command = (reply->code > 400 && reply->code <= 404) || (reply->code == 400 && reply->enhanced.subject == 5);

    return (uint16_t)(about_command ? reply->code + 100 : reply->code);
}

static bool is_temporary(const struct smtpscope_reply *reply)
{
    uint16_t code = code_meant(reply);

    return code >= 400 && code < 500;
}

enum reply_meaning meaning_without(const struct smtpscope_reply *reply, const char *server, const bool *left_out)
{
    struct words words;
    size_t row;

    words_read(&words, &reply->text);
    row = phrase_first(&reply_phrases, &words, is_temporary(reply), server, left_out);
    return row < reply_phrases.count ? reply_phrases.rows[row].meaning : MEANING_NONE;
}

enum reply_meaning meaning_of(const struct smtpscope_reply *reply, const char *server)
{
    return meaning_without(reply, server, NULL);
}

size_t phrase_count(void)
{
    return reply_phrases.count;
}

bool phrase_matches(size_t row, const struct smtpscope_reply *reply, const char *server)
{
    struct words words;

    words_read(&words, &reply->text);
    return phrase_applies(&reply_phrases.rows[row], &words, is_temporary(reply), server);
}

const char *phrase_server(size_t row)
{
    return reply_phrases.rows[row].server;
}

/*
 * RFC 3463 and its registry: what the subject and detail say when no phrase does. Left out is what servers use for
 * anything: X.7.0 and X.7.1 (greylisting, rates, reverse DNS, TLS ...), X.2.1 (rates, locks), X.3.2, X.4.5.
 */
static const struct enhanced_row {
    uint16_t subject, detail;
    enum smtpscope_reason reason;
} enhanced[] = {
    {1, 1, SMTPSCOPE_REASON_RECIPIENT_UNVERIFIED},
    {1, 2, SMTPSCOPE_REASON_RECIPIENT_UNVERIFIED},
    {1, 3, SMTPSCOPE_REASON_MAILBOX_SYNTAX},
    {1, 6, SMTPSCOPE_REASON_MAILBOX_UNKNOWN},
    {1, 7, SMTPSCOPE_REASON_SENDER_UNVERIFIED},
    {1, 8, SMTPSCOPE_REASON_SENDER_UNVERIFIED},
    {2, 2, SMTPSCOPE_REASON_MAILBOX_FULL},
    {2, 3, SMTPSCOPE_REASON_MESSAGE_SIZE},
    {3, 1, SMTPSCOPE_REASON_SERVER_RESOURCES},
    {3, 4, SMTPSCOPE_REASON_MESSAGE_SIZE},
    {3, 5, SMTPSCOPE_REASON_SERVER_ERROR},
    {3, 0, SMTPSCOPE_REASON_SERVER_ERROR},
    {4, 2, SMTPSCOPE_REASON_TIMEOUT},
    {4, 3, SMTPSCOPE_REASON_SERVER_ERROR},
    {5, 3, SMTPSCOPE_REASON_TOO_MANY_RECIPIENTS},
    {7, 8, SMTPSCOPE_REASON_CREDENTIALS},
    {7, 10, SMTPSCOPE_REASON_TLS_REQUIRED},
    {7, 11, SMTPSCOPE_REASON_TLS_REQUIRED},
    {7, 20, SMTPSCOPE_REASON_SENDER_AUTHENTICATION},
    {7, 23, SMTPSCOPE_REASON_SENDER_AUTHENTICATION},
    {7, 24, SMTPSCOPE_REASON_SENDER_AUTHENTICATION},
    {7, 25, SMTPSCOPE_REASON_CLIENT_IDENTITY},
    {7, 26, SMTPSCOPE_REASON_SENDER_AUTHENTICATION},
    {7, 27, SMTPSCOPE_REASON_SENDER_UNVERIFIED},
    {7, 28, SMTPSCOPE_REASON_RATE_LIMITED},
    {7, 650, SMTPSCOPE_REASON_REPUTATION},
};

struct subject_detail {
    uint16_t subject, detail;
};

/* Reads "7.1" and what must stand behind it. */
static bool subject_detail_read(const char *at, const char *end, struct subject_detail *code)
{
    uint16_t *const parts[] = {&code->subject, &code->detail};

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

    *code = (struct subject_detail){reply->enhanced.subject, reply->enhanced.detail};
    if (reply->enhanced.klass)
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
    if (!is_temporary(reply) && code.subject == 1 && (code.detail == 1 || code.detail == 2))
        return SMTPSCOPE_REASON_MAILBOX_UNKNOWN; /* for good, it is no lookup that failed */
    for (size_t i = 0; i < sizeof enhanced / sizeof *enhanced; i++)
        if (enhanced[i].subject == code.subject && enhanced[i].detail == code.detail)
            return enhanced[i].reason;
    if (code.subject == 7 && code.detail >= 500 && code.detail < 600)
        return SMTPSCOPE_REASON_REPUTATION; /* Exchange Online */
    if (code.subject == 7 && code.detail <= 1 && is_temporary(reply))
        return SMTPSCOPE_REASON_POLICY; /* that much it says */
    return SMTPSCOPE_REASON_NONE;
}

static enum smtpscope_reason reason_of_code(enum smtpscope_verb verb, const struct smtpscope_reply *reply)
{
    bool auth = verb == SMTPSCOPE_VERB_AUTH || verb == SMTPSCOPE_VERB_ANSWER;

    switch (reply->code) {
    case 450:
        return verb == SMTPSCOPE_VERB_RCPT && reply->enhanced.subject == 2 && !reply->enhanced.detail
                   ? SMTPSCOPE_REASON_MAILBOX_BUSY
                   : SMTPSCOPE_REASON_NONE;
    case 452: return SMTPSCOPE_REASON_SERVER_RESOURCES;
    case 421: /* with a policy's or the network's code it closes for another reason */
        return reply->enhanced.subject == 7 || reply->enhanced.subject == 4 ? SMTPSCOPE_REASON_NONE
                                                                            : SMTPSCOPE_REASON_SHUTTING_DOWN;
    case 432:
    case 435: return auth ? SMTPSCOPE_REASON_AUTH_TEMPORARY : SMTPSCOPE_REASON_NONE; /* Courier has them for others */
    case 454:
        if (verb == SMTPSCOPE_VERB_STARTTLS)
            return SMTPSCOPE_REASON_TLS_TEMPORARY;
        return auth ? SMTPSCOPE_REASON_AUTH_TEMPORARY : SMTPSCOPE_REASON_NONE;
    case 530: return SMTPSCOPE_REASON_AUTH_REQUIRED;
    case 535: return SMTPSCOPE_REASON_CREDENTIALS;
    case 534: return auth ? SMTPSCOPE_REASON_MECHANISM : SMTPSCOPE_REASON_NONE;
    case 538: return SMTPSCOPE_REASON_MECHANISM;
    case 521:
    case 556: return SMTPSCOPE_REASON_NO_SERVICE;
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
    return reason_from(meaning_without(reply, server, left_out), verb, reply);
}

enum smtpscope_reason reason_from(enum reply_meaning meaning, enum smtpscope_verb verb, const struct smtpscope_reply *reply)
{
    enum smtpscope_reason reason = SMTPSCOPE_REASON_NONE;

    if (meaning == MEANING_CLIENT_GONE || meaning == MEANING_SYNTAX)
        return SMTPSCOPE_REASON_UNSPECIFIED; /* nothing on the server's side is why */
    if (meaning == MEANING_CLOSED_TO_CLIENT)
        return SMTPSCOPE_REASON_POLICY;
    if (meaning_is_form(meaning) && (verb == SMTPSCOPE_VERB_EOD || verb == SMTPSCOPE_VERB_BDAT))
        return SMTPSCOPE_REASON_MESSAGE_FORM;
    if (meaning == MEANING_DNS)
        return verb == SMTPSCOPE_VERB_MAIL   ? SMTPSCOPE_REASON_SENDER_UNVERIFIED
               : verb == SMTPSCOPE_VERB_RCPT ? SMTPSCOPE_REASON_RECIPIENT_UNVERIFIED
                                             : SMTPSCOPE_REASON_SERVER_ERROR;
    if (meaning == MEANING_POLICY && reply->enhanced.klass && (reply->enhanced.subject == 1 || reply->enhanced.subject == 2))
        reason = reason_of_enhanced(reply); /* "rejected" is said of everything, 5.1.1 is not */
    if (reason == SMTPSCOPE_REASON_NONE && meaning_is_reason(meaning))
        reason = (enum smtpscope_reason)meaning;
    if (reason == SMTPSCOPE_REASON_NONE &&
        (verb == SMTPSCOPE_VERB_STARTTLS || verb == SMTPSCOPE_VERB_AUTH || verb == SMTPSCOPE_VERB_ANSWER))
        reason = reason_of_code(verb, reply);
    if (reason == SMTPSCOPE_REASON_NONE)
        reason = reason_of_enhanced(reply);
    if (reason == SMTPSCOPE_REASON_NONE)
        reason = reason_of_code(verb, reply);
    return reason == SMTPSCOPE_REASON_NONE ? SMTPSCOPE_REASON_UNSPECIFIED : reason;
}

static size_t software_row(const struct smtpscope_text *text)
{
    struct words words;

    words_read(&words, text);
    return phrase_first(&software_phrases, &words, false, "", NULL);
}

/* RFC 5321 4.2: first comes the host's name, which may be "exim.example" and run Postfix. */
uint8_t server_of(const struct smtpscope_text *text)
{
    const char *space = text->len ? memchr(text->at, ' ', text->len) : NULL;
    size_t name = space ? (size_t)(space - text->at) : text->len;
    size_t row = software_row(&(struct smtpscope_text){text->at + name, text->len - name});

    if (row < software_phrases.count)
        return (uint8_t)(row + 1);
    row = software_row(&(struct smtpscope_text){text->at, name});
    return row >= software_count && row < software_phrases.count ? (uint8_t)(row + 1) : 0;
}

const char *server_name(uint8_t server)
{
    return server ? software_phrases.rows[server - 1].server : "";
}
