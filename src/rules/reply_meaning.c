/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reply -> reason. The words come first, as far as a phrase of the tables is found in them. A phrase that says little yields to an
 * enhanced code (RFC 3463) that says something; where there are neither, the code and the step say what little they can.
 */
#include "reply_meaning.h"

#include "rules/reading/learned.h"
#include "rules/reading/phrases.h"

#include "base/digits.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

uint16_t code_meant(const struct smtpscope_reply *reply)
{
    bool about_command = (reply->code > 400 && reply->code <= 404) || (reply->code == 400 && reply->enhanced.subject == 5);

    return (uint16_t)(about_command ? reply->code + 100 : reply->code);
}

/* --- when it was said */

static unsigned step_of(enum smtpscope_verb verb)
{
    switch (verb) {
    case SMTPSCOPE_VERB_NONE:
    case SMTPSCOPE_VERB_EHLO:
    case SMTPSCOPE_VERB_HELO: return AT_OPEN;
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_ANSWER: return AT_AUTH;
    case SMTPSCOPE_VERB_STARTTLS: return AT_TLS;
    case SMTPSCOPE_VERB_MAIL: return AT_MAIL;
    case SMTPSCOPE_VERB_RCPT: return AT_RCPT;
    case SMTPSCOPE_VERB_DATA: return AT_DATA;
    case SMTPSCOPE_VERB_BDAT:
    case SMTPSCOPE_VERB_EOD: return AT_END;
    default: return AT_OTHER;
    }
}

static unsigned when_of(enum smtpscope_verb verb, const struct smtpscope_reply *reply)
{
    uint16_t code = code_meant(reply);

    return step_of(verb) | (code >= 400 && code < 500 ? TEMPORARY : PERMANENT) | (code == 421 ? CLOSING : 0);
}

/* Is `when` what the row asks for? */
static bool when_is(unsigned row, unsigned when)
{
    unsigned codes = row & CODES, steps = row & ~(unsigned)CODES;

    return (!codes || codes & when) && (!steps || steps & when);
}

/* --- words */

struct step_reason {
    enum reply_meaning meaning;
    unsigned when;
    enum smtpscope_reason reason;
};

static const struct step_reason steps[] = {
#define AT_STEP(meaning, when, reason) {MEANING_##meaning, when, SMTPSCOPE_REASON_##reason},
#include "rules/reading/steps.def"
};

/* The reason that a meaning is at this step; REASON_NONE: it is none for mail. */
static enum smtpscope_reason reason_at(enum reply_meaning meaning, unsigned when)
{
    for (size_t i = 0; i < COUNT(steps); i++)
        if (steps[i].meaning == meaning && when_is(steps[i].when, when))
            return steps[i].reason;
    return meaning_is_reason(meaning) && meaning != MEANING_UNSPECIFIED ? (enum smtpscope_reason)meaning
                                                                        : SMTPSCOPE_REASON_NONE;
}

/* --- codes */

enum strength { WEAK, STRONG, CERTAIN, STRENGTHS };

static const struct enhanced_reason {
    uint16_t subject, first, last;
    unsigned when;
    enum strength strength;
    enum smtpscope_reason reason;
} enhanced_rows[] = {
#define ENHANCED_REASON(subject, first, last, when, strength, reason)                                                          \
    {subject, first, last, when, strength, SMTPSCOPE_REASON_##reason},
#define ENHANCED_OUTWEIGHS(reason, words)
#include "rules/reading/enhanced_codes.def"
};

static const struct outweighed {
    enum smtpscope_reason reason, words;
} outweighed[] = {
#define ENHANCED_REASON(subject, first, last, when, strength, reason)
#define ENHANCED_OUTWEIGHS(reason, words) {SMTPSCOPE_REASON_##reason, SMTPSCOPE_REASON_##words},
#include "rules/reading/enhanced_codes.def"
};

static const struct code_reason {
    uint16_t code;
    unsigned when;
    bool bare; /* only where there are no words */
    enum smtpscope_reason reason;
} code_rows[] = {
#define CODE_REASON(code, when, reason) {code, when, false, SMTPSCOPE_REASON_##reason},
#define BARE_CODE_REASON(code, when, reason) {code, when, true, SMTPSCOPE_REASON_##reason},
#include "rules/reading/reply_codes.def"
};

/* Reads "7.1" and what must stand behind it. */
static bool subject_detail_read(const char *at, const char *end, struct smtpscope_enhanced *code)
{
    uint16_t *const numbers[] = {&code->subject, &code->detail};

    for (size_t number = 0; number < COUNT(numbers); number++, at++) {
        const char *begin = at;

        for (*numbers[number] = 0; at < end && *at >= '0' && *at <= '9' && at - begin < 3; at++)
            *numbers[number] = (uint16_t)(*numbers[number] * 10 + (*at - '0'));
        if (at == begin || at == end || (number ? *at >= '0' && *at <= '9' : *at != '.'))
            return false;
    }
    return true;
}

/* The enhanced code in its place (RFC 2034 4), or as qmail and others write it in the text: "(#5.7.1)". Class 0: there is none. */
static struct smtpscope_enhanced enhanced_of(const struct smtpscope_reply *reply)
{
    const char *at = reply->text.at, *end = at + reply->text.len;
    struct smtpscope_enhanced code = reply->enhanced;

    for (; !code.klass && end - at >= 7; at++)
        if (at[0] == '#' && at[1] == (char)('0' + reply->code / 100) && at[2] == '.' && subject_detail_read(at + 3, end, &code))
            code.klass = (uint8_t)(reply->code / 100);
    return code;
}

/* What an enhanced code says, by strength; REASON_NONE: nothing of that strength. */
struct enhanced_told {
    enum smtpscope_reason reasons[STRENGTHS];
};

static struct enhanced_told enhanced_tell(struct smtpscope_enhanced code, unsigned when)
{
    struct enhanced_told told = {{SMTPSCOPE_REASON_NONE}};

    for (size_t i = 0; code.klass && i < COUNT(enhanced_rows) && enhanced_rows[i].subject <= code.subject; i++) {
        const struct enhanced_reason *row = &enhanced_rows[i];

        if (row->subject == code.subject && code.detail >= row->first && code.detail <= row->last && when_is(row->when, when) &&
            told.reasons[row->strength] == SMTPSCOPE_REASON_NONE)
            told.reasons[row->strength] = reason_at((enum reply_meaning)row->reason, when);
    }
    return told;
}

static bool outweighs(enum smtpscope_reason enhanced, enum smtpscope_reason words)
{
    for (size_t i = 0; i < COUNT(outweighed); i++)
        if (outweighed[i].reason == enhanced && outweighed[i].words == words)
            return true;
    return false;
}

static enum smtpscope_reason reason_of_code(uint16_t code, struct smtpscope_enhanced enhanced, unsigned when, bool bare)
{
    /* With a policy's or the network's enhanced code it closes for another reason. */
    if (code == 421 && enhanced.klass && (enhanced.subject == 7 || enhanced.subject == 4))
        return SMTPSCOPE_REASON_NONE;
    for (size_t i = 0; i < COUNT(code_rows); i++)
        if (code_rows[i].code == code && when_is(code_rows[i].when, when) && (bare || !code_rows[i].bare))
            return code_rows[i].reason;
    return SMTPSCOPE_REASON_NONE;
}

/* --- all of it */

static bool settle(struct reading *reading, enum reading_source source, enum smtpscope_reason reason)
{
    if (reason == SMTPSCOPE_REASON_NONE)
        return false;
    reading->source = source;
    reading->reason = reason;
    return true;
}

/* What speaks loudest comes first. */
static void reason_find(struct reading *reading, const struct smtpscope_reply *reply, unsigned when, bool bare)
{
    struct smtpscope_enhanced enhanced = enhanced_of(reply);
    struct enhanced_told says = enhanced_tell(enhanced, when);
    enum smtpscope_reason words = reason_at(reading->meaning, when);
    enum smtpscope_reason code = reason_of_code(reply->code, enhanced, when, bare);

    if (settle(reading, SOURCE_ENHANCED, says.reasons[CERTAIN]))
        return;
    if (outweighs(says.reasons[STRONG], words) && settle(reading, SOURCE_ENHANCED, says.reasons[STRONG]))
        return;
    if (!reading->weak && settle(reading, SOURCE_PHRASE, words))
        return;
    if (when & (AT_AUTH | AT_TLS) && settle(reading, SOURCE_CODE, code))
        return;
    if (settle(reading, SOURCE_ENHANCED, says.reasons[STRONG]) || settle(reading, SOURCE_PHRASE, words) ||
        settle(reading, SOURCE_ENHANCED, says.reasons[WEAK]))
        return;
    settle(reading, SOURCE_CODE, code);
}

static struct learned_reply learned_reply_of(const struct reading *reading, const struct smtpscope_reply *reply,
                                             const struct words *words)
{
    return (struct learned_reply){words, reading->classes, reading->when, reply->code, enhanced_of(reply)};
}

void reading_features(const struct reading *reading, const struct smtpscope_reply *reply,
                      void (*take)(void *ctx, const char *feature, size_t len), void *ctx)
{
    struct learned_reply learned;
    struct words words;

    words_read(&words, &reply->text);
    learned = learned_reply_of(reading, reply, &words);
    learned_features(&learned, take, ctx);
}

bool reading_is_silent(const struct reading *reading)
{
    switch (reading->reason) {
    case SMTPSCOPE_REASON_UNSPECIFIED: return reading->meaning == MEANING_NONE;
    case SMTPSCOPE_REASON_POLICY: return reading->weak || reading->source == SOURCE_ENHANCED;
    case SMTPSCOPE_REASON_SHUTTING_DOWN: return reading->source == SOURCE_CODE;
    default: return false;
    }
}

struct reading reading_of_words(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server,
                                const bool *left_out)
{
    struct reading reading = {.meaning = MEANING_NONE, .reason = SMTPSCOPE_REASON_UNSPECIFIED};
    unsigned when = when_of(verb, reply);
    struct phrase_find find;
    struct words words;

    words_read(&words, &reply->text);
    find = phrase_find(&reply_phrases, &words, when, server, left_out);
    reading.classes = find.classes;
    reading.when = when;
    if (find.row < reply_phrases.count) {
        reading.meaning = reply_phrases.rows[find.row].meaning;
        reading.row = (uint16_t)find.row;
        reading.weak = reply_phrases.rows[find.row].weak;
    }
    reason_find(&reading, reply, when, words.count == 0);
    return reading;
}

void reading_learned(struct reading *reading, const struct smtpscope_reply *reply)
{
    struct learned_reply learned;
    struct words words;

    if (!reading_is_silent(reading))
        return;
    words_read(&words, &reply->text);
    learned = learned_reply_of(reading, reply, &words);
    settle(reading, SOURCE_LEARNED, learned_reason(&learned));
}

struct reading reading_of(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server,
                          const bool *left_out)
{
    struct reading reading = reading_of_words(verb, reply, server, left_out);

    reading_learned(&reading, reply);
    return reading;
}

enum smtpscope_reason smtpscope_reason_of(enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server)
{
    return reading_of(verb, reply, server, NULL).reason;
}

/* --- what decided */

static size_t number_put(char *to, unsigned number)
{
    size_t digits = digits_count(number);

    digits_put(to, number, (unsigned)digits);
    return digits;
}

static size_t text_put(char *to, const char *text)
{
    size_t len = strlen(text);

    memcpy(to, text, len);
    return len;
}

size_t reading_evidence(const struct reading *reading, const struct smtpscope_reply *reply, char *to)
{
    static const char *const names[] = {
        [SOURCE_NONE] = "",      [SOURCE_PHRASE] = "phrase: ", [SOURCE_ENHANCED] = "enhanced ",
        [SOURCE_CODE] = "code ", [SOURCE_STATE] = "state",     [SOURCE_LEARNED] = "learned: ",
    };
    struct smtpscope_enhanced enhanced = enhanced_of(reply);
    size_t len = text_put(to, names[reading->source]);
    struct learned_reply learned;
    struct words words;

    if (reading->source == SOURCE_PHRASE) {
        words_read(&words, &reply->text);
        return len + phrase_quote(&reply_phrases, reading->row, &words, to + len, SMTPSCOPE_EVIDENCE_SIZE - len);
    }
    if (reading->source == SOURCE_LEARNED) {
        words_read(&words, &reply->text);
        learned = learned_reply_of(reading, reply, &words);
        return len + learned_quote(&learned, reading->reason, to + len, SMTPSCOPE_EVIDENCE_SIZE - len);
    }
    if (reading->source == SOURCE_ENHANCED) {
        const unsigned numbers[] = {enhanced.klass, enhanced.subject, enhanced.detail};

        for (size_t i = 0; i < COUNT(numbers); i++) {
            len += i ? text_put(to + len, ".") : 0;
            len += number_put(to + len, numbers[i]);
        }
    }
    if (reading->source == SOURCE_CODE)
        len += number_put(to + len, reply->code);
    to[len] = '\0';
    return len;
}

size_t phrase_count(void)
{
    return reply_phrases.count;
}

bool phrase_matches(size_t row, enum smtpscope_verb verb, const struct smtpscope_reply *reply, const char *server)
{
    struct words words;

    words_read(&words, &reply->text);
    return phrase_applies(&reply_phrases, row, &words, when_of(verb, reply), server);
}

const char *phrase_server(size_t row)
{
    return reply_phrases.rows[row].server;
}

/* --- the software */

static size_t software_row(const struct smtpscope_text *text)
{
    struct words words;

    words_read(&words, text);
    return phrase_find(&software_phrases, &words, ANY, "", NULL).row;
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
