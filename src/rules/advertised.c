/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an EHLO reply says beyond its keywords, against what the client then does: the mechanisms of AUTH (RFC 4954 3) and
 * the numbers of LIMITS (RFC 9422 4).
 */
#include "detectors.h"

#include <string.h>

/* Bits of judge->mechanisms in this order. */
enum { NO, YES };
static const struct mechanism {
    const char *name;
    bool exposes;
} mechanisms[] = {
#define MECHANISM(name, exposes) {name, exposes},
#include "smtpscope/mechanisms.def"
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool word_is(const char *at, size_t len, const char *word)
{
    return strlen(word) == len && !memcmp(at, word, len);
}

static uint32_t mechanism_bit(const char *at, size_t len)
{
    for (size_t i = 0; i < COUNT(mechanisms); i++)
        if (word_is(at, len, mechanisms[i].name))
            return 1u << i;
    return 0;
}

/* The next word of a line, without what separates it. False at the line's end. */
static bool word_next(const char **at, const char *end, struct smtpscope_text *word)
{
    const char *here = *at;

    while (here < end && (*here == ' ' || *here == '='))
        here++;
    word->at = here;
    while (here < end && *here != ' ' && *here != '=' && *here != '\r')
        here++;
    word->len = (size_t)(here - word->at);
    *at = here;
    return word->len > 0;
}

static uint32_t number_of(struct smtpscope_text word)
{
    uint32_t value = 0;

    for (size_t i = 0; i < word.len && word.at[i] >= '0' && word.at[i] <= '9' && value < UINT32_MAX / 16; i++)
        value = value * 10 + (uint32_t)(word.at[i] - '0');
    return value;
}

static void limits_read(struct session_memory *memory, const char *at, const char *end)
{
    struct smtpscope_text name, value;

    while (memory && word_next(&at, end, &name) && word_next(&at, end, &value)) {
        if (word_is(name.at, name.len, "RCPTMAX"))
            memory->session.limit_rcpt = number_of(value);
        else if (word_is(name.at, name.len, "MAILMAX"))
            memory->session.limit_mail = number_of(value);
    }
}

static void line_read(struct smtpscope_judge *judge, const char *at, const char *end)
{
    struct smtpscope_text word;

    if (!word_next(&at, end, &word))
        return;
    if (word_is(word.at, word.len, "LIMITS"))
        limits_read(memory_begin(judge), at, end);
    else if (word_is(word.at, word.len, "AUTH"))
        while (word_next(&at, end, &word))
            judge->mechanisms |= mechanism_bit(word.at, word.len);
}

void advertised_read(struct smtpscope_judge *judge, const struct smtpscope_reply *reply)
{
    const char *at = reply->text.at, *end = at + reply->text.len, *line_end;

    judge->mechanisms = 0;
    if (judge->memory)
        judge->memory->session.limit_rcpt = judge->memory->session.limit_mail = 0;
    for (; at < end; at = line_end + 1) {
        line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            line_end = end;
        if (*at == 'A' || *at == 'L' || *at == ' ' || *at == '=') /* a line of the others is passed over at once */
            line_read(judge, at, line_end);
    }
}

bool mechanism_is_listed(const struct smtpscope_judge *judge, const struct smtpscope_command *command)
{
    return judge->mechanisms & mechanism_bit(command->argument.at, command->argument.len);
}

bool mechanism_hides(const struct smtpscope_text *name)
{
    for (size_t i = 0; i < COUNT(mechanisms); i++)
        if (word_is(name->at, name->len, mechanisms[i].name))
            return !mechanisms[i].exposes;
    return false;
}

/* AUTH with a mechanism of the registry that the server did not list: whatever it answered, the client should have known. */
static uint16_t mechanism_report(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_text *name = &exchange->command->argument;
    uint32_t bit = mechanism_bit(name->at, name->len);
    struct claim claim = {.rule = SMTPSCOPE_RULE_REJECTION_EXTENSION_NOT_ADVERTISED,
                          .exchange = exchange,
                          .severity = SEVERITY(NOTICE),
                          .fault = SMTPSCOPE_FAULT_CLIENT,
                          .verdict =
                              exchange->reply->code < 400 ? SMTPSCOPE_VERDICT_TOLERATED : SMTPSCOPE_VERDICT_REFUSED_OTHER,
                          .detail = SMTPSCOPE_DETAIL_KEYWORD_MISSING};
    char text[32] = "AUTH ";

    if (!bit || is_alien(judge) || !judge->mechanisms || judge->mechanisms & bit || exchange->before->doubt ||
        name->len > sizeof text - 5)
        return 0;
    memcpy(text + 5, name->at, name->len);
    claim.detail_text = (struct smtpscope_text){text, 5 + name->len};
    return note_add(judge, &claim);
}

void judge_mechanism(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    uint16_t note = exchange->command->verb == SMTPSCOPE_VERB_AUTH ? mechanism_report(judge, exchange) : 0;

    if (note)
        judge->memory->last.mechanism = note;
}

/* RFC 9422 4.1, 4.2: more MAILs in a session, or RCPTs in a transaction, than the server said it takes. */
void judge_limits(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    struct session_memory *memory = judge->memory;
    enum smtpscope_verb verb = exchange->command->verb;
    const char *name = NULL;

    if (verb == SMTPSCOPE_VERB_RCPT && memory->session.limit_rcpt &&
        judge->transaction.recipients == memory->session.limit_rcpt + 1)
        name = "LIMITS RCPTMAX";
    else if (verb == SMTPSCOPE_VERB_MAIL && memory->session.limit_mail &&
             ++memory->session.mails == memory->session.limit_mail + 1)
        name = "LIMITS MAILMAX";
    if (name)
        note_add(judge, &(struct claim){.rule = SMTPSCOPE_RULE_COMMAND_TOO_MANY_RECIPIENTS,
                                        .exchange = exchange,
                                        .fault = SMTPSCOPE_FAULT_CLIENT,
                                        .detail = SMTPSCOPE_DETAIL_LIMIT,
                                        .detail_text = {name, strlen(name)}});
}
