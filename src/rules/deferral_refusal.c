/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of the mail: deferrals (every 4yz) and refusals (every other 5yz), and messages that were cut or are odd. */
#include "detectors.h"

#include <string.h>

/* The rules of a reason: of a 4yz, and of a 5yz where code and verb do not say another. */
static const struct reason_rules {
    enum smtpscope_rule deferral, refusal;
} reason_rules[SMTPSCOPE_REASONS] = {
#define REASON(id, word, retry, fault, deferral, refusal)                                                                      \
    [SMTPSCOPE_REASON_##id] = {SMTPSCOPE_RULE_DEFERRAL_##deferral, SMTPSCOPE_RULE_REFUSAL_##refusal},
#include "smtpscope/reasons.def"
};

/* A deferral carries the reason of its rule, so what no deferral has is left unsaid. */
static enum smtpscope_reason deferral_reason(enum smtpscope_reason reason)
{
    return reason_rules[reason].deferral == SMTPSCOPE_RULE_DEFERRAL_UNSPECIFIED ? SMTPSCOPE_REASON_UNSPECIFIED : reason;
}

static bool is_auth(enum smtpscope_verb verb)
{
    return verb == SMTPSCOPE_VERB_AUTH || verb == SMTPSCOPE_VERB_ANSWER;
}

/* No words, no enhanced code: the code itself, by RFC 5321 4.2.3 and the verb. */
static enum smtpscope_rule refusal_of_code(const struct refusal_view *refused)
{
    bool rcpt = refused->verb == SMTPSCOPE_VERB_RCPT || refused->verb == SMTPSCOPE_VERB_VRFY;

    if (refused->meaning == MEANING_SYNTAX)
        return SMTPSCOPE_RULE_REFUSAL_SYNTAX;
    switch (refused->code) {
    case 500:
    case 501: return SMTPSCOPE_RULE_REFUSAL_SYNTAX;
    case 551:
    case 553: return SMTPSCOPE_RULE_REFUSAL_MAILBOX;
    case 550: return rcpt ? SMTPSCOPE_RULE_REFUSAL_MAILBOX : SMTPSCOPE_RULE_REFUSAL_POLICY;
    case 552: return SMTPSCOPE_RULE_REFUSAL_SIZE;
    case 521:
    case 556: return SMTPSCOPE_RULE_REFUSAL_NO_SERVICE;
    case 554: return refused->exchange->greeting ? SMTPSCOPE_RULE_REFUSAL_NO_SERVICE : SMTPSCOPE_RULE_REFUSAL_UNSPECIFIED;
    }
    return SMTPSCOPE_RULE_REFUSAL_UNSPECIFIED;
}

/* Servers with codes of their own (Courier) have these for other things. */
static bool is_about_login(enum smtpscope_reason reason)
{
    switch (reason) {
    case SMTPSCOPE_REASON_CREDENTIALS:
    case SMTPSCOPE_REASON_MECHANISM:
    case SMTPSCOPE_REASON_AUTH_REQUIRED:
    case SMTPSCOPE_REASON_AUTH_TEMPORARY:
    case SMTPSCOPE_REASON_RATE_LIMITED:
    case SMTPSCOPE_REASON_TLS_REQUIRED: return true;
    default: return false;
    }
}

static enum smtpscope_rule refusal_rule(const struct refusal_view *refused, enum smtpscope_reason reason)
{
    enum smtpscope_rule rule;

    if (reason == SMTPSCOPE_REASON_MALFORMED_ARGUMENT && refused->code != 535)
        return SMTPSCOPE_RULE_REFUSAL_SYNTAX;
    if (((refused->code == 535 || refused->code == 534 || refused->code == 538) && is_about_login(reason)) ||
        (is_auth(refused->verb) && refused->code != 530))
        return SMTPSCOPE_RULE_REFUSAL_AUTH_FAILED;
    if (refused->code == 530 || reason == SMTPSCOPE_REASON_AUTH_REQUIRED)
        return SMTPSCOPE_RULE_REFUSAL_AUTH_REQUIRED;
    if (refused->exchange->greeting && (refused->code == 521 || refused->code == 554))
        return SMTPSCOPE_RULE_REFUSAL_NO_SERVICE;
    if (reason == SMTPSCOPE_REASON_UNSPECIFIED && refused->reply->enhanced.subject == 7)
        return SMTPSCOPE_RULE_REFUSAL_POLICY;
    rule = reason_rules[reason].refusal;
    return rule == SMTPSCOPE_RULE_REFUSAL_UNSPECIFIED ? refusal_of_code(refused) : rule;
}

/* "*" and its line end: the parser lets nothing else of an answer through. */
static bool is_cancel(const struct smtpscope_command *command)
{
    bool bare = command->oddities & SMTPSCOPE_COMMAND_BARE_LF;

    return command->len == (bare ? sizeof "*\n" : sizeof "*\r\n") - 1;
}

/* RFC 4954 4: 501 answers "*", with which a client cancels, and what is no base64. */
static enum smtpscope_reason auth_reason(const struct refusal_view *refused, enum smtpscope_reason reason)
{
    if (refused->verb == SMTPSCOPE_VERB_ANSWER && is_cancel(refused->command))
        return SMTPSCOPE_REASON_CANCELLED; /* whatever code the server has for that */
    if (is_auth(refused->verb) && refused->code == 501)
        return SMTPSCOPE_REASON_MALFORMED_ARGUMENT;
    return is_auth(refused->verb) && reason == SMTPSCOPE_REASON_POLICY ? SMTPSCOPE_REASON_CREDENTIALS : reason;
}

/* At MAIL it is the sender's address that is unknown, or whose domain the server cannot look up. */
static enum smtpscope_reason reason_at_verb(const struct refusal_view *refused)
{
    enum smtpscope_reason reason = reason_from(refused->meaning, refused->verb, refused->reply);

    if (refused->verb == SMTPSCOPE_VERB_MAIL &&
        (reason == SMTPSCOPE_REASON_MAILBOX_UNKNOWN || reason == SMTPSCOPE_REASON_RECIPIENT_UNVERIFIED))
        return SMTPSCOPE_REASON_SENDER_UNVERIFIED;
    return reason;
}

/* EHLO is refused without a word why, and the name in it is none: then that is likely why. */
static bool is_for_name(const struct refusal_view *refused, enum smtpscope_reason reason)
{
    bool hello = refused->verb == SMTPSCOPE_VERB_EHLO || refused->verb == SMTPSCOPE_VERB_HELO;

    return hello && reason == SMTPSCOPE_REASON_UNSPECIFIED && refused->command->oddities & BAD_NAME;
}

/* By the reason; where the reply has none, a malformed command, a mailbox and a size are for the sender to correct. */
static enum smtpscope_fault fault_of(const struct refusal_view *refused, enum smtpscope_rule rule, enum smtpscope_reason reason)
{
    bool about_sent = rule == SMTPSCOPE_RULE_REFUSAL_SIZE || rule == SMTPSCOPE_RULE_REFUSAL_MAILBOX ||
                      refused->meaning == MEANING_CLIENT_GONE;

    return about_sent && reason == SMTPSCOPE_REASON_UNSPECIFIED ? SMTPSCOPE_FAULT_CLIENT : smtpscope_reason_fault(reason);
}

/* In a capture with holes: the end of the text is lost, or it does not say why, and what could tell may not be there. */
static bool is_half_seen(const struct refusal_view *refused, enum smtpscope_reason reason)
{
    return refused->confidence == SMTPSCOPE_LIKELY &&
           (refused->reply->oddities & SMTPSCOPE_REPLY_UNFINISHED ||
            (refused->code >= 500 && !refused->exchange->greeting && reason == SMTPSCOPE_REASON_UNSPECIFIED));
}

uint16_t detect_mail(struct smtpscope_judge *judge, const struct refusal_view *refused)
{
    enum smtpscope_reason told = reason_at_verb(refused);
    bool for_name = is_for_name(refused, told);
    enum smtpscope_reason reason = for_name ? SMTPSCOPE_REASON_CLIENT_IDENTITY : told;
    struct claim claim = {.exchange = refused->exchange, .verdict = SMTPSCOPE_VERDICT_NONE, .confidence = refused->confidence};

    if (refused->reply->code < 500) {
        claim.reason = deferral_reason(reason);
        claim.rule = reason_rules[claim.reason].deferral;
    } else {
        claim.reason = auth_reason(refused, reason);
        claim.rule = refusal_rule(refused, claim.reason);
    }
    claim.fault = fault_of(refused, claim.rule, claim.reason);
    if (claim.rule == SMTPSCOPE_RULE_REFUSAL_SIZE)
        claim.cause = judge->memory->last.oversize;
    if (claim.reason == SMTPSCOPE_REASON_MAILBOX_UNKNOWN)
        judge->memory->session.unknown_recipients++;
    if (claim.rule == SMTPSCOPE_RULE_REFUSAL_AUTH_FAILED && claim.reason != SMTPSCOPE_REASON_CANCELLED)
        judge->memory->session.failed_logins++;
    /* What this exchange says is certain even where the state is not. */
    if (!(refused->command->circumstances & SMTPSCOPE_COMMAND_LOST) && !is_half_seen(refused, claim.reason))
        claim.confidence = for_name ? SMTPSCOPE_LIKELY : SMTPSCOPE_CERTAIN;
    return note_add(judge, &claim);
}

struct oddity_row {
    uint32_t oddity;
    enum smtpscope_rule rule;
};

static const struct oddity_row oddity_rows[] = {
    {SMTPSCOPE_DATA_BARE_LF, SMTPSCOPE_RULE_DATA_BARE_LF},
    {SMTPSCOPE_DATA_BARE_CR, SMTPSCOPE_RULE_DATA_BARE_CR},
    {SMTPSCOPE_DATA_NUL, SMTPSCOPE_RULE_DATA_NUL},
    {SMTPSCOPE_DATA_LINE_TOO_LONG, SMTPSCOPE_RULE_DATA_LINE_TOO_LONG},
    {SMTPSCOPE_DATA_BINARY, SMTPSCOPE_RULE_DATA_BINARY_IN_DATA},
};

static struct claim message_claim(const struct smtpscope_fact *fact, enum smtpscope_rule rule)
{
    const struct smtpscope_message *message = fact->message;

    return (struct claim){.rule = rule,
                          .fact = fact,
                          .side = SMTPSCOPE_CLIENT,
                          .fault = SMTPSCOPE_FAULT_CLIENT,
                          .offset = message->odd_offset ? message->odd_offset : message->offset};
}

static void judge_lookalike(struct smtpscope_judge *judge, const struct smtpscope_fact *fact)
{
    const struct smtpscope_message *message = fact->message;
    const char *name = smtpscope_lookalike_name(message->lookalike);
    struct claim claim;
    uint16_t note;

    if (!(message->oddities & SMTPSCOPE_DATA_LOOKALIKE) || !name)
        return;
    claim = message_claim(fact, SMTPSCOPE_RULE_DATA_SMUGGLING);
    claim.detail = SMTPSCOPE_DETAIL_LOOKALIKE;
    claim.detail_text = smtpscope_text_of(name);
    if (message->oddities & SMTPSCOPE_DATA_LOOKALIKE_COMMANDS)
        claim.detail = SMTPSCOPE_DETAIL_LOOKALIKE_COMMANDS;
    /* A conforming relay has stuffed a dot behind CRLF (RFC 5321 4.5.2): it can never pass these on. */
    if (!(message->oddities & SMTPSCOPE_DATA_LOOKALIKE_COMMANDS) || message->lookalike == SMTPSCOPE_LOOKALIKE_CRLF_LF ||
        message->lookalike == SMTPSCOPE_LOOKALIKE_CRLF_CR)
        claim.severity = SEVERITY(NOTICE);
    if (message->oddities & SMTPSCOPE_DATA_LOOKALIKE_TAKEN) {
        claim.detail = SMTPSCOPE_DETAIL_LOOKALIKE_TAKEN;
        claim.severity = SEVERITY(ERROR);
        claim.verdict = SMTPSCOPE_VERDICT_TOLERATED;
    }
    note = note_add(judge, &claim);
    if (note)
        judge->memory->transaction.lookalike = note;
}

static void judge_size(struct smtpscope_judge *judge, const struct smtpscope_fact *fact, const struct smtpscope_state *state)
{
    const struct smtpscope_message *message = fact->message;
    bool over = state->size_limit && message->content > state->size_limit;
    bool under = message->has_declared_size && message->content > message->declared_size;
    uint64_t limit = over ? state->size_limit : under ? message->declared_size : 0;
    struct number number;
    struct claim claim;

    if (!limit || (message->bdat && judge->transaction.chunk_told && over))
        return;
    claim = message_claim(fact, over ? SMTPSCOPE_RULE_DATA_SIZE_OVER_LIMIT : SMTPSCOPE_RULE_DATA_SIZE_UNDER_DECLARED);
    claim.detail = over ? SMTPSCOPE_DETAIL_SIZE : SMTPSCOPE_DETAIL_SIZE_DECLARED;
    claim.detail_number = message->content;
    number = number_text(limit);
    claim.detail_text = number_digits(&number);
    note_add(judge, &claim);
}

static void judge_outcome(struct smtpscope_judge *judge, const struct smtpscope_fact *fact,
                          const struct smtpscope_ending *ending)
{
    const struct smtpscope_message *message = fact->message;
    bool lost = message->outcome == SMTPSCOPE_OUTCOME_LOST;
    struct claim claim;

    if (!lost && message->outcome != SMTPSCOPE_OUTCOME_UNKNOWN)
        return;
    judge->session.lost_message = true;
    claim = message_claim(fact, lost ? SMTPSCOPE_RULE_DATA_CONNECTION_LOST : SMTPSCOPE_RULE_DATA_OUTCOME_UNKNOWN);
    claim.offset = message->offset;
    claim.fault = SMTPSCOPE_FAULT_UNDETERMINED;
    claim.cause = lost ? memory_of(judge)->session.closing : 0;
    claim.detail = SMTPSCOPE_DETAIL_LINE_OCTETS;
    claim.detail_number = message->size;
    if (judge->session.doubtful || message->oddities & SMTPSCOPE_DATA_GAP)
        claim.confidence = SMTPSCOPE_LIKELY;
    if (!judge->session.server_seen || !session_ended(ending))
        return; /* the reply may well have come, and the capture does not show it */
    note_add(judge, &claim);
}

void judge_message(struct smtpscope_judge *judge, const struct smtpscope_session *session, const struct smtpscope_fact *fact)
{
    const struct smtpscope_message *message = fact->message;
    struct claim claim;

    if (!message->sent)
        return;
    judge_lookalike(judge, fact);
    for (size_t i = 0; message->oddities && i < sizeof oddity_rows / sizeof *oddity_rows; i++)
        if (message->oddities & oddity_rows[i].oddity) {
            claim = message_claim(fact, oddity_rows[i].rule);
            note_add(judge, &claim);
        }
    if (message->oddities & SMTPSCOPE_DATA_EIGHT_BIT && !message->body_8bitmime && !message->smtputf8) {
        claim = message_claim(fact, SMTPSCOPE_RULE_DATA_EIGHT_BIT_WITHOUT_8BITMIME);
        note_add(judge, &claim);
    }
    judge_size(judge, fact, smtpscope_session_state(session));
    judge_outcome(judge, fact, smtpscope_session_ending(session));
}
