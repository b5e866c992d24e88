/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of the mail: deferrals (every 4yz) and refusals (every other 5yz). */
#include "detectors.h"

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
    return smtpscope_verb_is_login(verb) || verb == SMTPSCOPE_VERB_ANSWER;
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

/* RFC 4954 4: AUTH without an initial response is answered by 334; a server that refuses it has not seen a secret yet. */
static bool is_before_secret(const struct smtpscope_judge *judge, const struct refusal_view *refused,
                             enum smtpscope_reason reason)
{
    return smtpscope_verb_is_login(refused->verb) && refused->code >= 500 && !judge->session.secret_sent &&
           reason == SMTPSCOPE_REASON_CREDENTIALS;
}

/* What a server says of bounces as such, rather than of this one. */
static bool is_about_null_sender(const struct refusal_view *refused, enum smtpscope_reason reason)
{
    return is_null_sender(refused->command) && refused->code >= 500 &&
           (reason == SMTPSCOPE_REASON_UNSPECIFIED || reason == SMTPSCOPE_REASON_MAILBOX_SYNTAX ||
            reason == SMTPSCOPE_REASON_MAILBOX_UNKNOWN || reason == SMTPSCOPE_REASON_SENDER_UNVERIFIED ||
            reason == SMTPSCOPE_REASON_DOMAIN_UNKNOWN);
}

/* 521 and 556 say by themselves that there is no mail service (RFC 7504). */
static bool is_no_service(const struct refusal_view *refused, enum smtpscope_reason reason)
{
    bool code = refused->code == 521 || refused->code == 556;

    return reason == SMTPSCOPE_REASON_NO_SERVICE || (code && reason == SMTPSCOPE_REASON_UNSPECIFIED);
}

/*
 * The same words, or the same code, mean something else at another place. At MAIL it is the sender's address that is unknown, or
 * whose domain the server cannot look up. A server that has taken a message to its end takes mail. Credentials that were never
 * sent cannot be wrong.
 */
static enum smtpscope_reason reason_in_state(const struct smtpscope_judge *judge, const struct refusal_view *refused,
                                             enum smtpscope_reason reason)
{
    switch (refused->verb) {
    case SMTPSCOPE_VERB_MAIL:
        if (is_about_null_sender(refused, reason))
            return SMTPSCOPE_REASON_NULL_SENDER_REFUSED;
        return reason == SMTPSCOPE_REASON_MAILBOX_UNKNOWN || reason == SMTPSCOPE_REASON_RECIPIENT_UNVERIFIED ||
                       reason == SMTPSCOPE_REASON_DOMAIN_UNKNOWN
                   ? SMTPSCOPE_REASON_SENDER_UNVERIFIED
                   : reason;
    case SMTPSCOPE_VERB_EOD:
    case SMTPSCOPE_VERB_BDAT:
        if (meaning_is_form(refused->meaning))
            return SMTPSCOPE_REASON_MESSAGE_FORM;
        return reason == SMTPSCOPE_REASON_NO_SERVICE ? SMTPSCOPE_REASON_POLICY : reason;
    case SMTPSCOPE_VERB_DATA: return reason == SMTPSCOPE_REASON_NO_SERVICE ? SMTPSCOPE_REASON_POLICY : reason;
    case SMTPSCOPE_VERB_AUTH:
    case SMTPSCOPE_VERB_XEXPS: return is_before_secret(judge, refused, reason) ? SMTPSCOPE_REASON_MECHANISM : reason;
    default: return reason;
    }
}

/* EHLO is refused without a word why, and the name in it is none: then that is likely why. */
static bool is_for_name(const struct refusal_view *refused, enum smtpscope_reason reason)
{
    bool hello = smtpscope_verb_hello(refused->verb);

    return hello && reason == SMTPSCOPE_REASON_UNSPECIFIED && refused->command->oddities & BAD_NAME;
}

/*
 * By the reason; where the reply has none, a malformed command, a mailbox and a size are for the sender to correct. `said`: the
 * reason before the state was asked.
 */
static enum smtpscope_fault fault_of(const struct refusal_view *refused, enum smtpscope_rule rule, enum smtpscope_reason said,
                                     enum smtpscope_reason reason)
{
    bool about_sent = rule == SMTPSCOPE_RULE_REFUSAL_SIZE || rule == SMTPSCOPE_RULE_REFUSAL_MAILBOX ||
                      refused->meaning == MEANING_CLIENT_GONE;

    if (said == SMTPSCOPE_REASON_CREDENTIALS && reason == SMTPSCOPE_REASON_MECHANISM)
        return SMTPSCOPE_FAULT_SERVER; /* it offered a mechanism that it cannot do */
    if (said == SMTPSCOPE_REASON_NO_SERVICE && reason == SMTPSCOPE_REASON_POLICY)
        return SMTPSCOPE_FAULT_CLIENT; /* it took the message, and then would not have it */
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
    enum smtpscope_reason said =
        is_no_service(refused, refused->reading.reason) ? SMTPSCOPE_REASON_NO_SERVICE : refused->reading.reason;
    enum smtpscope_reason told = reason_in_state(judge, refused, said);
    struct reading reading = refused->reading;
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
    if (claim.reason != reading.reason)
        reading.source = SOURCE_STATE;
    if (claim.reason != SMTPSCOPE_REASON_UNSPECIFIED)
        claim.reading = &reading;
    claim.fault = fault_of(refused, claim.rule, said, claim.reason);
    if (refused->meaning == MEANING_CLIENT_GONE)
        claim.severity = SEVERITY(INFO); /* a remark; what was lost with the client is a finding of its own */
    if (claim.rule == SMTPSCOPE_RULE_REFUSAL_SIZE || claim.reason == SMTPSCOPE_REASON_MESSAGE_SIZE)
        claim.cause = judge->memory->last.oversize;
    if (claim.reason == SMTPSCOPE_REASON_MAILBOX_UNKNOWN)
        judge->memory->session.unknown_recipients++;
    if (claim.rule == SMTPSCOPE_RULE_REFUSAL_AUTH_FAILED && claim.reason != SMTPSCOPE_REASON_CANCELLED)
        judge->memory->session.failed_logins++;
    /* What this exchange says is certain even where the state is not. */
    if (!(refused->command->circumstances & SMTPSCOPE_COMMAND_LOST) && !is_half_seen(refused, claim.reason))
        claim.confidence = for_name || reading.source == SOURCE_LEARNED ? SMTPSCOPE_LIKELY : SMTPSCOPE_CERTAIN;
    return note_add(judge, &claim);
}
