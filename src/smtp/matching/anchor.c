/* SPDX-License-Identifier: BSD-2-Clause */
/* Codes and texts that can answer one thing only, as a table; and how a reply fits a command that waits. */
#include "anchor.h"

#include "smtp/syntax/octets.h"
#include "smtp/syntax/offer.h"

#define BIT(verb) ((uint64_t)1 << SMTPSCOPE_VERB_##verb)
#define LOGIN (BIT(AUTH) | BIT(XEXPS) | BIT(ANSWER))
#define MESSAGE (BIT(EOD) | BIT(BDAT) | BIT(BURL))
_Static_assert(SMTPSCOPE_VERBS <= 64, "a bit each in struct anchor");

static const struct anchor_row {
    uint16_t code;
    uint16_t subject_detail; /* of an enhanced code 2.x.y, x * 1000 + y; 0: whatever it is */
    const char *words;       /* in upper case, anywhere in the first line; NULL: whatever it says */
    enum smtpscope_verb likely;
    uint64_t verbs;
} anchors[] = {
    {211, 0, NULL, SMTPSCOPE_VERB_HELP, BIT(HELP)},
    {214, 0, NULL, SMTPSCOPE_VERB_HELP, BIT(HELP)},
    {220, 0, NULL, SMTPSCOPE_VERB_STARTTLS, BIT(STARTTLS) | BIT(XCLIENT)},
    {221, 0, NULL, SMTPSCOPE_VERB_QUIT, BIT(QUIT) | BIT(PROXY)}, /* version 2 of the header has a line "QUIT" in it */
    {235, 0, NULL, SMTPSCOPE_VERB_AUTH, LOGIN},
    {253, 0, NULL, SMTPSCOPE_VERB_ETRN, BIT(ETRN)},
    {334, 0, NULL, SMTPSCOPE_VERB_AUTH, LOGIN},
    {353, 0, NULL, SMTPSCOPE_VERB_EOD, MESSAGE}, /* PRDR: a reply a recipient follows, and the message's */
    {354, 0, NULL, SMTPSCOPE_VERB_DATA, BIT(DATA) | BIT(XEXCH50)},
    {250, 1000, NULL, SMTPSCOPE_VERB_MAIL, BIT(MAIL)},
    {250, 1005, NULL, SMTPSCOPE_VERB_RCPT, BIT(RCPT) | BIT(VRFY) | BIT(EXPN) | MESSAGE}, /* LMTP has a reply a recipient */
    {250, 6000, NULL, SMTPSCOPE_VERB_EOD, MESSAGE},
    {250, 0, "QUEUED", SMTPSCOPE_VERB_EOD, MESSAGE},                /* Postfix, Exchange, Haraka */
    {250, 0, "ACCEPTED FOR DELIVERY", SMTPSCOPE_VERB_EOD, MESSAGE}, /* Sendmail */
    {250, 0, "MESSAGE ACCEPTED", SMTPSCOPE_VERB_EOD, MESSAGE},
    {250, 0, "OK ID=", SMTPSCOPE_VERB_EOD, MESSAGE}, /* Exim */
    {250, 0, " QP ", SMTPSCOPE_VERB_EOD, MESSAGE},   /* qmail: "ok 1700000000 qp 12345" */
};

static bool text_has(const struct smtpscope_text *text, const char *words)
{
    size_t len = strlen(words);

    for (size_t at = 0; at + len <= text->len; at++)
        if (starts_with(text->at + at, text->len - at, words))
            return true;
    return false;
}

static bool row_fits(const struct anchor_row *row, const struct smtpscope_reply *reply)
{
    return row->code == reply->code &&
           (!row->subject_detail ||
            (reply->enhanced.klass == 2 && row->subject_detail == reply->enhanced.subject * 1000 + reply->enhanced.detail)) &&
           (!row->words || text_has(&reply->first, row->words));
}

struct anchor anchor_of(const struct smtpscope_reply *reply)
{
    if (reply->code >= 400)
        return (struct anchor){0, SMTPSCOPE_VERB_NONE};
    if (reply->lines > 1 && reply->code == 250 && offer_read(reply).extensions)
        return (struct anchor){BIT(EHLO) | BIT(LHLO), SMTPSCOPE_VERB_EHLO};
    for (size_t i = 0; i < sizeof anchors / sizeof *anchors; i++)
        if (row_fits(&anchors[i], reply))
            return (struct anchor){anchors[i].verbs, anchors[i].likely};
    return (struct anchor){0, SMTPSCOPE_VERB_NONE};
}

/* A line that is no command, or none that anybody knows. */
static bool is_unknown(enum smtpscope_verb verb)
{
    return verb == SMTPSCOPE_VERB_RAW || verb == SMTPSCOPE_VERB_UNKNOWN;
}

/* RFC 5321 4.5.1: what every server must know. EHLO is one of them, and yet old servers do not. */
static bool is_known_everywhere(enum smtpscope_verb verb)
{
    return (smtpscope_verb_family(verb) == SMTPSCOPE_FAMILY_MANDATORY && verb != SMTPSCOPE_VERB_EHLO) ||
           verb == SMTPSCOPE_VERB_EOD || verb == SMTPSCOPE_VERB_XEXCH50; /* nobody asks for it where it is not offered */
}

static enum fit fit_of_refusal(enum smtpscope_verb verb, uint16_t code)
{
    if (code != 500 && code != 502)
        return FIT_MAY;
    return is_unknown(verb) ? FIT_NAMES : is_known_everywhere(verb) ? FIT_ODD : FIT_MAY;
}

enum fit fit_at_once(enum smtpscope_verb verb, const struct smtpscope_reply *reply)
{
    if (reply->code >= 400)
        return fit_of_refusal(verb, reply->code) == FIT_MAY ? FIT_MAY : FIT_NO;
    if (!smtpscope_verb_allows(verb, reply->code))
        return FIT_NO;
    if (reply->code != 250)
        return FIT_NAMES;
    if (reply->enhanced.klass == 2 && reply->enhanced.subject == 1)
        return (verb == SMTPSCOPE_VERB_MAIL && reply->enhanced.detail == 0) ||
                       (verb == SMTPSCOPE_VERB_RCPT && reply->enhanced.detail == 5)
                   ? FIT_NAMES
                   : FIT_NO;
    return reply->lines == 1 ? FIT_MAY : smtpscope_verb_hello(verb) == SMTPSCOPE_HELLO_EHLO ? FIT_NAMES : FIT_NO;
}

enum fit fit_of_verb(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const struct anchor *anchor)
{
    uint16_t code = reply->code;

    if (code >= 400)
        return fit_of_refusal(verb, code);
    if (is_unknown(verb))
        return anchor->verbs ? FIT_NO : FIT_ODD;
    if (!smtpscope_verb_allows(verb, code))
        return FIT_NO;
    if (!anchor->verbs)
        return FIT_MAY;
    return anchor->verbs >> verb & 1 ? FIT_NAMES : FIT_ODD;
}

/* An octet that goes on with a word or an address. */
static bool goes_on(char c)
{
    return kind_of(c) & (KIND_ATEXT | KIND_DOT) || c == '@';
}

/* Does the text have the word, and not as a part of another? In whatever case. */
static bool text_names(const struct smtpscope_text *text, const struct smtpscope_text *word)
{
    for (size_t at = 0; word->len && at + word->len <= text->len; at++) {
        size_t same = 0, end = at + word->len;

        while (same < word->len && (text->at[at + same] | 0x20) == (word->at[same] | 0x20))
            same++;
        if (same == word->len && (!at || !goes_on(text->at[at - 1])) && (end == text->len || !goes_on(text->at[end])))
            return true;
    }
    return false;
}

bool reply_repeats(const struct smtpscope_reply *reply, const struct smtpscope_command *command)
{
    if (command->verb == SMTPSCOPE_VERB_UNKNOWN)
        return reply->code >= 400 && text_names(&reply->text, &command->name);
    return (command->verb == SMTPSCOPE_VERB_MAIL || command->verb == SMTPSCOPE_VERB_RCPT) &&
           text_names(&reply->text, &command->path);
}
