/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a command or a reply itself, whatever was meant by it. */
#include "detectors.h"

#include <string.h>

/* RFC 5321 4.5.3.2: how long a client must wait, in seconds. */
static const struct {
    enum smtpscope_verb verb;
    unsigned wait;
} waits[] = {
    {SMTPSCOPE_VERB_NONE, 300}, {SMTPSCOPE_VERB_MAIL, 300}, {SMTPSCOPE_VERB_RCPT, 300},
    {SMTPSCOPE_VERB_DATA, 120}, {SMTPSCOPE_VERB_EOD, 600},
};
#define OTHER_WAIT 300
#define SHORTEST_WAIT 120

struct row {
    uint32_t oddity;
    enum smtpscope_rule rule;
    enum smtpscope_detail detail;
};

static const struct row reply_rows[] = {
    {SMTPSCOPE_REPLY_MALFORMED, SMTPSCOPE_RULE_REPLY_MALFORMED, SMTPSCOPE_DETAIL_NONE},
    {SMTPSCOPE_REPLY_CODE_CHANGES, SMTPSCOPE_RULE_REPLY_CODE_CHANGES, SMTPSCOPE_DETAIL_NONE},
    {SMTPSCOPE_REPLY_TOO_LONG, SMTPSCOPE_RULE_REPLY_TOO_LONG, SMTPSCOPE_DETAIL_NONE},
    {SMTPSCOPE_REPLY_BARE_LF, SMTPSCOPE_RULE_REPLY_BARE_LF, SMTPSCOPE_DETAIL_NONE},
};

#define TOO_LONG_PATH (SMTPSCOPE_COMMAND_PATH_TOO_LONG | SMTPSCOPE_COMMAND_LOCAL_TOO_LONG | SMTPSCOPE_COMMAND_DOMAIN_TOO_LONG)

static const struct row command_rows[] = {
    {SMTPSCOPE_COMMAND_LINE_TOO_LONG, SMTPSCOPE_RULE_COMMAND_LINE_TOO_LONG, SMTPSCOPE_DETAIL_LINE_OCTETS},
    {TOO_LONG_PATH, SMTPSCOPE_RULE_COMMAND_PATH_TOO_LONG, SMTPSCOPE_DETAIL_LINE_OCTETS},
    {SMTPSCOPE_COMMAND_BARE_LF, SMTPSCOPE_RULE_COMMAND_BARE_LF, SMTPSCOPE_DETAIL_NONE},
    {SMTPSCOPE_COMMAND_NUL, SMTPSCOPE_RULE_COMMAND_NUL, SMTPSCOPE_DETAIL_NONE},
    {SMTPSCOPE_COMMAND_NAME_OF_SERVER, SMTPSCOPE_RULE_COMMAND_HELO_NAME_INVALID, SMTPSCOPE_DETAIL_NAME_OF_SERVER},
    {SMTPSCOPE_COMMAND_NAME_BARE_IP, SMTPSCOPE_RULE_COMMAND_HELO_NAME_INVALID, SMTPSCOPE_DETAIL_NAME_BARE_IP},
    {SMTPSCOPE_COMMAND_NAME_INVALID, SMTPSCOPE_RULE_COMMAND_HELO_NAME_INVALID, SMTPSCOPE_DETAIL_NAME_INVALID},
    {SMTPSCOPE_COMMAND_NAME_NOT_QUALIFIED, SMTPSCOPE_RULE_COMMAND_HELO_NAME_INVALID, SMTPSCOPE_DETAIL_NAME_NOT_QUALIFIED},
    {SMTPSCOPE_COMMAND_EXPLOIT, SMTPSCOPE_RULE_SECURITY_EXPLOIT_ATTEMPT, SMTPSCOPE_DETAIL_NONE},
};

static struct smtpscope_text text_of(const char *word)
{
    return (struct smtpscope_text){word, strlen(word)};
}

static struct claim claim_of(const struct smtpscope_exchange *exchange, enum smtpscope_rule rule, enum smtpscope_fault fault)
{
    return (struct claim){.rule = rule, .exchange = exchange, .fault = fault};
}

static void judge_late(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    smtpscope_time sent = exchange->command->time, waited = exchange->reply->time - sent;
    unsigned wait = OTHER_WAIT;
    struct claim claim;

    if (!sent || waited <= SHORTEST_WAIT * SMTPSCOPE_SECOND)
        return;
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        if (waits[i].verb == exchange->command->verb)
            wait = waits[i].wait;
    if (waited <= (smtpscope_time)wait * SMTPSCOPE_SECOND)
        return;
    claim = claim_of(exchange, SMTPSCOPE_RULE_REPLY_LATE,
                     judge->transaction.hindered_by_client ? SMTPSCOPE_FAULT_CLIENT
                     : judge->transaction.hindered         ? SMTPSCOPE_FAULT_NETWORK
                                                           : SMTPSCOPE_FAULT_SERVER);
    claim.detail = SMTPSCOPE_DETAIL_LATE;
    claim.detail_number = (uint64_t)(waited / SMTPSCOPE_SECOND);
    note_add(judge, &claim);
}

static void judge_class(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_reply *reply = exchange->reply;
    enum smtpscope_verb verb = exchange->command->verb;
    struct claim claim;

    /* Which code was meant is not known when the lines differ in it; and that is told. */
    if (verb <= SMTPSCOPE_VERB_UNKNOWN || reply->code >= 400 || reply->code < 200 || smtpscope_verb_allows(verb, reply->code) ||
        reply->oddities & SMTPSCOPE_REPLY_CODE_CHANGES || judge->session.doubtful)
        return; /* behind a gap it is rather the answer to a command that was lost */
    claim = claim_of(exchange, SMTPSCOPE_RULE_REPLY_WRONG_CLASS, SMTPSCOPE_FAULT_SERVER);
    claim.detail = SMTPSCOPE_DETAIL_ALLOWED_CODES;
    claim.detail_number = reply->code;
    claim.detail_text = smtpscope_text_of(smtpscope_verb_success(verb));
    note_add(judge, &claim);
}

/* The server greeted in another protocol: that its replies are none of SMTP's says no more. */
static bool alien_is_server(const struct smtpscope_judge *judge)
{
    const struct smtpscope_finding *alien = note_find(judge, memory_of(judge)->session.alien);

    return alien && alien->fault == SMTPSCOPE_FAULT_SERVER;
}

static void judge_reply_oddities(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_reply *reply = exchange->reply;
    struct claim claim;

    for (size_t i = 0; !alien_is_server(judge) && i < sizeof reply_rows / sizeof *reply_rows; i++)
        if (reply->oddities & reply_rows[i].oddity) {
            uint16_t note;

            claim = claim_of(exchange, reply_rows[i].rule, SMTPSCOPE_FAULT_SERVER);
            note = note_add(judge, &claim);
            if (note && !reply->code && reply_rows[i].rule == SMTPSCOPE_RULE_REPLY_MALFORMED)
                judge->memory->last.codeless = note;
        }
}

static void judge_reply(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_reply *reply = exchange->reply;
    struct claim claim;

    if (reply->oddities)
        judge_reply_oddities(judge, exchange);
    if (reply->enhanced.klass && reply->code && reply->enhanced.klass != reply->code / 100 &&
        !(reply->code / 100 == 3 && reply->enhanced.klass == 2)) {
        claim = claim_of(exchange, SMTPSCOPE_RULE_REPLY_ENHANCED_MISMATCH, SMTPSCOPE_FAULT_SERVER);
        note_add(judge, &claim);
    }
    judge_late(judge, exchange);
    judge_class(judge, exchange);
}

/* Without a code a reply answers nothing, so nothing could wait for it: reply.malformed says so. 421 is allowed (RFC 5321 3.8). */
void judge_unsolicited(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange, uint16_t note)
{
    uint16_t lookalike;
    struct claim claim;

    if (!(exchange->reply->oddities & SMTPSCOPE_REPLY_UNSOLICITED) || exchange->reply->code == 421 || is_alien(judge) ||
        judge->session.doubtful ||
        (note && (note == memory_of(judge)->session.closing || note == memory_of(judge)->transaction.unknown_bdat)))
        return;
    lookalike = memory_of(judge)->transaction.lookalike;
    claim = claim_of(exchange, SMTPSCOPE_RULE_REPLY_UNSOLICITED, lookalike ? SMTPSCOPE_FAULT_CLIENT : SMTPSCOPE_FAULT_SERVER);
    claim.cause = lookalike;
    note_add(judge, &claim);
}

/* A line that the server took although RFC 5321 does not allow it. What it refused is refusal.syntax, told once. */
static void judge_grammar(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange, uint32_t oddities)
{
    enum smtpscope_detail detail = detail_of_oddities(oddities);
    struct claim claim;

    if (detail == SMTPSCOPE_DETAIL_NONE || exchange->reply->code >= 400 ||
        (judge->session.doubtful && exchange->command->verb == SMTPSCOPE_VERB_RAW))
        return;
    claim = claim_of(exchange, SMTPSCOPE_RULE_COMMAND_MALFORMED, SMTPSCOPE_FAULT_CLIENT);
    claim.detail = detail;
    claim.verdict = SMTPSCOPE_VERDICT_TOLERATED;
    note_add(judge, &claim);
}

/*
 * Is an eighth bit in this line an address or a name without SMTPUTF8? That stands at MAIL and covers the RCPTs behind it
 * (RFC 6531 3.4).
 */
static bool lacks_smtputf8(const struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_command *command = exchange->command;

    if (command->parameters & SMTPSCOPE_EXT_BIT(SMTPSCOPE_EXT_SMTPUTF8))
        return false;
    return command->verb == SMTPSCOPE_VERB_MAIL || smtpscope_verb_hello(command->verb) ||
           (command->verb == SMTPSCOPE_VERB_RCPT && exchange->before->transaction && !judge->transaction.smtputf8 &&
            !exchange->before->doubt);
}

static void judge_command(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_command *command = exchange->command;
    uint32_t oddities = is_alien(judge) ? command->oddities & SMTPSCOPE_COMMAND_EXPLOIT : command->oddities;
    struct claim claim;
    uint16_t note;

    if (!oddities)
        return;
    for (size_t i = 0; i < sizeof command_rows / sizeof *command_rows; i++)
        if (oddities & command_rows[i].oddity) {
            claim = claim_of(exchange, command_rows[i].rule, SMTPSCOPE_FAULT_CLIENT);
            claim.detail = command_rows[i].detail;
            claim.detail_number = command->len;
            if (command_rows[i].rule == SMTPSCOPE_RULE_COMMAND_HELO_NAME_INVALID)
                claim.detail_text = command->path;
            note = note_add(judge, &claim);
            if (note && command_rows[i].rule == SMTPSCOPE_RULE_COMMAND_BARE_LF)
                judge->memory->last.bare_lf = note;
        }
    if (oddities & SMTPSCOPE_COMMAND_EIGHT_BIT && lacks_smtputf8(judge, exchange)) {
        claim = claim_of(exchange, SMTPSCOPE_RULE_COMMAND_EIGHT_BIT_WITHOUT_SMTPUTF8, SMTPSCOPE_FAULT_CLIENT);
        note_add(judge, &claim);
    }
    judge_grammar(judge, exchange, oddities);
}

static void judge_declared_size(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    uint64_t limit = exchange->before->size_limit;
    const struct smtpscope_command *command = exchange->command;
    struct number number;
    struct claim claim;
    uint16_t note;

    if (command->verb != SMTPSCOPE_VERB_MAIL || !limit || !command->has_size || command->declared_size <= limit)
        return;
    number = number_text(limit);
    claim = claim_of(exchange, SMTPSCOPE_RULE_COMMAND_SIZE_OVER_LIMIT, SMTPSCOPE_FAULT_CLIENT);
    claim.detail = SMTPSCOPE_DETAIL_SIZE;
    claim.detail_number = command->declared_size;
    claim.detail_text = number_digits(&number);
    claim.verdict = exchange->reply->code < 400 ? SMTPSCOPE_VERDICT_TOLERATED : SMTPSCOPE_VERDICT_REFUSED_OTHER;
    note = note_add(judge, &claim);
    if (note)
        judge->memory->last.oversize = note;
}

/* A parameter or command of an extension that was not advertised, and taken all the same. */
void judge_accepted_parameters(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_state *before = exchange->before;
    enum smtpscope_extension own = smtpscope_verb_extension(exchange->command->verb);
    uint64_t used = exchange->command->parameters | (own < SMTPSCOPE_EXTENSIONS ? SMTPSCOPE_EXT_BIT(own) : 0);
    uint64_t missing = used & ~before->extensions;
    struct claim claim;
    const char *keyword;

    if (!missing || before->doubt || judge->session.doubtful || before->hello == SMTPSCOPE_HELLO_NONE)
        return;
    keyword = smtpscope_extension_keyword((enum smtpscope_extension)__builtin_ctzll(missing));
    claim = claim_of(exchange, SMTPSCOPE_RULE_REJECTION_EXTENSION_NOT_ADVERTISED, SMTPSCOPE_FAULT_CLIENT);
    claim.severity = SEVERITY(NOTICE);
    claim.verdict = SMTPSCOPE_VERDICT_TOLERATED;
    claim.detail = SMTPSCOPE_DETAIL_KEYWORD_MISSING;
    claim.detail_text = smtpscope_text_of(keyword);
    note_add(judge, &claim);
}

/*
 * A chunk over the advertised SIZE is too large, as a message is; a count that no message can have may be an attack: one that is
 * negative in 32 bits, or in the 64 of RFC 3030's counters where there is no limit.
 */
static void judge_chunk(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_command *command = exchange->command;
    uint64_t limit = exchange->before->size_limit ? exchange->before->size_limit : INT64_MAX;
    bool absurd = command->declared_size > INT32_MAX;
    struct number number;
    struct claim claim;
    uint16_t note;

    if (command->verb != SMTPSCOPE_VERB_BDAT || !command->has_size || command->declared_size <= limit)
        return;
    judge->transaction.chunk_told = true;
    number = number_text(limit);
    claim = claim_of(exchange, absurd ? SMTPSCOPE_RULE_DATA_BDAT_SIZE_OVERFLOW : SMTPSCOPE_RULE_DATA_SIZE_OVER_LIMIT,
                     SMTPSCOPE_FAULT_CLIENT);
    claim.detail = SMTPSCOPE_DETAIL_CHUNK;
    claim.detail_number = command->declared_size;
    claim.detail_text = number_digits(&number);
    note = note_add(judge, &claim);
    if (note)
        judge->memory->last.oversize = note;
}

/* AUTH with a mechanism of the registry that the server did not list: whatever it answered, the client should have known. */
static uint16_t mechanism_report(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    const struct smtpscope_text *name = &exchange->command->argument;
    enum smtpscope_mechanism mechanism = exchange->command->mechanism;
    struct claim claim = {.rule = SMTPSCOPE_RULE_REJECTION_EXTENSION_NOT_ADVERTISED,
                          .exchange = exchange,
                          .severity = SEVERITY(NOTICE),
                          .fault = SMTPSCOPE_FAULT_CLIENT,
                          .verdict =
                              exchange->reply->code < 400 ? SMTPSCOPE_VERDICT_TOLERATED : SMTPSCOPE_VERDICT_REFUSED_OTHER,
                          .detail = SMTPSCOPE_DETAIL_KEYWORD_MISSING};
    char text[32] = "AUTH ";

    if (mechanism == SMTPSCOPE_MECHANISM_NONE || is_alien(judge) || !judge->mechanisms ||
        judge->mechanisms & SMTPSCOPE_MECHANISM_BIT(mechanism) || exchange->before->doubt || name->len > sizeof text - 5)
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
    struct claim claim = {.exchange = exchange, .fault = SMTPSCOPE_FAULT_CLIENT, .detail = SMTPSCOPE_DETAIL_LIMIT};

    if (verb == SMTPSCOPE_VERB_RCPT && memory->session.limit_rcpt &&
        judge->transaction.recipients == memory->session.limit_rcpt + 1) {
        claim.rule = SMTPSCOPE_RULE_COMMAND_TOO_MANY_RECIPIENTS;
        claim.detail_text = text_of("LIMITS RCPTMAX");
        note_add(judge, &claim);
    } else if (verb == SMTPSCOPE_VERB_MAIL && memory->session.limit_mail &&
               ++memory->session.mails == memory->session.limit_mail + 1) {
        claim.rule = SMTPSCOPE_RULE_COMMAND_TOO_MANY_MESSAGES;
        claim.detail_text = text_of("LIMITS MAILMAX");
        note_add(judge, &claim);
    }
}

void judge_oddities(struct smtpscope_judge *judge, const struct smtpscope_exchange *exchange)
{
    judge_chunk(judge, exchange);
    judge_between(judge, exchange);
    judge_reply(judge, exchange);
    judge_command(judge, exchange);
    judge_declared_size(judge, exchange);
}
